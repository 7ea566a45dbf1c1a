package counter

import (
	"context"
	"errors"
	"fmt"
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

func TestAHardLimitRefusesUntilThePeriodEnds(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"], w.accounts["key_2"] = "acc_1", "acc_1"
	w.SetLimits([]Limit{monthly("calls", ScopeAccount, 3)}, nil)
	w.Observe("log", 0, batch(call("key_1", "2026-11-24T11:59:00Z"), call("key_2", "2026-11-24T11:59:01Z")))
	if ok, _, _ := w.Check("key_1"); !ok {
		t.Error("refused after 2 of 3 calls")
	}
	w.Observe("log", 1, batch(call("key_2", "2026-11-24T11:59:02Z")))
	for _, key := range []string{"key_1", "key_2"} {
		ok, reason, reset := w.Check(key)
		if ok || reason != "quota calls: all 3 requests per month and account are used" || reset.Format(time.RFC3339) != "2026-12-01T00:00:00Z" {
			t.Errorf("%s after 3 of 3 calls: %v, %q, %s", key, ok, reason, reset)
		}
	}
	w.accounts["key_3"] = "acc_1"
	if ok, _, _ := w.Check("key_3"); ok {
		t.Error("a key that was never seen was let through though its account has nothing left")
	}
	w.accounts["key_4"] = "acc_2"
	for _, key := range []string{"key_4", "key_of_nobody"} {
		if ok, _, _ := w.Check(key); !ok {
			t.Errorf("%s was refused for what others used", key)
		}
	}
	w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if ok, _, _ := w.Check("key_1"); !ok {
		t.Error("still refused in the next month")
	}
}

func TestTheTightestLimitIsTheOneWithTheLeastShareLeft(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"], w.accounts["key_2"] = "acc_1", "acc_1"
	soft := monthly("soft", ScopeKey, 1)
	soft.Hard = false
	day := monthly("day", ScopeKey, 6)
	day.Period = period.Day
	w.SetLimits([]Limit{soft, monthly("calls", ScopeAccount, 10), day}, nil)
	at := "2026-11-24T11:00:00Z"
	for _, tt := range []struct {
		key       string // that makes a call first
		want      string
		remaining int64
		reset     string
	}{
		{"", "calls", 10, "2026-12-01"},
		{"key_1", "day", 5, "2026-11-25"},
		{"key_2", "calls", 8, "2026-12-01"},
		{"key_1", "day", 4, "2026-11-25"},
	} {
		if tt.key != "" {
			w.Observe("log", 0, batch(call(tt.key, at)))
		}
		h, ok := w.Tightest("key_1")
		if !ok || h.QuotaID != tt.want || h.Remaining != tt.remaining || h.ResetAt.Format(time.DateOnly) != tt.reset || !h.From.Before(h.ResetAt) {
			t.Errorf("after a call of %q: %+v, want %s with %d left", tt.key, h, tt.want, tt.remaining)
		}
	}
	if _, ok := w.Tightest("key_of_nobody"); ok {
		t.Error("a key of no account has a limit")
	}
	w.SetLimits([]Limit{monthly("calls", ScopeAccount, 10), monthly("none", ScopeKey, 0)}, nil)
	if h, ok := w.Tightest("key_1"); !ok || h.QuotaID != "none" || h.Remaining != 0 {
		t.Errorf("a limit of nothing: %+v", h)
	}
}

func TestLimitsOfAccountsComeBeforeTheDefaults(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"], w.accounts["key_2"] = "acc_1", "acc_2"
	w.Observe("log", 0, batch(call("key_1", "2026-11-24T11:00:00Z"), call("key_2", "2026-11-24T11:00:00Z")))
	check := func(want1, want2 bool) {
		t.Helper()
		if ok, _, _ := w.Check("key_1"); ok != want1 {
			t.Errorf("key_1: %v", ok)
		}
		if ok, _, _ := w.Check("key_2"); ok != want2 {
			t.Errorf("key_2: %v", ok)
		}
	}
	check(true, true)
	w.SetLimits([]Limit{monthly("calls", ScopeAccount, 1)}, map[string][]Limit{"acc_2": {monthly("calls", ScopeAccount, 2)}})
	check(false, true)
	w.SetLimits([]Limit{monthly("calls", ScopeAccount, 1)}, map[string][]Limit{"acc_2": {}})
	check(false, true)
	w.SetLimits([]Limit{monthly("calls", ScopeAccount, 1)}, nil)
	check(false, false)
	soft := monthly("calls", ScopeAccount, 1)
	soft.Hard = false
	w.SetLimits([]Limit{soft}, nil)
	check(true, true)
	w.SetLimits([]Limit{monthly("none", ScopeKey, 0)}, nil)
	check(false, false)
}

func TestEveryMeterCanBeLimited(t *testing.T) {
	limit := func(id string, m meter.Meter) Limit {
		return Limit{ID: id, Scope: ScopeKey, Meter: m, Period: period.Day, Max: 1 << 40}
	}
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"] = "acc_1"
	w.SetLimits([]Limit{
		limit("all", requests), limit("good", meter.Meter{Kind: meter.Requests, ExcludeErrors: true}), limit("bytes", meter.Meter{Kind: meter.Bytes}),
		limit("in", meter.Meter{Kind: meter.Bytes, Direction: meter.Request}), limit("out", meter.Meter{Kind: meter.Bytes, Direction: meter.Response}),
		limit("tokens", meter.Meter{Kind: meter.Units, Units: []string{"input_tokens", "output_tokens"}}),
	}, nil)
	a, b, c := call("key_1", "2026-11-24T11:00:00Z"), call("key_1", "2026-11-24T11:00:01Z"), call("key_1", "2026-11-24T11:00:02Z")
	b.Status, c.Status = 503, 404
	a.Units = []usage.Unit{{Name: "input_tokens", Value: 7}, {Name: "images", Value: 1}}
	c.Units = []usage.Unit{{Name: "output_tokens", Value: 5}, {Name: "input_tokens", Value: 1}}
	w.Observe("log", 0, batch(a, b, c))
	for id, want := range map[string]int64{"all": 3, "good": 2, "bytes": 330, "in": 30, "out": 300, "tokens": 13} {
		w.wantUsed(t, ScopeKey, "key_1", id, want)
	}
}

func TestWhatIsNotCounted(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"] = "acc_1"
	w.SetLimits([]Limit{monthly("calls", ScopeKey, 100)}, nil)
	at := "2026-11-24T11:00:00Z"
	records := []usage.Record{call("key_1", at), call("key_1", at), call("key_1", at), call("key_1", at), call("", at)}
	records[1].Flags = usage.FlagDuplicate
	records[2].KeyID, records[2].Flags = "key_of_nobody", usage.FlagUnknownKey|usage.FlagNoRequestID
	records[3].Flags = usage.FlagNoRequestID // counts
	records[4].Flags = usage.FlagNoKey
	w.Observe("log", 0, batch(records...))
	w.wantUsed(t, ScopeKey, "key_1", "calls", 2)
	if n := w.keys.len(); n != 1 {
		t.Errorf("%d keys are kept, want 1", n)
	}
}

func TestAKeyThatOnlyTheGatewayKnowsCountsForItsAccount(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.SetLimits([]Limit{monthly("sum", ScopeAccount, 100)}, nil)
	r := call("consumer", "2026-11-24T11:00:00Z")
	r.Flags = usage.FlagUnknownKey
	w.Observe("log", 0, batch(r))
	w.ledger.land(r)
	w.accounts["consumer"] = "acc_1"
	w.Observe("log", 0, batch(r))
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 1) // the first call came before it had an account
	w.ledger.land(r)
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 2)
	w.Observe("log", 0, batch(r, r))
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 4)
}

