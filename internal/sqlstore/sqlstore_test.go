package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

func TestOpenRefusesWithAMessageThatNamesTheSettingAndHidesThePassword(t *testing.T) {
	for _, c := range []struct{ name, dsn, want string }{
		{"empty", "", "database setting is empty"},
		{"unknown scheme", "mysql://root:hunter2@db/x", `unknown scheme "mysql"`},
		{"memory", ":memory:", "needs a file"},
		{"memory as parameter", "sqlite:x.db?mode=memory", "needs a file"},
		{"missing folder", filepath.Join(t.TempDir(), "no", "such", "x.db"), "create the folder"},
		{"a folder", t.TempDir(), "cannot open the database file"},
		{"bad port", "postgres://u:hunter2@h:notaport/x", "postgres://u:xxxxx@h:notaport/x"},
		{"bad escape", "postgres://u:hunter2%zz@h/x", "no valid Postgres address"},
		{"password as parameter", "postgres://h:1/x?password=hunter2&sslmode=nonsense", "no valid Postgres address"},
		{"nobody there", "postgres://u:hunter2@127.0.0.1:1/x", "cannot reach the database postgres://u@127.0.0.1:1/x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := sqlstore.Open(context.Background(), c.dsn)
			if err == nil {
				_ = db.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the message %q lacks %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the message holds the password: %q", err)
			}
		})
	}
}

func TestTheDatabaseFileIsReadableByItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db, err := sqlstore.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, %v: expected the database and its log", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode().Perm())
		}
	}
}

func TestReadingPoolOfSQLiteRefusesWrites(t *testing.T) {
	db := sqltest.New(t, sqlstore.SQLite)(t)
	rows, err := db.Read().QueryContext(context.Background(), `INSERT INTO settings (name, value, updated_at) VALUES ('a', 'b', 1) RETURNING name`)
	if err == nil {
		rows.Next()
		err = errors.Join(rows.Err(), rows.Close())
	}
	if err == nil {
		t.Fatal("a write went through the reading pool")
	}
}

