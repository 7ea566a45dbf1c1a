// Package budget bounds what detection does to keys over all processes: the blast radius of an error in it. Every engine of
// package detect keeps to the caps of the policies by itself, but there is one per partition, and it forgets at a restart;
// this count is kept in the database that all processes share.
//
// Contract. [Store.Suspend] and [Store.Flag] either count a decision or refuse it with a reason for people, in one
// transaction that queues behind one row of the ledger: whatever number of processes ask at once, no cap is exceeded, and
// none is reached early. A decision that is asked about again, after a crash or a lost connection, is counted once. What
// was counted stays counted when a person undoes it. Suspensions are counted by key, so that a quarantine that becomes a
// suspension is one.
package budget

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package, for [sqlstore.Open].
func Migrations() sqlstore.Source { return sqlstore.Embedded("budget", migrations) }

const (
	ledger = "budget"
	month  = 30 * 24 * time.Hour
)

// Store counts in a database. It is safe for concurrent use.
type Store struct {
	db  *sqlstore.DB
	now func() time.Time
}

// New returns a store on db, which has the tables of [Migrations]. now is nil for the wall clock.
func New(db *sqlstore.DB, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{db: db, now: now}
}

// Suspend counts the suspension or quarantine of a key, or says why it must not be: held is then the cap, in words. keys is
// how many there are, for the cap that is a share of them.
func (s *Store) Suspend(ctx context.Context, decisionID, keyID string, caps detect.Caps, keys int) (held string, err error) {
	share := max(2, int(caps.ShareOfKeys*float64(keys)))
	return s.ask(ctx, "suspension", decisionID, keyID, []limit{
		{time.Hour, caps.SuspensionsPerHour, "%d suspensions in an hour are the cap"},
		{24 * time.Hour, caps.SuspensionsPerDay, "%d suspensions in a day are the cap"},
		{24 * time.Hour, share, "%d suspensions in a day are the cap for " + fmt.Sprint(keys) + " keys"},
		{month, caps.SuspensionsPerMonth, "%d suspensions in 30 days are the cap"},
	})
}

// Flag counts an alert, or says why it must not disturb anybody.
func (s *Store) Flag(ctx context.Context, decisionID, keyID string, caps detect.Caps) (held string, err error) {
	return s.ask(ctx, "flag", decisionID, keyID, []limit{{24 * time.Hour, caps.FlagsPerDay, "%d alerts in a day are the cap"}})
}

// limit is a cap; most 0 is none.
type limit struct {
	span time.Duration
	most int
	text string
}

func (s *Store) ask(ctx context.Context, kind, id, keyID string, limits []limit) (held string, err error) {
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		held = ""
		if _, err := sqlstore.NextSeq(ctx, tx, ledger, 1); err != nil {
			return err
		}
		now := s.now()
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM budget_spent WHERE id = $1`, id).Scan(&known); err != nil || known > 0 {
			return err
		}
		what := "COUNT(*)"
		if kind == "suspension" {
			what = "COUNT(DISTINCT key_id)"
		}
		for _, l := range limits {
			if l.most == 0 {
				continue
			}
			var spent int
			if err := tx.QueryRowContext(ctx, `SELECT `+what+` FROM budget_spent WHERE kind = $1 AND at > $2 AND key_id <> $3`,
				kind, now.Add(-l.span).UnixMilli(), others(kind, keyID)).Scan(&spent); err != nil {
				return err
			}
			if spent >= l.most {
				held = fmt.Sprintf(l.text, l.most)
				return nil
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM budget_spent WHERE kind = $1 AND at < $2`, kind, now.Add(-month).UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO budget_spent (id, kind, key_id, at) VALUES ($1, $2, $3, $4)`, id, kind, keyID, now.UnixMilli())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("ask the budget of %ss: %w", kind, err)
	}
	return held, nil
}

// others is the key whose own entries do not count against it: a suspended key may be suspended again.
func others(kind, keyID string) string {
	if kind == "suspension" {
		return keyID
	}
	return "*" // no key has this id
}
