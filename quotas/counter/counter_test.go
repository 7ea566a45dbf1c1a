package counter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

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