func TestRecordsCountInThePeriodOfTheirOwnTime(t *testing.T) {
	w := newWorld("2026-12-01T00:10:00Z")
	w.accounts["key_1"] = "acc_1"
	day := Limit{ID: "day", Scope: ScopeKey, Meter: requests, Period: period.Day, Max: 100}
	w.SetLimits([]Limit{monthly("month", ScopeKey, 100), day}, nil)
	w.Observe("log", 0, batch(
		call("key_1", "2026-12-01T00:09:00Z"), call("key_1", "2026-11-30T23:59:59Z"), call("key_1", "2026-12-01T00:00:00Z"),
		call("key_1", "2026-11-10T00:00:00Z"), call("key_1", "2026-08-01T00:00:00Z"), call("key_1", "2026-12-02T00:00:01Z"),
	))
	w.wantUsed(t, ScopeKey, "key_1", "month", 3)
	w.wantUsed(t, ScopeKey, "key_1", "day", 2)
	w.now = w.now.Add(-20 * time.Minute)
	w.wantUsed(t, ScopeKey, "key_1", "month", 2)
	w.wantUsed(t, ScopeKey, "key_1", "day", 1)
	if n := w.outside.Load(); n != 1 {
		t.Errorf("%d records were outside, want the one of August", n)
	}
}

