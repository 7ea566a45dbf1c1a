package quotas

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

func lines(r QuotaReport) (out []string) {
	for _, q := range r.Items {
		out = append(out, fmt.Sprintf("%s per %s and %s: %d of %d, %d left, %s, until %s", q.Meter, q.Per, q.Unit, q.Used, q.Limit, q.Remaining, q.State, q.Period.To.Format(time.DateOnly)))
	}
	return out
}

func TestQuotasSayWhatIsLeft(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-10")
		w.calls(t, "key_1", "2026-11-02", 7900)
		w.calls(t, "key_2", "2026-11-24T15:00:00Z", 100)
		w.calls(t, "key_1", "2026-10-31", 1)
		w.use(t, "key_1", "2026-11-24T00:00:00Z", meter.Amounts{Units: map[string]int64{"input_tokens": 60, "output_tokens": 50}})
		w.use(t, "key_1", "2026-11-23T23:00:00Z", meter.Amounts{Units: map[string]int64{"input_tokens": 1000}})

		r, err := w.AccountQuotas(w.ctx, "acc_1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"requests per account and month: 8000 of 10000, 2000 left, warning, until 2026-12-01"}, lines(r)); d != "" {
			t.Errorf("account (-want +got):\n%s", d)
		}
		r, err = w.KeyQuotas(w.ctx, "key_1")
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"requests per account and month: 8000 of 10000, 2000 left, warning, until 2026-12-01", "tokens per key and day: 110 of 100, 0 left, exceeded, until 2026-11-25"}
		if d := cmp.Diff(want, lines(r)); d != "" || r.AccountID != "acc_1" || r.PlanID != "starter" {
			t.Errorf("key (-want +got):\n%s", d)
		}
		if r, err = w.KeyQuotas(w.ctx, "key_of_nobody"); err != nil || len(r.Items) != 0 {
			t.Errorf("a key of no account: %+v, %v", r, err)
		}
		// 8000 in 23 d 15 h 30 min: 10149 at the end of 30 days, all used on the 30th.
		r, err = w.AccountQuotas(w.ctx, "acc_1")
		if err != nil {
			t.Fatal(err)
		}
		q := r.Items[0]
		if q.Projected == nil || *q.Projected != 10149 || q.ExhaustedAt.Format(time.DateTime) != "2026-11-30 13:22:30" {
			t.Errorf("projected and exhausted: %+v", q)
		}
	})
}

func TestCallsThatHaveNotLandedAreUsedToo(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		p := starter()
		p.Quotas = []Quota{{ID: "few", Meter: "requests", Limit: 3}}
		w.publish(t, p)
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-02", 1)
		if err := w.Counter().Assigned(w.ctx, "log", 0); err != nil {
			t.Fatal(err)
		}
		var b usage.Batch
		for range 2 {
			b.Append(&usage.Record{KeyID: "key_2", TimeMillis: w.now.UnixMilli(), Status: 200})
		}
		w.Counter().Observe("log", 0, &b)
		r, err := w.AccountQuotas(w.ctx, "acc_1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"requests per account and month: 3 of 3, 0 left, exceeded, until 2026-12-01"}, lines(r)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if ok, reason, reset := w.Counter().Check("key_1"); ok || reason == "" || reset.Format(time.DateOnly) != "2026-12-01" {
			t.Errorf("verdict %v, %q, %s", ok, reason, reset)
		}
		// A greater plan lets it through at once.
		pro := starter()
		pro.ID = "pro"
		w.publish(t, pro)
		w.subscribe(t, "acc_1", "pro", "2026-11-24")
		if ok, reason, _ := w.Counter().Check("key_1"); !ok {
			t.Errorf("still refused on the new plan: %s", reason)
		}
		if ok, _, _ := w.Counter().Check("key_3"); !ok {
			t.Error("a key of the default plan was refused")
		}
	})
}

func TestAnAccountMayHaveVeryManyKeys(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		for i := range 2*keysPerQuery + 1 {
			key := fmt.Sprint("many_", i)
			w.owner[key] = "acc_many"
			w.calls(t, key, "2026-11-05", 1)
		}
		r, err := w.AccountQuotas(w.ctx, "acc_many")
		if err != nil || r.Items[0].Used != 2*keysPerQuery+1 {
			t.Errorf("%+v, %v", r, err)
		}
		st, err := w.Preview(w.ctx, "acc_many", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "requests default 10001 = 0.0004 -> 0", "total 0")
	})
}

func TestJudge(t *testing.T) {
	from := when(t, "2026-11-01")
	for _, tt := range []struct {
		used, limit int64
		after       time.Duration
		state       QuotaState
		projected   int64 // -1: none
	}{
		{0, 100, 15 * 24 * time.Hour, QuotaOK, 0},
		{79, 100, 15 * 24 * time.Hour, QuotaOK, 158},
		{80, 100, 15 * 24 * time.Hour, QuotaWarning, 160},
		{100, 100, 15 * 24 * time.Hour, QuotaExceeded, 200},
		{0, 0, 15 * 24 * time.Hour, QuotaExceeded, 0},
		{50, 100, time.Minute, QuotaOK, -1},
		{math.MaxInt64, math.MaxInt64, time.Hour, QuotaExceeded, math.MaxInt64},
		{math.MaxInt64 / 10 * 8, math.MaxInt64, time.Hour, QuotaOK, math.MaxInt64},
	} {
		q := QuotaStatus{Used: tt.used, Limit: tt.limit}
		q.Period.From, q.Period.To = from, from.AddDate(0, 1, 0)
		q.judge(from.Add(tt.after))
		got := int64(-1)
		if q.Projected != nil {
			got = *q.Projected
		}
		if q.State != tt.state || got != tt.projected || q.Remaining < 0 {
			t.Errorf("%d of %d after %s: %s, projected %d, left %d; want %s, %d", tt.used, tt.limit, tt.after, q.State, got, q.Remaining, tt.state, tt.projected)
		}
	}
}

