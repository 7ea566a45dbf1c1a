package clickhouse

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"pgregory.net/rapid"
)

func TestQueriesRunSideBySideWithTheirOwnSettings(t *testing.T) {
	db := openTest(t)
	started := time.Now()
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"max_threads": i + 1, "max_block_size": 1000 + i}))
			for range 5 {
				var threads, block, zero uint64
				if err := db.conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_threads')), toUInt64(getSetting('max_block_size')), toUInt64(sleep(0.1))").Scan(&threads, &block, &zero); err != nil {
					t.Error(err)
				} else if threads != uint64(i+1) || block != uint64(1000+i) {
					t.Errorf("query %d ran with max_threads %d and max_block_size %d", i, threads, block)
				}
			}
		})
	}
	work.Wait()
	if e := time.Since(started); e > 3*time.Second {
		t.Errorf("8 x 5 queries of 0.1 s took %s: they do not run side by side", e)
	}
	var threads uint64
	if err := db.conn.QueryRow(t.Context(), "SELECT toUInt64(getSetting('max_block_size'))").Scan(&threads); err != nil || threads < 60_000 {
		t.Errorf("a setting stayed behind: max_block_size %d, %v", threads, err)
	}
}

func TestErrorsCarryTheEnginesCodeAndHarmNobodyElse(t *testing.T) {
	db := openTest(t)
	for sql, code := range map[string]int32{
		"SELECT * FROM no_such_table": 60,
		"SELEC 1":                     62,
		"SELECT throwIf(number = 90000) FROM numbers(100000)":                 395,
		"SELECT count() FROM events WHERE key_id = {missing:String}":          456,
		"INSERT INTO events (no_such_column) SELECT 1":                        16,
		"SELECT 1 SETTINGS no_such_setting = 1":                               115,
		"SELECT toUInt64(number), throwIf(number=300000) FROM system.numbers": 395,
	} {
		rows, err := db.conn.Query(t.Context(), sql)
		if err == nil {
			for rows.Next() { // an error in the middle of the answer
			}
			err = rows.Err()
			_ = rows.Close()
		}
		var exception *ch.Exception
		if !errors.As(err, &exception) || exception.Code != code {
			t.Errorf("%s: error %v, want code %d", sql, err, code)
		}
		if errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: the engine is said to be away", sql)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("after %s: %v", sql, err)
		}
	}
	var one uint8
	ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"max_execution_time": 1}))
	err := db.conn.QueryRow(ctx, "SELECT toUInt8(count() > 0) FROM system.numbers WHERE NOT ignore(number)").Scan(&one)
	var exception *ch.Exception
	if !errors.As(err, &exception) || exception.Code != 159 {
		t.Errorf("a query that took too long: %v", err)
	}
}

func TestAnInsertThatIsCutLeavesNothing(t *testing.T) {
	db := openTest(t)
	var e encoder
	block := e.events(testSpan(0, 5000), testBatch(5000, 0))
	for _, cut := range []int{1, 100, len(block) / 2, len(block) - 1} {
		if err := db.conn.InsertFormat(t.Context(), "Native", insertStatement("events", eventColumns), strings.NewReader(string(block[:cut]))); err == nil {
			t.Errorf("a block cut at %d of %d bytes was taken", cut, len(block))
		}
	}
	if n := db.count(t, "SELECT count() FROM events"); n != 0 {
		t.Errorf("%d rows of cut blocks", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if err := db.InsertEvents(ctx, testSpan(0, 10), testBatch(10, 0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an insert out of time: %v", err)
	}
}

func TestAQueryEndsWhenItsClientHasGone(t *testing.T) {
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		var n uint64
		done <- db.conn.QueryRow(ctx, "SELECT count() FROM system.numbers WHERE NOT ignore(number) SETTINGS max_execution_time = 600").Scan(&n)
	}()
	running := func() uint64 {
		return db.count(t, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM system.numbers%'")
	}
	for deadline := time.Now().Add(20 * time.Second); running() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the query does not run")
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); running() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the query still runs")
		}
	}
}

// Settings become part of a statement inside the engine's process, unlike values, which are bound.
func TestWhateverASettingHoldsStaysInside(t *testing.T) {
	db := openTest(t)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"'", `\'`, `\`, "', max_threads = '1", "a\nb\t", "{x:String}", "/*", "--"})).Draw(t, "value")
		var got string
		ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"log_comment": want}))
		if err := db.conn.QueryRow(ctx, "SELECT getSetting('log_comment')").Scan(&got); err != nil || got != want {
			t.Fatalf("setting %q came out as %q, %v", want, got, err)
		}
		var bound string
		if err := db.conn.QueryRow(t.Context(), "SELECT {v:String}", ch.Named("v", want)).Scan(&bound); err != nil || bound != want {
			t.Fatalf("value %q came out as %q, %v", want, bound, err)
		}
		keys := []string{want, "plain"}
		var list []string
		if err := db.conn.QueryRow(t.Context(), "SELECT {v:Array(String)}", ch.Named("v", keys)).Scan(&list); err != nil || list[0] != want || list[1] != "plain" {
			t.Fatalf("list of %q came out as %q, %v", want, list, err)
		}
	})
	if err := db.conn.Exec(ch.Context(t.Context(), ch.WithSettings(ch.Settings{"max_threads = 1, x": 1})), "SELECT 1"); err == nil {
		t.Error("a setting's name that is none was taken")
	}
}