func TestAssignmentGoesOnFromTheLedger(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"], w.accounts["key_2"] = "acc_1", "acc_1"
	w.SetLimits([]Limit{monthly("calls", ScopeKey, 100), monthly("sum", ScopeAccount, 100)}, nil)
	w.ledger.land(call("key_1", "2026-11-02T00:00:00Z"), call("key_1", "2026-10-31T00:00:00Z"), call("key_2", "2026-11-03T00:00:00Z"))
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 1)
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 2)

	seen := call("key_1", "2026-11-24T11:00:00Z")
	w.Observe("log", 0, batch(seen)) // observed, and not yet landed
	w.ledger.land(call("key_2", "2026-11-24T11:00:00Z"))
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 2) // not thrown back by the ledger, which lags
	w.wantUsed(t, ScopeKey, "key_2", "calls", 2) // another process counted it
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 4)

	// The partition goes to another process, which counts one more, and comes back.
	w.Revoked("log", 0)
	w.ledger.land(seen, call("key_1", "2026-11-24T11:30:00Z"))
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 3)
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 5)

	w.ledger.err = errors.New("the engine is away")
	if err := w.Assigned(context.Background(), "log", 1); !errors.Is(err, w.ledger.err) {
		t.Errorf("error %v", err)
	}
}

func TestAKeyTakesItsUseToItsNewAccount(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.SetLimits([]Limit{monthly("sum", ScopeAccount, 100)}, nil)
	before := call("key_1", "2026-11-05T11:00:00Z")
	w.ledger.land(before) // by an earlier process, when the key had no account
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	first, next := call("key_1", "2026-11-24T11:00:00Z"), call("key_1", "2026-11-24T11:00:01Z")
	w.Observe("log", 0, batch(first))
	w.accounts["key_1"] = "acc_1" // given to an account after its first call
	w.Observe("log", 0, batch(next))
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 2)
	w.ledger.land(first, next)
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 3)
	w.accounts["key_1"] = "acc_2"
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 0)
	w.wantUsed(t, ScopeAccount, "acc_2", "sum", 3)
}

func TestThresholdsAreToldOnce(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"] = "acc_1"
	l := monthly("calls", ScopeAccount, 10)
	l.Thresholds = []int{100, 50, 80}
	w.SetLimits([]Limit{l}, nil)
	var told []string
	for i := range 12 {
		w.Observe("log", 0, batch(call("key_1", "2026-11-24T11:00:00Z")))
		for len(w.Crossings()) > 0 {
			c := <-w.Crossings()
			told = append(told, fmt.Sprintf("%d: %s %s %s %d%% %d/%d %s", i+1, c.Scope, c.Subject, c.QuotaID, c.Percent, c.Used, c.Max, c.Period.To.Format(time.DateOnly)))
		}
	}
	want := "[5: account acc_1 calls 50% 5/10 2026-12-01 8: account acc_1 calls 80% 8/10 2026-12-01 10: account acc_1 calls 100% 10/10 2026-12-01]"
	if fmt.Sprint(told) != want {
		t.Errorf("told %v\nwant %s", told, want)
	}
	w.now = w.now.AddDate(0, 1, 0)
	many := make([]usage.Record, 9)
	for i := range many {
		many[i] = call("key_1", "2026-12-24T11:00:00Z")
	}
	w.Observe("log", 1, batch(many...))
	if c := <-w.Crossings(); c.Percent != 80 || c.Period.From.Format(time.DateOnly) != "2026-12-01" || len(w.Crossings()) > 0 {
		t.Errorf("a jump past two thresholds in a new month: %+v and %d more; want 80 alone", c, len(w.Crossings()))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.cfg.MaxKeys = 2
	w.SetLimits([]Limit{monthly("calls", ScopeKey, 1)}, nil)
	for i := range 5 {
		key := fmt.Sprint("key_", i)
		w.accounts[key] = "acc_1"
		r := call(key, "2026-11-24T11:00:00Z")
		r.Units = []usage.Unit{{Name: fmt.Sprint("unit_", i), Value: 1}}
		w.Observe("log", 0, batch(r))
	}
	if w.keys.len() != 2 || w.untracked.Load() != 3 {
		t.Errorf("%d keys kept and %d turned away, want 2 and 3", w.keys.len(), w.untracked.Load())
	}
	for i := range 2 * maxUnits {
		w.units.id(fmt.Sprint("more_", i), freeUnits)
	}
	if n := len(w.units.ids); n != freeUnits {
		t.Errorf("%d unit names kept, want %d", n, freeUnits)
	}
	w.Revoked("log", 0)
	w.now = w.now.AddDate(0, 2, 0)
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := w.keys.len(); n != 0 {
		t.Errorf("%d keys kept that were last used two months ago", n)
	}
}

func TestReloadsAskedForTogetherShareOne(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.reload.Lock()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := w.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for w.requested.Load() != 8 {
		time.Sleep(time.Millisecond)
	}
	w.reload.Unlock()
	wg.Wait()
	if w.ledger.loads != 2 { // the month and the day
		t.Errorf("%d loads for 8 reloads, want 2", w.ledger.loads)
	}
}
