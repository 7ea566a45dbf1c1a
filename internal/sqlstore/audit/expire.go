package audit

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// beginning is the ledger that holds the last row which was deleted: its number, its hash, a colon and the seal of both.
const beginning = "audit_start"

// start returns the last row that was deleted for its age, the zero Head when none was.
func (l *Log) start(ctx context.Context, q sqlstore.Querier) (Head, error) {
	var h Head
	var sealed string
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM ledger WHERE name = $1`, beginning).Scan(&h.Seq, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("read the start of the audit trail: %w", err)
	}
	var seal string
	h.Hash, seal, _ = strings.Cut(sealed, ":")
	if !hmac.Equal([]byte(l.seal("start", h)), []byte(seal)) {
		return Head{}, fmt.Errorf("%w: nobody who holds the pepper deleted the rows up to %d", ErrBroken, h.Seq)
	}
	return h, nil
}

// Expire deletes up to limit of the oldest rows from before now less age, and returns how many. What is left is still a chain:
// the ledger vouches for where it begins, and one more row says how many went. The latest row stays however old it is. Readers
// of the trail are not told.
func (l *Log) Expire(ctx context.Context, db *sqlstore.DB, now time.Time, age time.Duration, limit int) (int, error) {
	before := sqlstore.Millis(now.Add(-age))
	deleted := 0
	// Looked for outside the transaction, so that nobody waits for a look that finds nothing.
	if last, err := oldest(ctx, db.Read(), before, limit); err != nil || last.Seq == 0 {
		return 0, err
	}
	err := db.WithTx(ctx, func(tx *sql.Tx) error {
		deleted = 0                                                     // the transaction may run again
		if _, err := sqlstore.NextSeq(ctx, tx, ledger, 0); err != nil { // nobody appends or deletes until the end
			return err
		}
		last, err := oldest(ctx, tx, before, limit)
		if err != nil || last.Seq == 0 {
			return err
		}
		done, err := tx.ExecContext(ctx, `DELETE FROM audit_log WHERE seq <= $1`, last.Seq)
		if err != nil {
			return fmt.Errorf("delete old rows of the audit trail: %w", err)
		}
		n, err := done.RowsAffected()
		if err != nil {
			return fmt.Errorf("delete old rows of the audit trail: %w", err)
		}
		deleted = int(n)
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger (name, seq, hash) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash`, beginning, last.Seq, last.Hash+":"+l.seal("start", last)); err != nil {
			return fmt.Errorf("set the start of the audit trail: %w", err)
		}
		return l.Append(ctx, tx, Entry{
			At: now, Actor: "system:clock", Action: "audit.expire", TargetType: "audit", Reason: fmt.Sprintf("%d entries up to number %d were older than %d days", deleted, last.Seq, age/(24*time.Hour)),
		})
	})
	return deleted, err
}

// oldest returns the last of the up to limit oldest rows that are all from before that time, the zero Head when there is none.
// A clock that was put back leaves rows out of order; those behind a younger one stay until it is old, too.
func oldest(ctx context.Context, q sqlstore.Querier, before int64, limit int) (Head, error) {
	var h Head
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM (SELECT seq, hash FROM audit_log
		WHERE seq < COALESCE((SELECT MIN(seq) FROM audit_log WHERE at >= $1), (SELECT MAX(seq) FROM audit_log))
		ORDER BY seq LIMIT $2) AS old ORDER BY seq DESC LIMIT 1`, before, limit).Scan(&h.Seq, &h.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Head{}, fmt.Errorf("look for old rows of the audit trail: %w", err)
	}
	return h, nil
}
