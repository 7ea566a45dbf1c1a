// Package sqlstore opens the relational database that holds keys, accounts, tokens, alerts, plans and the audit trail:
// SQLite in a file of the data folder by default, Postgres at scale. Both speak one dialect: numbered parameters ($1),
// ON CONFLICT, RETURNING, row values, BIGINT times in Unix milliseconds (0: none), BYTEA for bytes and TEXT for JSON.
//
// Contract. [Open] migrates before it returns, so a *DB always has the newest tables. Reads go to [DB.Read]; every write
// goes through [DB.WithTx], one transaction at a time on SQLite (a single writer connection, begun IMMEDIATE, so that a
// transaction never fails half way for a lock). No error of this package contains the password of a DSN.
//
// Order between processes comes from the ledger table ([NextSeq]): a writer takes its numbers by updating one row, which
// it then holds until it commits, so a reader that polls for "numbers above the last I saw" can never miss a transaction
// that took a lower number but committed later. The price is that the writers of one ledger queue behind each other.
package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Dialect names the engine behind a DB.
type Dialect string

// The two engines.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Source is a further set of goose migrations, of another package. Each source keeps its own history in the table
// goose_<Name>, so that packages number their migrations independently. The SQL must run on both engines.
type Source struct {
	Name string // lower-case letters, digits and _
	FS   fs.FS  // *.sql at its root
}

// Embedded is the source of a package that embeds its *.sql in the folder migrations. It panics where the folder is missing:
// it is part of the program.
func Embedded(name string, files fs.FS) Source {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err)
	}
	return Source{Name: name, FS: sub}
}

// DB is an open, migrated database. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	where   string // for messages; without a password
	writer  *sql.DB
	reader  *sql.DB
}

// Querier is what reading needs; *sql.DB and *sql.Tx have it.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Dialect returns which engine is behind the DB. Only migrations and tests should need it.
func (d *DB) Dialect() Dialect { return d.dialect }

// String names the database for messages, without a password.
func (d *DB) String() string { return d.where }

// Read returns the pool for reading outside a transaction. On SQLite it refuses writes.
func (d *DB) Read() Querier { return d.reader }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("database %s does not answer: %w", d.where, err)
	}
	return nil
}

// Close waits for running transactions and closes all connections.
func (d *DB) Close() error {
	err := d.writer.Close()
	if d.reader != d.writer {
		err = errors.Join(d.reader.Close(), err)
	}
	return err
}

// How long a transaction on Postgres waits for a lock, and may do nothing, before the server ends it.
const (
	lockTimeout = "10s"
	idleTimeout = "15s"
)

// maxAttempts bounds how often a transaction is tried that the engine itself asked to repeat.
const maxAttempts = 6

// WithTx runs fn in a transaction and commits it when fn returns nil; otherwise it rolls back and returns fn's error.
// When the engine gives up on the transaction for a deadlock, a serialization failure or a lock, or when the connection is
// lost before the commit (a failover), fn is run again, up to six times within about a second: fn must have no effect
// outside the transaction. When the connection is lost during the commit nobody knows its outcome: an [*OutcomeUnknownError].
// Publish after WithTx has returned.
func (d *DB) WithTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	for attempt := 1; ; attempt++ {
		committing, err := d.once(ctx, fn)
		if err == nil || attempt == maxAttempts || (!repeatable(err) && (committing || !lost(err))) {
			return err
		}
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(20*time.Millisecond) << attempt)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(ctx.Err(), err)
		case <-pause.C:
		}
	}
}

func (d *DB) once(ctx context.Context, fn func(tx *sql.Tx) error) (committing bool, err error) {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin a transaction on %s: %w", d.where, err)
	}
	done := false
	defer func() {
		if !done { // fn failed or panicked; a rollback that fails has no news: the connection is dropped
			_ = tx.Rollback()
		}
	}()
	if d.dialect == Postgres {
		// A ledger's row is locked by one writer at a time: a process that hangs in a transaction must not stop all
		// others for good. Set here and not at connecting, since poolers such as PgBouncer refuse unknown parameters.
		if _, err := tx.ExecContext(ctx, `SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)`,
			lockTimeout, idleTimeout); err != nil {
			return false, fmt.Errorf("set the limits of a transaction on %s: %w", d.where, err)
		}
	}
	if err := fn(tx); err != nil {
		return false, err
	}
	done = true
	if err := tx.Commit(); err != nil {
		err = fmt.Errorf("commit on %s: %w", d.where, err)
		if lost(err) {
			err = &OutcomeUnknownError{err}
		}
		return true, err
	}
	return true, nil
}

// OutcomeUnknownError is one of a transaction of which nobody knows whether it was made: the connection was lost during the commit.
// To do it again may do it twice.
type OutcomeUnknownError struct{ err error }

func (e *OutcomeUnknownError) Error() string {
	return e.err.Error() + "; whether it was made is not known"
}

// Unwrap returns what the commit ended with.
func (e *OutcomeUnknownError) Unwrap() error { return e.err }

// OutcomeUnknown tells this error apart where the package is not known.
func (e *OutcomeUnknownError) OutcomeUnknown() bool { return true }

// Away reports whether err, of [Open] for instance, says that the server does not answer or is still starting: the same call may succeed
// later. A wrong password or name is no such error.
func Away(err error) bool {
	return err != nil && (lost(err) || errors.Is(err, context.DeadlineExceeded))
}

// lost reports whether the connection is gone.
func lost(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// admin_shutdown, crash_shutdown, cannot_connect_now, and the class connection_exception
		return pg.Code == "57P01" || pg.Code == "57P02" || pg.Code == "57P03" || strings.HasPrefix(pg.Code, "08")
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// repeatable reports whether the engine rolled a transaction back through no fault of its own.
func repeatable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization_failure, deadlock_detected
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}

// IsUnique reports whether err says that a row with the same unique value exists.
func IsUnique(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// NextSeq takes n consecutive numbers of a ledger and returns the last of them. It creates the ledger on first use. The
// ledger's row stays locked until the transaction ends, see the package comment. A transaction that takes from several
// ledgers takes them in the order keys, tokens, alerts, quotas, statements, audit, so that two of them cannot wait for each other.
func NextSeq(ctx context.Context, tx *sql.Tx, ledger string, n int) (int64, error) {
	var last int64
	err := tx.QueryRowContext(ctx, `INSERT INTO ledger (name, seq) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET seq = ledger.seq + excluded.seq RETURNING seq`, ledger, n).Scan(&last)
	if err != nil {
		return 0, fmt.Errorf("take %d numbers of ledger %s: %w", n, ledger, err)
	}
	return last, nil
}

// LastSeq returns the newest committed number of a ledger, 0 when it has none.
func LastSeq(ctx context.Context, q Querier, ledger string) (int64, error) {
	var last int64
	err := q.QueryRowContext(ctx, `SELECT seq FROM ledger WHERE name = $1`, ledger).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read ledger %s: %w", ledger, err)
	}
	return last, nil
}

// Millis is the column form of a time: Unix milliseconds, 0 for the zero time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Time is the reverse of Millis, in UTC.
func Time(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// Like returns a pattern for "LIKE $1 ESCAPE '\'" that matches text anywhere.
func Like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