func TestDialectIsOne(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db := context.Background(), open(t)
		err := db.WithTx(ctx, func(tx *sql.Tx) error {
			// Numbers out of order and used twice, bytes, upsert and RETURNING, row values.
			var name, value string
			if err := tx.QueryRowContext(ctx, `INSERT INTO settings (value, name, updated_at) VALUES ($2, $1, $3)
				ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING name, value`, "n", "v", 7).Scan(&name, &value); err != nil {
				return err
			}
			if name != "n" || value != "v" {
				t.Errorf("RETURNING gave %q, %q", name, value)
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO idempotency_keys (scope, name, request_hash, status, answer, created_at, expires_at)
				VALUES ($1, $1, $2, 200, $3, $4, $4)`, "s", "h", []byte{0, 255, 39}, int64(1)<<40); err != nil {
				return err
			}
			var answer []byte
			var at int64
			if err := tx.QueryRowContext(ctx, `SELECT answer, created_at FROM idempotency_keys WHERE (created_at, scope) > ($1, $2) AND scope = $2 || ''`,
				int64(1)<<40-1, "s").Scan(&answer, &at); err != nil {
				return err
			}
			if string(answer) != "\x00\xff'" || at != 1<<40 {
				t.Errorf("read back %x, %d", answer, at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestAUniqueViolationIsToldFromOthers(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db := context.Background(), open(t)
		insert := func(query string) error {
			return db.WithTx(ctx, func(tx *sql.Tx) error { _, err := tx.ExecContext(ctx, query); return err })
		}
		const row = `INSERT INTO settings (name, value, updated_at) VALUES ('a', 'b', 1)`
		if err := insert(row); err != nil {
			t.Fatal(err)
		}
		if err := insert(row); !sqlstore.IsUnique(err) {
			t.Errorf("second row: %v is not seen as a unique violation", err)
		}
		if err := insert(`INSERT INTO alert_events (alert_id, n, at, actor, kind) VALUES ('none', 1, 1, 'a', 'k')`); err == nil || sqlstore.IsUnique(err) {
			t.Errorf("orphan: %v is taken for a unique violation", err)
		}
	})
}

func TestAWriterThatHangsIsEndedByPostgres(t *testing.T) {
	ctx, db := context.Background(), sqltest.New(t, sqlstore.Postgres)(t)
	read := func(q sqlstore.Querier) (lock, idle string) {
		t.Helper()
		if err := q.QueryRowContext(ctx, `SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')`).Scan(&lock, &idle); err != nil {
			t.Fatal(err)
		}
		return lock, idle
	}
	if err := db.WithTx(ctx, func(tx *sql.Tx) error {
		if lock, idle := read(tx); lock != "10s" || idle != "15s" {
			t.Errorf("in a transaction: %s, %s", lock, idle)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if lock, idle := read(db.Read()); lock != "0" || idle != "0" {
		t.Errorf("afterwards: %s, %s", lock, idle)
	}
}

// Whoever did it again on that error might do it twice.
func TestACommitThatNobodyKnowsTheOutcomeOfIsToldAndNotRepeated(t *testing.T) {
	ctx, db := context.Background(), sqltest.New(t, sqlstore.Postgres)(t)
	runs := 0
	err := db.WithTx(ctx, func(tx *sql.Tx) error {
		runs++
		var pid int
		if err := tx.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		var gone bool
		return db.Read().QueryRowContext(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid).Scan(&gone)
	})
	if _, ok := errors.AsType[*sqlstore.OutcomeUnknownError](err); !ok || runs != 1 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if err := db.WithTx(ctx, func(*sql.Tx) error { return nil }); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db := context.Background(), open(t)
		boom := errors.New("boom")
		err := db.WithTx(ctx, func(tx *sql.Tx) error {
			if _, err := sqlstore.NextSeq(ctx, tx, "keys", 3); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("error %v", err)
		}
		if n, err := sqlstore.LastSeq(ctx, db.Read(), "keys"); n != 0 || err != nil {
			t.Errorf("after the rollback the ledger stands at %d, %v", n, err)
		}
	})
}

// Two processes write at once while a third polls: the poller must see every number, in order, with no hole left behind.
func TestPollingTheLedgerMissesNothing(t *testing.T) {
	const writers, each = 4, 25
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx := context.Background()
		var running sync.WaitGroup
		for w := range writers {
			db := open(t)
			running.Go(func() {
				for range each {
					if err := db.WithTx(ctx, func(tx *sql.Tx) error {
						n, err := sqlstore.NextSeq(ctx, tx, "keys", 1)
						if err != nil {
							return err
						}
						_, err = tx.ExecContext(ctx, `INSERT INTO audit_log (seq, at, actor, action, target_type, target_id, hash) VALUES ($1, 0, '', '', '', '', '')`, n)
						return err
					}); err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { running.Wait(); close(done) }()
		reader, last, ended := open(t), int64(0), false
		for {
			select {
			case <-done:
				ended = true
			default:
			}
			rows, err := reader.Read().QueryContext(ctx, `SELECT seq FROM audit_log WHERE seq > $1 ORDER BY seq`, last)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var n int64
				if err := rows.Scan(&n); err != nil {
					t.Fatal(err)
				}
				if n != last+1 {
					t.Fatalf("after %d came %d", last, n)
				}
				last = n
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Fatal(err)
			}
			if ended {
				break
			}
		}
		if last != writers*each {
			t.Errorf("saw %d numbers, want %d", last, writers*each)
		}
	})
}

func TestSourcesKeepTheirOwnHistoryAndOldProgramsAreRefused(t *testing.T) {
	file := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(sql)} }
	old := fstest.MapFS{"00001_a.sql": file("-- +goose Up\nCREATE TABLE extra (id TEXT PRIMARY KEY);\n")}
	newer := fstest.MapFS{"00001_a.sql": old["00001_a.sql"], "00002_b.sql": file("-- +goose Up\nALTER TABLE extra ADD COLUMN b BIGINT NOT NULL DEFAULT 0;\n")}
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			dsn := sqltest.DSN(t, dialect)
			open := func(fsys fstest.MapFS) error {
				db, err := sqlstore.Open(context.Background(), dsn, sqlstore.Source{Name: "extra", FS: fsys})
				if err != nil {
					return err
				}
				return db.Close()
			}
			for _, fsys := range []fstest.MapFS{old, old, newer, newer} {
				if err := open(fsys); err != nil {
					t.Fatal(err)
				}
			}
			if err := open(old); err == nil || !strings.Contains(err.Error(), "use the newer tollkeeper") {
				t.Errorf("a program older than its database got %v", err)
			}
		})
	}
}

