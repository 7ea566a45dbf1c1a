package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

const age = 100 * 24 * time.Hour

// later is when rows of the first four seconds are older than that.
var later = start.Add(age + 4*time.Second)

func expire(t *testing.T, db *sqlstore.DB, log *audit.Log, limit int) int {
	t.Helper()
	n, err := log.Expire(context.Background(), db, later, age, limit)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOldRowsGoAndTheRestIsStillAChain(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		if n := expire(t, db, log, 10); n != 0 {
			t.Fatalf("%d rows of an empty trail were deleted", n)
		}
		seconds(t, db, log, 9)
		if n := expire(t, db, log, 3); n != 3 {
			t.Fatalf("%d rows were deleted, want the limit of 3", n)
		}
		if n := expire(t, db, log, 3); n != 1 {
			t.Fatalf("%d rows were deleted, want the one that is left of the old", n)
		}
		if n := expire(t, db, log, 3); n != 0 {
			t.Fatalf("%d rows were deleted that are not old", n)
		}
		got, err := log.Verify(ctx, db.Read())
		if got.First != 5 || got.Rows != 7 || got.Head.Seq != 11 || err != nil {
			t.Errorf("what is left, rows 5 to 9 and two about what went: %+v, %v", got, err)
		}
		page, _, err := log.List(ctx, db.Read(), audit.Filter{Action: "audit.expire"})
		if err != nil || len(page) != 2 || page[1].Reason != "3 entries up to number 3 were older than 100 days" {
			t.Errorf("what went is on record as %+v, %v", page, err)
		}
	})
}

func TestTheLatestRowStaysHoweverOld(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		seconds(t, db, log, 3)
		if n := expire(t, db, log, 10); n != 2 {
			t.Errorf("%d rows were deleted, want all but the latest", n)
		}
		if got, err := log.Verify(ctx, db.Read()); got.First != 3 || got.Rows != 2 || err != nil {
			t.Errorf("what is left: %+v, %v", got, err)
		}
	})
}

func TestARowBehindAYoungerOneStaysUntilThatIsOldToo(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		db, log := open(t), audit.New([]byte("s"))
		for _, at := range []time.Time{start, later, start, later} { // the second was written while the clock was ahead
			appendAt(t, db, log, at)
		}
		if n := expire(t, db, log, 10); n != 1 {
			t.Errorf("%d rows were deleted, want the one before the younger", n)
		}
	})
}

func TestWhatWasNotedOfADeletedRowProvesNothing(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		heads := seconds(t, db, log, 9)
		expire(t, db, log, 10)
		if _, err := log.Verify(ctx, db.Read(), heads[2]); !errors.Is(err, audit.ErrExpired) || errors.Is(err, audit.ErrBroken) {
			t.Errorf("a row that was deleted: %v", err)
		}
		if _, err := log.Verify(ctx, db.Read(), heads[3], heads[4], heads[8]); err != nil {
			t.Errorf("the last that was deleted, whose hash is kept, and rows that are there: %v", err)
		}
		if _, err := log.Verify(ctx, db.Read(), audit.Head{Seq: 4, Hash: heads[0].Hash}); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("another than the last that was deleted: %v", err)
		}
	})
}

func TestVerifyFindsWhoCutsTheBeginningOffWithoutThePepper(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log := context.Background(), open(t), audit.New([]byte("s"))
		seconds(t, db, log, 9)
		const forged = `INSERT INTO ledger (name, seq, hash) SELECT 'audit_start', seq, hash || ':' || hash FROM audit_log WHERE seq = 2`
		breaks(t, db, log, "nobody who holds the pepper deleted", forged, `DELETE FROM audit_log WHERE seq <= 2`)
		expire(t, db, log, 3)
		for _, c := range []struct {
			name, want string
			do         []string
		}{
			{"more than was deleted", "row 4 is missing", []string{`DELETE FROM audit_log WHERE seq = 4`}},
			{"and the start set to what is now the first", "nobody who holds the pepper deleted", []string{
				`UPDATE ledger SET seq = 4, hash = (SELECT hash FROM audit_log WHERE seq = 4) || substr(hash, 65) WHERE name = 'audit_start'`, `DELETE FROM audit_log WHERE seq = 4`,
			}},
			{"the start forgotten", "row 1 is missing", []string{`DELETE FROM ledger WHERE name = 'audit_start'`}},
			{"something put where rows were deleted", "1 rows stand before the first", []string{
				`INSERT INTO audit_log SELECT 2, at, actor, action, target_type, target_id, account_id, before, after, reason, request_id, details, hash FROM audit_log WHERE seq = 5`,
			}},
		} {
			t.Run(c.name, func(t *testing.T) { breaks(t, db, log, c.want, c.do...) })
		}
		if _, err := log.Verify(ctx, db.Read()); err != nil {
			t.Errorf("left alone: %v", err)
		}
	})
}

func TestANotedHeadReadsBack(t *testing.T) {
	h := audit.Head{Seq: 12, Hash: strings.Repeat("0af9", 16)}
	if got, err := audit.ParseHead(h.String()); got != h || err != nil {
		t.Errorf("%s reads as %+v, %v", h, got, err)
	}
	for _, s := range []string{"", "12", "12:", ":" + h.Hash, "0:" + h.Hash, "-1:" + h.Hash, "12:" + h.Hash[2:], "12:" + strings.Repeat("xy", 32), h.Hash + ":12"} {
		if _, err := audit.ParseHead(s); err == nil {
			t.Errorf("%q was taken for a head", s)
		}
	}
}

func appendAt(t *testing.T, db *sqlstore.DB, log *audit.Log, at time.Time) audit.Head {
	t.Helper()
	ctx := context.Background()
	if err := db.WithTx(ctx, func(tx *sql.Tx) error {
		return log.Append(ctx, tx, audit.Entry{At: at, Actor: "user:ada", Action: "key.suspend", TargetType: "key"})
	}); err != nil {
		t.Fatal(err)
	}
	h, err := log.Head(ctx, db.Read())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// seconds appends n rows, one a second, and returns what could be noted of each.
func seconds(t *testing.T, db *sqlstore.DB, log *audit.Log, n int) (heads []audit.Head) {
	t.Helper()
	for i := range n {
		heads = append(heads, appendAt(t, db, log, start.Add(time.Duration(i)*time.Second)))
	}
	return heads
}

// meanwhile is a reader of whom something is done behind the back, before it reads rows for the first time.
type meanwhile struct {
	sqlstore.Querier
	do func()
}

func (m *meanwhile) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
	return m.Querier.QueryContext(ctx, query, args...)
}

func TestATrailWhoseOldRowsGoWhileItIsReadIsNotBroken(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		db, log := open(t), audit.New([]byte("s"))
		seconds(t, db, log, 9)
		got, err := log.Verify(context.Background(), &meanwhile{db.Read(), func() { expire(t, db, log, 10) }})
		if got.First != 5 || got.Rows != 6 || err != nil {
			t.Errorf("what is left: %+v, %v", got, err)
		}
	})
}
