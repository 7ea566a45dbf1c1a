package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

var start = time.UnixMilli(1_700_000_000_123).UTC()

func fill(t *testing.T, db *sqlstore.DB, log *audit.Log, n int) {
	t.Helper()
	ctx := context.Background()
	for i := range n {
		if err := db.WithTx(ctx, func(tx *sql.Tx) error {
			return log.Append(ctx, tx, audit.Entry{
				At: start.Add(time.Duration(i) * time.Second), Actor: "user:ada", Action: "key.suspend", TargetType: "key",
				TargetID: "key_" + strconv.Itoa(i%3), AccountID: "acme", Before: "active", After: "suspended", Reason: "because",
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListPagesFromTheNewestAndFilters(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		fill(t, db, log, 10)
		var seen []int64
		for cursor := ""; ; {
			page, next, err := log.List(ctx, db.Read(), audit.Filter{Cursor: cursor, Limit: 4})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				seen = append(seen, e.Seq)
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(seen) != 10 || seen[0] != 10 || seen[9] != 1 {
			t.Errorf("pages gave %v", seen)
		}
		for _, c := range []struct {
			name string
			f    audit.Filter
			want int
		}{
			{"target", audit.Filter{TargetID: "key_1"}, 3},
			{"actor", audit.Filter{Actor: "user:bob"}, 0},
			{"action and account", audit.Filter{Action: "key.suspend", AccountID: "acme"}, 10},
			{"time", audit.Filter{Since: start.Add(2 * time.Second), Until: start.Add(5 * time.Second)}, 3},
		} {
			page, _, err := log.List(ctx, db.Read(), c.f)
			if err != nil || len(page) != c.want {
				t.Errorf("%s: %d rows, %v; want %d", c.name, len(page), err, c.want)
			}
		}
		if _, _, err := log.List(ctx, db.Read(), audit.Filter{Limit: 501}); err == nil {
			t.Error("a limit of 501 was accepted")
		}
	})
}

func TestANotedHeadFindsADatabaseThatWasPutBack(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		if h, err := log.Head(ctx, db.Read()); h != (audit.Head{}) || err != nil {
			t.Errorf("head of an empty trail: %+v, %v", h, err)
		}
		fill(t, db, log, 4)
		var old string
		if err := db.Read().QueryRowContext(ctx, `SELECT hash FROM ledger WHERE name = 'audit'`).Scan(&old); err != nil {
			t.Fatal(err)
		}
		early, err := log.Head(ctx, db.Read())
		if err != nil {
			t.Fatal(err)
		}
		fill(t, db, log, 3)
		late, err := log.Head(ctx, db.Read())
		if err != nil || late.Seq != 7 {
			t.Fatalf("head %+v, %v", late, err)
		}
		if got, err := log.Verify(ctx, db.Read(), early, late); got.Rows != 7 || got.Head != late || err != nil {
			t.Fatalf("an intact trail: %+v, %v", got, err)
		}
		if _, err := log.Verify(ctx, db.Read(), audit.Head{Seq: 5, Hash: early.Hash}); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("another row than the noted one: %v", err)
		}
		if err := db.WithTx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `DELETE FROM audit_log WHERE seq > 4`); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `UPDATE ledger SET seq = 4, hash = $1 WHERE name = 'audit'`, old)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := log.Verify(ctx, db.Read(), early); got.Rows != 4 || err != nil {
			t.Errorf("put back, with a head from before: %+v, %v", got, err)
		}
		if _, err := log.Verify(ctx, db.Read(), late); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), "before one that was noted") {
			t.Errorf("put back, with a head from after: %v", err)
		}
	})
}

func TestVerifyFindsEveryKindOfTampering(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		if got, err := log.Verify(ctx, db.Read()); got != (audit.Checked{First: 1}) || err != nil {
			t.Fatalf("an empty trail: %+v, %v", got, err)
		}
		fill(t, db, log, 9)
		if got, err := log.Verify(ctx, db.Read()); got.Rows != 9 || err != nil {
			t.Fatalf("an intact trail: %+v, %v", got, err)
		}
		if _, err := audit.New([]byte("other")).Verify(ctx, db.Read()); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("with another secret: %v", err)
		}
		const copied = `INSERT INTO audit_log SELECT $1, at, actor, action, target_type, target_id, account_id, before, after, reason, request_id, details, hash FROM audit_log WHERE seq = 5`
		for _, c := range []struct {
			name string
			do   []string
			want string
		}{
			{"changed", []string{`UPDATE audit_log SET actor = 'user:eve' WHERE seq = 5`}, "row 5 does not match"},
			{"text moved between fields", []string{`UPDATE audit_log SET before = 'activesus', after = 'pended' WHERE seq = 4`}, "row 4 does not match"},
			{"removed", []string{`DELETE FROM audit_log WHERE seq = 5`}, "row 5 is missing"},
			{"first removed", []string{`DELETE FROM audit_log WHERE seq = 1`}, "row 1 is missing"},
			{"cut off", []string{`DELETE FROM audit_log WHERE seq > 6`}, "ends at row 6 instead of 9"},
			{"cut off with its ledger", []string{`DELETE FROM audit_log WHERE seq > 6`, `UPDATE ledger SET seq = 6 WHERE name = 'audit'`}, "head does not match"},
			{"cut off with its ledger and the hash of what is now the last", []string{
				`DELETE FROM audit_log WHERE seq > 6`,
				`UPDATE ledger SET seq = 6, hash = (SELECT hash FROM audit_log WHERE seq = 6) WHERE name = 'audit'`,
			}, "head does not match"},
			{"swapped", []string{`UPDATE audit_log SET seq = -2 WHERE seq = 2`, `UPDATE audit_log SET seq = 2 WHERE seq = 3`, `UPDATE audit_log SET seq = 3 WHERE seq = -2`}, "row 2 does not match"},
			{"put before the first", []string{strings.Replace(copied, "$1", "-1", 1)}, "1 rows stand before the first"},
			{"put at the end", []string{strings.Replace(copied, "$1", "10", 1), `UPDATE ledger SET seq = 10 WHERE name = 'audit'`}, "row 10 does not match"},
		} {
			t.Run(c.name, func(t *testing.T) { breaks(t, db, log, c.want, c.do...) })
		}
	})
}

// breaks checks that Verify says want of what the statements leave, and takes them back.
func breaks(t *testing.T, db *sqlstore.DB, log *audit.Log, want string, do ...string) {
	t.Helper()
	undo := errors.New("undo")
	err := db.WithTx(context.Background(), func(tx *sql.Tx) error {
		for _, stmt := range do {
			if _, err := tx.ExecContext(context.Background(), stmt); err != nil {
				return err
			}
		}
		if _, err := log.Verify(context.Background(), tx); !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), want) {
			t.Errorf("Verify gave %v, want %q", err, want)
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
}