// Somebody who stops the first start must not be told of a broken database: whenever the end comes, between any two statements,
// it is the reason, and the next start goes on from there.
func TestAnEndInTheMiddleOfTheMigrationsIsTheReason(t *testing.T) {
	files := fstest.MapFS{}
	for i := 1; i <= 100; i++ {
		files[fmt.Sprintf("%05d_t.sql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "-- +goose Up\nCREATE TABLE t%d (n BIGINT);\n", i)}
	}
	many := sqlstore.Source{Name: "many", FS: files}
	dir := t.TempDir()
	open := func(ctx context.Context, name any) error {
		db, err := sqlstore.Open(ctx, filepath.Join(dir, fmt.Sprint(name, ".db")), many)
		if err != nil {
			return err
		}
		return db.Close()
	}
	began := time.Now()
	if err := open(context.Background(), "whole"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	const starts = 150
	ended := 0
	for i := range starts {
		ctx, cancel := context.WithTimeout(context.Background(), took*time.Duration(i)/starts)
		began = time.Now()
		if err := open(ctx, i); err == nil {
			took = min(took, time.Since(began)) // the machine has become faster
		} else if ended++; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended after %d of %d parts: %v", i, starts, err)
		}
		cancel()
		if i%10 == 0 {
			if err := open(context.Background(), i); err != nil {
				t.Fatalf("the next start: %v", err)
			}
		}
	}
	if ended < starts/4 {
		t.Errorf("only %d of %d starts were ended", ended, starts)
	}
}

func TestManyProcessesMayOpenANewDatabaseAtOnce(t *testing.T) {
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			dsn := sqltest.DSN(t, dialect)
			var running sync.WaitGroup
			for range 3 {
				running.Go(func() {
					db, err := sqlstore.Open(context.Background(), dsn)
					if err == nil {
						err = db.Close()
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			running.Wait()
		})
	}
}

func TestIDsSortByTimeAndCursorsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<47).Draw(t, "ms")
		a, b := sqlstore.NewID("key_", time.UnixMilli(ms)), sqlstore.NewID("key_", time.UnixMilli(ms+1))
		if a >= b || len(a) != 30 {
			t.Fatalf("%s is not before %s", a, b)
		}
		c := sqlstore.Cursor{Millis: ms, ID: rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 })).Draw(t, "id")}
		if got, err := sqlstore.ParseCursor(c.String()); err != nil || got != c {
			t.Fatalf("cursor %v came back as %v, %v", c, got, err)
		}
		junk := rapid.String().Draw(t, "junk")
		if _, err := sqlstore.ParseCursor(junk); err != nil && !errors.Is(err, sqlstore.ErrCursor) {
			t.Fatalf("junk gave %v", err)
		}
	})
}

// A cursor comes from a client, who may have made it: what Postgres refuses as text is no database error but a bad cursor.
func TestAForgedCursorIsRefused(t *testing.T) {
	for _, forged := range []string{"1,a\x00b", "1,\xff", "x,a", "1", ","} {
		if c, err := sqlstore.ParseCursor(base64.RawURLEncoding.EncodeToString([]byte(forged))); !errors.Is(err, sqlstore.ErrCursor) {
			t.Errorf("%q gave %v, %v", forged, c, err)
		}
	}
}
