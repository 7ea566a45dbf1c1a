package counter

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger is what has landed: the plainest possible source.
type ledger struct {
	mu      sync.Mutex
	records []usage.Record
	err     error
	loads   int
}

func (l *ledger) land(records ...usage.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, records...)
}

func (l *ledger) EachKey(_ context.Context, from, to time.Time, each func(meter.KeyUsage) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	if l.err != nil {
		return l.err
	}
	sums := make(map[string]*meter.Amounts)
	for i := range l.records {
		if r := &l.records[i]; !r.Time().Before(from) && r.Time().Before(to) && r.Flags&usage.FlagDuplicate == 0 {
			if sums[r.KeyID] == nil {
				sums[r.KeyID] = &meter.Amounts{}
			}
			sums[r.KeyID].Add(amountsOf(r))
		}
	}
	for id, a := range sums {
		if err := each(meter.KeyUsage{KeyID: id, Bucket: from, Amounts: *a}); err != nil {
			return err
		}
	}
	return nil
}

func amountsOf(r *usage.Record) meter.Amounts {
	a := meter.Amounts{Requests: 1, RequestBytes: r.RequestBytes, ResponseBytes: r.ResponseBytes, Units: map[string]int64{}}
	if meter.IsError(r.Status) {
		a.Errors = 1
	}
	for _, u := range r.Units {
		a.Units[u.Name] += u.Value
	}
	return a
}

// world is a counter with its surroundings.
type world struct {
	*Counter
	ledger   *ledger
	now      time.Time
	accounts map[string]string
}

func newWorld(now string) *world {
	when, err := time.Parse(time.RFC3339, now)
	if err != nil {
		panic(err)
	}
	w := &world{ledger: &ledger{}, now: when, accounts: map[string]string{}}
	w.Counter = New(Config{
		Source: w.ledger, AccountOf: func(id string) string { return w.accounts[id] }, Now: func() time.Time { return w.now },
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	return w
}

func batch(records ...usage.Record) *usage.Batch {
	var b usage.Batch
	for i := range records {
		b.Append(&records[i])
	}
	return &b
}

func call(key, at string) usage.Record {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return usage.Record{KeyID: key, TimeMillis: t.UnixMilli(), Status: 200, RequestBytes: 10, ResponseBytes: 100}
}

var requests = meter.Meter{ID: "requests", Kind: meter.Requests}

func monthly(id string, scope Scope, most int64) Limit {
	return Limit{ID: id, Scope: scope, Meter: requests, Period: period.Month, Max: most, Hard: true}
}

func (w *world) wantUsed(t *testing.T, scope Scope, id, limitID string, want int64) {
	t.Helper()
	if got, ok := w.Used(scope, id, limitID); got != want || !ok {
		t.Errorf("%s %s has used %d of %s (limit found: %v), want %d", scope, id, got, limitID, ok, want)
	}
}
