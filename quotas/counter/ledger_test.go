package counter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// TestCountersAgreeWithTheLedger plays any order of observing, landing, losing and getting back partitions, with late and
// early records and months that end, and compares every sum with a plain recount.
func TestCountersAgreeWithTheLedger(t *testing.T) {
	token := meter.Meter{Kind: meter.Units, Units: []string{"tokens"}}
	limits := []Limit{
		monthly("m", ScopeKey, 1), monthly("m", ScopeAccount, 1),
		{ID: "d", Scope: ScopeKey, Meter: token, Period: period.Day},
		{ID: "d", Scope: ScopeAccount, Meter: token, Period: period.Day},
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld("2026-11-29T12:00:00Z")
		w.SetLimits(limits, nil)
		const keys, partitions = 6, 2
		for i := range keys {
			w.accounts[fmt.Sprint("key_", i)] = fmt.Sprint("acc_", i%2)
		}
		var all []usage.Record // what was observed; it lands sooner or later
		pending := make([][]usage.Record, partitions)
		var batches [2]usage.Batch
		land := func(p int) { w.ledger.land(pending[p]...); pending[p] = nil }
		for p := range partitions {
			if err := w.Assigned(context.Background(), "log", int32(p)); err != nil {
				t.Fatal(err)
			}
		}
		for step := range rapid.IntRange(1, 25).Draw(t, "steps") {
			p := rapid.IntRange(0, partitions-1).Draw(t, "partition")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				land(p)
			case 1:
				land(p)
				w.Revoked("log", int32(p))
				if err := w.Assigned(context.Background(), "log", int32(p)); err != nil {
					t.Fatal(err)
				}
			case 2:
				if err := w.Reload(context.Background()); err != nil {
					t.Fatal(err)
				}
			case 3:
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "hours")) * time.Hour)
			default:
				b := &batches[step%2]
				b.Reset()
				for range rapid.IntRange(1, 60).Draw(t, "records") {
					r := usage.Record{KeyID: fmt.Sprint("key_", p+partitions*rapid.IntRange(0, keys/partitions-1).Draw(t, "key")), Status: 200}
					r.TimeMillis = w.now.Add(time.Duration(rapid.IntRange(-60, 12).Draw(t, "at")) * time.Hour).UnixMilli()
					r.Units = []usage.Unit{{Name: "tokens", Value: rapid.Int64Range(0, 9).Draw(t, "tokens")}}
					if rapid.IntRange(0, 9).Draw(t, "duplicate") == 0 {
						r.Flags = usage.FlagDuplicate
					} else {
						all = append(all, r)
					}
					b.Append(&r)
					pending[p] = append(pending[p], r)
				}
				w.Observe("log", int32(p), b)
			}
			month, day := map[string]int64{}, map[string]int64{}
			thisMonth, today := period.MonthAt(w.now), period.DayAt(w.now)
			for i := range all {
				r := &all[i]
				acc := w.accounts[r.KeyID]
				if thisMonth.Contains(r.Time()) {
					month[r.KeyID]++
					month[acc]++
				}
				if today.Contains(r.Time()) {
					day[r.KeyID] += r.Units[0].Value
					day[acc] += r.Units[0].Value
				}
			}
			check := func(scope Scope, id string) {
				m, _ := w.Used(scope, id, "m")
				d, _ := w.Used(scope, id, "d")
				if m != month[id] || d != day[id] {
					t.Fatalf("step %d at %s: %s has %d this month and %d today, recounted %d and %d", step, w.now, id, m, d, month[id], day[id])
				}
			}
			for i := range keys {
				check(ScopeKey, fmt.Sprint("key_", i))
			}
			check(ScopeAccount, "acc_0")
			check(ScopeAccount, "acc_1")
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	const workers, rounds, keys = 4, 50, 100
	for i := range keys {
		w.accounts[fmt.Sprint("key_", i)] = "acc_1"
	}
	l := monthly("sum", ScopeAccount, workers*rounds*keys)
	l.Thresholds = []int{50}
	w.SetLimits([]Limit{l}, nil)
	var wg sync.WaitGroup
	for p := range workers {
		wg.Go(func() {
			var b usage.Batch
			for range rounds {
				b.Reset()
				for i := range keys {
					r := call(fmt.Sprint("key_", i), "2026-11-24T11:00:00Z")
					b.Append(&r)
				}
				w.Observe("log", int32(p), &b)
				w.Check("key_7")
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := w.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", workers*rounds*keys)
	if ok, _, _ := w.Check("key_7"); ok {
		t.Error("let through with nothing left")
	}
	if n := len(w.Crossings()); n != 1 {
		t.Errorf("half was told %d times", n)
	}
}
