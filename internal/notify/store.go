package notify

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package, for [sqlstore.Open].
func Migrations() sqlstore.Source { return sqlstore.Embedded("notify", migrations) }

// store is the package's memory in the database that all processes share.
type store struct {
	db   *sqlstore.DB
	name string // of the receiver
	me   string // this process among all
}

// state is a receiver's row of notify_state.
type state struct {
	cursor    int64
	began     time.Time
	holder    string
	heldUntil time.Time
}

// state reads it; found is false before the very first start.
func (s *store) state(ctx context.Context) (st state, found bool, err error) {
	var began, until int64
	err = s.db.Read().QueryRowContext(ctx, `SELECT cursor, began_at, holder, held_until FROM notify_state WHERE name = $1`, s.name).Scan(&st.cursor, &began, &st.holder, &until)
	if errors.Is(err, sql.ErrNoRows) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("read the state of notifications: %w", err)
	}
	st.began, st.heldUntil = sqlstore.Time(began), sqlstore.Time(until)
	return st, true, nil
}

// begin makes the row; another process may have been faster.
func (s *store) begin(ctx context.Context, cursor int64, now time.Time) error {
	return s.exec(ctx, `INSERT INTO notify_state (name, cursor, began_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`, s.name, cursor, now.UnixMilli())
}

// hold makes this process the one that sends, or keeps it so, until a time. ok is false when another one is.
func (s *store) hold(ctx context.Context, now, until time.Time) (ok bool, err error) {
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE notify_state SET holder = $1, held_until = $2 WHERE name = $4 AND (holder = $1 OR held_until <= $3)`,
			s.me, until.UnixMilli(), now.UnixMilli(), s.name)
		if err != nil {
			return fmt.Errorf("become the process that sends notifications: %w", err)
		}
		n, err := res.RowsAffected()
		ok = n == 1
		return err
	})
	return ok, err
}

// release lets another process send at once.
func (s *store) release(ctx context.Context) error {
	return s.exec(ctx, `UPDATE notify_state SET held_until = 0 WHERE name = $2 AND holder = $1`, s.me, s.name)
}

// told returns up to which entry of an alert's timeline everything has been looked at.
func (s *store) told(ctx context.Context, alertID string) (n int64, known bool, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT n FROM notify_told WHERE receiver = $1 AND alert_id = $2`, s.name, alertID).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read what was told of alert %s: %w", alertID, err)
	}
	return n, true, nil
}

// errLost says that another process has taken over.
var errLost = errors.New("another process sends notifications now")

// add writes messages down, what has been looked at, and how far the feed has been read, all or nothing, and only for the
// process that sends and the place in the feed that it started from.
func (s *store) add(ctx context.Context, from, to int64, told map[string]int64, messages []Message) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE notify_state SET cursor = $1 WHERE name = $4 AND cursor = $2 AND holder = $3`, to, from, s.me, s.name)
		if err != nil {
			return fmt.Errorf("go on in the feed of alerts: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errLost)
		}
		for id, n := range told {
			if _, err := tx.ExecContext(ctx, `INSERT INTO notify_told (receiver, alert_id, n) VALUES ($1, $2, $3) ON CONFLICT (receiver, alert_id) DO UPDATE SET n = excluded.n`, s.name, id, n); err != nil {
				return fmt.Errorf("note what was told of alert %s: %w", id, err)
			}
		}
		for i := range messages {
			m := &messages[i]
			raw, err := encode(m)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO notify_waiting (receiver, n, id, at, message) VALUES ($1, $2, $3, $4, $5)`, s.name, i+1, m.ID, m.Timestamp.UnixMilli(), string(raw)); err != nil {
				return fmt.Errorf("write message %s down: %w", m.ID, err)
			}
		}
		return nil
	})
}

// waiting is a message on its way.
type waiting struct {
	n       int64
	message Message
	tries   int
	refused int
}

// head returns the message whose turn it is, nil when none waits.
func (s *store) head(ctx context.Context) (*waiting, error) {
	var w waiting
	var id, raw string
	err := s.db.Read().QueryRowContext(ctx, `SELECT n, id, message, tries, refused FROM notify_waiting WHERE receiver = $1 ORDER BY n LIMIT 1`, s.name).Scan(&w.n, &id, &raw, &w.tries, &w.refused)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(raw), &w.message)
	}
	if err != nil {
		return nil, fmt.Errorf("read the next message: %w", err)
	}
	w.message.ID = id
	return &w, nil
}

// tried notes a try in vain, and what came back.
func (s *store) tried(ctx context.Context, w *waiting, problem string, now time.Time) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notify_waiting SET tries = $1, refused = $2 WHERE receiver = $3 AND n = $4 AND id = $5`, w.tries, w.refused, s.name, w.n, w.message.ID)
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE notify_state SET problem = $1, problem_at = $2 WHERE name = $3`, problem, now.UnixMilli(), s.name)
		}
		if err != nil {
			return fmt.Errorf("write the state of notifications: %w", err)
		}
		return nil
	})
}

// done takes a message off: the receiver has it, or, with a problem, it is passed by.
func (s *store) done(ctx context.Context, w *waiting, problem string, now time.Time) error {
	note, args := `delivered = delivered + 1, delivered_at = $1, problem = ''`, []any{now.UnixMilli(), s.name}
	if problem != "" {
		note, args = `refused = refused + 1, problem_at = $1, problem = $3`, append(args, problem)
	}
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM notify_waiting WHERE receiver = $1 AND n = $2 AND id = $3`, s.name, w.n, w.message.ID)
		if err == nil {
			var n int64
			if n, err = res.RowsAffected(); err == nil && n == 0 {
				return nil // another process was faster, and has counted it
			}
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, `UPDATE notify_state SET `+note+` WHERE name = $2`, args...)
		}
		if err != nil {
			return fmt.Errorf("write the state of notifications: %w", err)
		}
		return nil
	})
}

func (s *store) exec(ctx context.Context, stmt string, args ...any) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, stmt, args...); err != nil {
			return fmt.Errorf("write the state of notifications: %w", err)
		}
		return nil
	})
}

// State is what has become of a receiver's messages, whichever process sends them.
type State struct {
	DeliveredAt time.Time // of the last that it took; zero: none yet
	Delivered   int64     // since several receivers are possible
	Refused     int64     // passed by because it refused them
	Waiting     int64
	OldestAt    time.Time // when that happened which the oldest waiting message tells of; zero: none waits
	Problem     string    // of the last try; "" when that was not in vain. It holds no secret.
	ProblemAt   time.Time
}

// StateOf reads the state of the receiver with this name; the zero State before its very first start.
func StateOf(ctx context.Context, db *sqlstore.DB, name string) (State, error) {
	var st State
	var delivered, problem, oldest int64
	err := db.Read().QueryRowContext(ctx, `SELECT delivered_at, delivered, refused, problem, problem_at,
		(SELECT COUNT(*) FROM notify_waiting w WHERE w.receiver = s.name), (SELECT COALESCE(MIN(at), 0) FROM notify_waiting w WHERE w.receiver = s.name)
		FROM notify_state s WHERE name = $1`, name).Scan(&delivered, &st.Delivered, &st.Refused, &st.Problem, &problem, &st.Waiting, &oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the state of receiver %s: %w", name, err)
	}
	st.DeliveredAt, st.ProblemAt, st.OldestAt = sqlstore.Time(delivered), sqlstore.Time(problem), sqlstore.Time(oldest)
	return st, nil
}
