package counter

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

const benchRecords = 10_000

// busyWorld has 2,000 keys of 300 accounts, plans with four limits, and a batch in which few keys make most calls.
func busyWorld() (*world, *usage.Batch) {
	w := newWorld("2026-11-24T12:00:00Z")
	limits := []Limit{
		monthly("calls", ScopeAccount, 1<<40), monthly("each", ScopeKey, 1<<40),
		{ID: "tokens", Scope: ScopeAccount, Meter: meter.Meter{Kind: meter.Units, Units: []string{"input_tokens", "output_tokens"}}, Period: period.Day, Max: 1 << 40, Hard: true, Thresholds: []int{50, 80, 100}},
		{ID: "bytes", Scope: ScopeKey, Meter: meter.Meter{Kind: meter.Bytes}, Period: period.Month, Max: 1 << 50, Hard: true},
	}
	w.SetLimits(limits, nil)
	var b usage.Batch
	r := call("", "2026-11-24T11:00:00Z")
	for i := range benchRecords {
		n := (i * i) % 2000
		r.KeyID = fmt.Sprintf("key_%04d", n)
		w.accounts[r.KeyID] = fmt.Sprintf("acc_%03d", n%300)
		r.TimeMillis++
		r.Units = nil
		if i%4 == 0 {
			r.Units = []usage.Unit{{Name: "input_tokens", Value: 100}, {Name: "output_tokens", Value: 30}}
		}
		b.Append(&r)
	}
	w.Observe("log", 0, &b)
	return w, &b
}

func BenchmarkObserveRecord(b *testing.B) {
	w, batch := busyWorld()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += benchRecords {
		w.Observe("log", 0, batch)
	}
}

func BenchmarkCheck(b *testing.B) {
	w, _ := busyWorld()
	w.cfg.Now = time.Now
	b.ReportAllocs()
	for b.Loop() {
		w.Check("key_0004")
	}
}

func TestNothingIsAllocatedOnceWarm(t *testing.T) {
	w, batch := busyWorld()
	if n := testing.AllocsPerRun(20, func() { w.Observe("log", 0, batch) }); n != 0 {
		t.Errorf("observing a batch allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { w.Check("key_0004") }); n != 0 {
		t.Errorf("a verdict allocates %v times", n)
	}
}
