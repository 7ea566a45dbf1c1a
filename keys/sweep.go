package keys

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// Sweep writes down what time has changed: suspensions that ended, keys that expired. Verification does not wait for it;
// it is there for the audit trail, for lists and for subscribers. It handles at most limit keys and returns how many.
func (s *Store) Sweep(ctx context.Context, limit int) (int, error) {
	now := s.clockMillis()
	// Looked up outside the transaction, so that an idle sweep does not touch the ledger.
	ids, err := s.due(ctx, now, limit)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	var settled []Key
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		settled = settled[:0]
		var entries []audit.Entry
		last, err := sqlstore.NextSeq(ctx, tx, keysLedger, len(ids))
		if err != nil {
			return err
		}
		for _, id := range ids {
			k, err := loadKey(ctx, tx, id) // another process may have been faster
			if err != nil {
				return err
			}
			before := k.Status
			if k.DeletedAt.IsZero() && k.settle(now) {
				k.Version, k.Seq, k.UpdatedAt = k.Version+1, last-int64(len(ids))+1+int64(len(settled)), now
				settled, entries = append(settled, k), append(entries, clockEntry(&k, before, now))
			}
		}
		for i := range settled {
			if err := saveKey(ctx, tx, &settled[i]); err != nil {
				return err
			}
		}
		return s.audit.Append(ctx, tx, entries...)
	})
	if err != nil || len(settled) == 0 {
		return 0, err
	}
	s.publish("key.clock", settled...)
	return len(settled), nil
}

// dueQueries find what time has changed, each through an index of exactly those keys that wait for a time: an OR of the
// three would read all keys, every second, and so would SQLite if it could find the active ones by an index.
var dueQueries = []string{
	`SELECT id FROM keys WHERE suspended_until > 0 AND suspended_until <= $1 AND status <> 'revoked' AND status <> 'expired' AND deleted_at = 0 LIMIT $2`,
	`SELECT id FROM keys WHERE expires_at > 0 AND expires_at <= $1 AND status <> 'revoked' AND status <> 'expired' AND deleted_at = 0 LIMIT $2`,
	`SELECT id FROM keys WHERE grace_until > 0 AND grace_until <= $1 AND status <> 'revoked' AND status <> 'expired' AND deleted_at = 0 LIMIT $2`,
}

// due returns the ids of up to limit keys whose status time has changed.
func (s *Store) due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	var ids []string
	for _, q := range dueQueries {
		if err := eachRow(ctx, s.db.Read(), q, []any{now.UnixMilli(), limit}, func(row scanner) error {
			var id string
			if err := row.Scan(&id); err != nil {
				return err
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("look for keys whose time has come: %w", err)
		}
	}
	return ids[:min(len(ids), limit)], nil
}