func TestUsageByBucket(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.calls(t, "key_1", "2026-11-02T10:00:00Z", 1)
		w.calls(t, "key_2", "2026-11-02T11:00:00Z", 2)
		w.calls(t, "key_1", "2026-11-24T15:00:00Z", 4)
		r, err := w.AccountUsage(w.ctx, "acc_1", when(t, "2026-11-02T10:30:00Z"), w.now, meter.Day)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range r.Buckets {
			got = append(got, fmt.Sprintf("%s %d %v", b.Start.Format(time.DateOnly), b.Amounts.Requests, b.Sealed))
		}
		if d := cmp.Diff([]string{"2026-11-02 3 true", "2026-11-24 4 false"}, got); d != "" || r.Total.Requests != 7 {
			t.Errorf("total %d, (-want +got):\n%s", r.Total.Requests, d)
		}
		if r.From.Format(time.RFC3339) != "2026-11-02T00:00:00Z" || r.To.Format(time.RFC3339) != "2026-11-25T00:00:00Z" {
			t.Errorf("widened to %s, %s", r.From, r.To)
		}
		if r, err = w.KeyUsage(w.ctx, "key_1", when(t, "2026-11-02T10:00:00Z"), when(t, "2026-11-02T11:00:00Z"), meter.Hour); err != nil || r.Total.Requests != 1 || len(r.Buckets) != 1 {
			t.Errorf("one hour of one key: %+v, %v", r, err)
		}
		for name, err := range map[string]error{
			"backwards":           second(w.KeyUsage(w.ctx, "key_1", w.now, w.now.Add(-48*time.Hour), meter.Day)),
			"too long":            second(w.KeyUsage(w.ctx, "key_1", when(t, "2020-01-01"), w.now, meter.Hour)),
			"unknown granularity": second(w.KeyUsage(w.ctx, "key_1", when(t, "2026-01-01"), w.now, "week")),
		} {
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAThresholdIsToldOnceWhateverRestarts(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := starter()
		p.Quotas = []Quota{{ID: "few", Meter: "requests", Limit: 4}}
		w.publish(t, p)
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		call := func(s *Service, n int) {
			var b usage.Batch
			for range n {
				b.Append(&usage.Record{KeyID: "key_1", TimeMillis: w.now.UnixMilli(), Status: 200})
			}
			s.Counter().Observe("log", 0, &b)
			w.calls(t, "key_1", "2026-11-24T15:00:00Z", int64(n))
			for len(s.Counter().Crossings()) > 0 {
				if err := s.notify(w.ctx, <-s.Counter().Crossings()); err != nil {
					t.Fatal(err)
				}
			}
		}
		call(w.Service, 2) // 50 %
		call(w.Service, 1) // 75 %
		restarted := w.another(t)
		if err := restarted.Counter().Assigned(w.ctx, "log", 0); err != nil {
			t.Fatal(err)
		}
		call(restarted, 1) // 100 %
		call(restarted, 1)
		var told []string
		for _, n := range w.told {
			told = append(told, fmt.Sprintf("%s %s %s %d%% %d/%d", n.Per, n.Subject, n.QuotaID, n.Percent, n.Used, n.Limit))
		}
		if d := cmp.Diff([]string{"account acc_1 few 50% 2/4", "account acc_1 few 100% 4/4"}, told); d != "" {
			t.Errorf("told (-want +got):\n%s", d)
		}
		if err := w.notify(w.ctx, counter.Crossing{Scope: "account", Subject: "acc_1", AccountID: "acc_1", QuotaID: "few", Percent: 80, Period: w.told[0].Period}); err != nil || len(w.told) != 2 {
			t.Errorf("a lower threshold than one told of: %v, %d told", err, len(w.told))
		}
		list, err := w.Notifications(w.ctx, "acc_1")
		if err != nil || len(list) != 2 {
			t.Fatalf("%d stored, %v", len(list), err)
		}
	})
}

func TestRunTellsAndStops(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		p := starter()
		p.Quotas = []Quota{{ID: "few", Meter: "requests", Limit: 2}}
		w.publish(t, p)
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		var b usage.Batch
		b.Append(&usage.Record{KeyID: "key_1", TimeMillis: w.now.UnixMilli(), Status: 200})
		w.Counter().Observe("log", 0, &b)
		deadline := time.Now().Add(5 * time.Second)
		for told := 0; told == 0; {
			if time.Now().After(deadline) {
				t.Fatal("nothing was told")
			}
			time.Sleep(time.Millisecond)
			w.mu.Lock()
			told = len(w.told)
			w.mu.Unlock()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
