package alerts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// Expire deletes up to limit alerts that were closed without a verdict and that nothing has touched for the given time, with
// their timelines, and returns how many. Those with a verdict stay: detection goes by what people said. The audit trail keeps
// what was done with the deleted ones, and says in one entry how many there were. Followers are not told.
func (s *Store) Expire(ctx context.Context, age time.Duration, limit int) (int, error) {
	const due = ` WHERE status = 'closed' AND verdict = '' AND updated_at < $1`
	now := s.clock()
	before := now.Add(-age).UnixMilli()
	// Looked for outside the transaction, so that nobody waits for a look that finds nothing.
	ids, err := s.strings(ctx, `SELECT id FROM alerts`+due+` ORDER BY updated_at, id LIMIT $2`, before, limit)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	deleted := 0
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		deleted = 0 // the transaction may run again
		// Whoever changes an alert takes a number first; taking none keeps them out until the end.
		if _, err := sqlstore.NextSeq(ctx, tx, ledger, 0); err != nil {
			return err
		}
		for _, id := range ids {
			switch _, err := one(ctx, tx, due+` AND id = $2`, before, id); {
			case errors.Is(err, ErrNotFound):
				continue // somebody has looked at it meanwhile, or another process was faster
			case err != nil:
				return err
			}
			for _, table := range []string{`alert_facets WHERE alert_id`, `alert_events WHERE alert_id`, `alerts WHERE id`} {
				if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` = $1`, id); err != nil {
					return fmt.Errorf("delete alert %s: %w", id, err)
				}
			}
			deleted++
		}
		if deleted == 0 {
			return nil
		}
		return s.cfg.Audit.Append(ctx, tx, audit.Entry{
			At: now, Actor: "system:clock", Action: "alert.expire", TargetType: "alert", Reason: fmt.Sprintf("%d closed alerts without a verdict had no news for %d days", deleted, age/(24*time.Hour)),
		})
	})
	if err != nil {
		return 0, fmt.Errorf("delete old alerts: %w", err)
	}
	return deleted, nil
}
