package quotas

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// Notification tells that a quota has reached one of its thresholds. There is one per key or account, quota, period and
// threshold, whatever restarts; a jump past several thresholds tells the highest.
type Notification struct {
	Per       counter.Scope `json:"per"`
	Subject   string        `json:"subject"` // key or account id
	AccountID string        `json:"account_id"`
	QuotaID   string        `json:"quota_id"`
	Percent   int           `json:"percent"`
	Used      int64         `json:"used"`
	Limit     int64         `json:"limit"`
	Period    period.Period `json:"period"` // From alone when read back
	At        time.Time     `json:"at"`
}

// notify stores a crossing and tells of it, unless that was done before.
func (s *Service) notify(ctx context.Context, c counter.Crossing) error {
	n := Notification{
		Per: c.Scope, Subject: c.Subject, AccountID: c.AccountID, QuotaID: c.QuotaID, Percent: c.Percent, Used: c.Used, Limit: c.Max, Period: c.Period,
		At: c.At.Truncate(time.Millisecond),
	}
	var made int64
	err := s.store.db.WithTx(ctx, func(tx *sql.Tx) error {
		// A higher threshold told before, by another process, makes a lower one stale.
		r, err := tx.ExecContext(ctx, `INSERT INTO quota_notifications (scope, subject, quota_id, period_from, percent, account_id, used, most, at)
			SELECT $1, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS TEXT), CAST($7 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS BIGINT) WHERE NOT EXISTS (
				SELECT 1 FROM quota_notifications WHERE scope = $1 AND subject = $2 AND quota_id = $3 AND period_from = $4 AND percent >= $5)
			ON CONFLICT DO NOTHING`,
			string(n.Per), n.Subject, n.QuotaID, n.Period.From.UnixMilli(), n.Percent, n.AccountID, n.Used, n.Limit, n.At.UnixMilli())
		if err != nil {
			return fmt.Errorf("store that quota %s of %s reached %d %%: %w", n.QuotaID, clip(n.Subject), n.Percent, err)
		}
		made, err = r.RowsAffected()
		return err
	})
	if err != nil || made == 0 {
		return err
	}
	s.cfg.Logger.Info("quota threshold reached", "per", n.Per, "subject", n.Subject, "quota", n.QuotaID, "percent", n.Percent, "used", n.Used, "limit", n.Limit)
	if s.cfg.OnThreshold != nil {
		s.cfg.OnThreshold(ctx, n)
	}
	return nil
}

func scanNotification(row scanner) (Notification, error) {
	var n Notification
	var from, at int64
	err := row.Scan(&n.Per, &n.Subject, &n.AccountID, &n.QuotaID, &n.Percent, &n.Used, &n.Limit, &from, &at)
	n.Period.From, n.At = sqlstore.Time(from), sqlstore.Time(at)
	return n, err
}

// Notifications returns the newest thresholds that an account and its keys reached, at most 500.
func (s *Service) Notifications(ctx context.Context, account string) ([]Notification, error) {
	list, err := rows(ctx, s.store.db.Read(), scanNotification, `SELECT scope, subject, account_id, quota_id, percent, used, most, period_from, at
		FROM quota_notifications WHERE account_id = $1 ORDER BY at DESC, subject, quota_id, percent DESC LIMIT 500`, account)
	if err != nil {
		return nil, fmt.Errorf("read the notifications of %s: %w", clip(account), err)
	}
	return list, nil
}
