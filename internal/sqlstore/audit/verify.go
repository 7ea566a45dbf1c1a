package audit

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// ErrBroken is returned by Verify for a trail that was tampered with (or whose pepper file was exchanged).
var ErrBroken = errors.New("the audit trail is broken")

// ErrExpired is returned by Verify where a head was noted of a row that was deleted for its age: nothing can be said about it.
var ErrExpired = errors.New("the entry that was noted is no longer kept")

// Checked is what Verify saw.
type Checked struct {
	First int64 // number of the oldest row that is kept, 1 where none was deleted
	Rows  int64 // intact, from there on
	Head  Head  // the last of them; zero without any
}

// Verify reads the whole trail and says how much of it is intact. The error wraps ErrBroken and names the first row that is
// not; or it wraps ErrExpired. The trail must also run through the heads that were noted earlier. Rows appended meanwhile
// are not looked at.
func (l *Log) Verify(ctx context.Context, q sqlstore.Querier, noted ...Head) (Checked, error) {
	for {
		start, err := l.start(ctx, q)
		if err != nil {
			return Checked{}, err
		}
		got, err := l.verify(ctx, q, start, noted)
		if !errors.Is(err, ErrBroken) {
			return got, err
		}
		// Rows that are deleted for their age while they are read are missing, too.
		now, again := l.start(ctx, q)
		if again != nil || now == start {
			return got, err
		}
	}
}

func (l *Log) verify(ctx context.Context, q sqlstore.Querier, start Head, noted []Head) (Checked, error) {
	var end int64
	var want string
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM ledger WHERE name = $1`, ledger).Scan(&end, &want)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Checked{}, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	c := Checked{First: start.Seq + 1, Head: start}
	passed := 0
	pass := func() error {
		for _, h := range noted {
			if h.Seq != c.Head.Seq {
				continue
			}
			if h.Hash != c.Head.Hash {
				return fmt.Errorf("%w: row %d is not the one that was noted", ErrBroken, h.Seq)
			}
			passed++
		}
		return nil
	}
	for _, h := range noted {
		if h.Seq < start.Seq {
			return c, fmt.Errorf("%w: row %d was noted, and rows before %d were deleted for their age", ErrExpired, h.Seq, c.First)
		}
	}
	if err := pass(); err != nil {
		return c, err
	}
	for {
		entries, err := read(ctx, q, ` WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT 1000`, c.Head.Seq, end)
		if err != nil {
			return c, err
		}
		for i := range entries {
			e := &entries[i]
			if next := c.Head.Seq + 1; e.Seq != next {
				return c, fmt.Errorf("%w: row %d is missing", ErrBroken, next)
			}
			hash := l.chain(c.Head.Hash, e)
			if !hmac.Equal([]byte(hash), []byte(e.Hash)) {
				return c, fmt.Errorf("%w: row %d does not match its hash", ErrBroken, e.Seq)
			}
			before := c
			c.Head, c.Rows = Head{e.Seq, hash}, c.Rows+1
			if err := pass(); err != nil {
				return before, err
			}
		}
		if len(entries) == 0 {
			break
		}
	}
	switch {
	case c.Head.Seq != end:
		return c, fmt.Errorf("%w: it ends at row %d instead of %d", ErrBroken, c.Head.Seq, end)
	case passed != len(noted):
		return c, fmt.Errorf("%w: it ends at row %d, before one that was noted", ErrBroken, end)
	case end > 0 && !hmac.Equal([]byte(l.seal("head", c.Head)), []byte(want)):
		return c, fmt.Errorf("%w: its head does not match row %d", ErrBroken, end)
	}
	var beyond int64
	if err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_log WHERE seq <= $1`, start.Seq).Scan(&beyond); err != nil {
		return c, fmt.Errorf("read the audit trail: %w", err)
	}
	if beyond > 0 {
		return c, fmt.Errorf("%w: %d rows stand before the first", ErrBroken, beyond)
	}
	return c, nil
}
