package quotas

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/quotas/period"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// A customer leaves in the middle of a month: the fee is due for the days it had, use for what it was, and what it still
// uses is the default plan's, which begins with all of its allowance.
func TestAnEndedSubscriptionIsPaidUpToItsEnd(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-09T23:00:00Z", 2000)
		w.calls(t, "key_1", "2026-11-10T00:00:00Z", 20_000)
		sub, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2026-11-10T15:00:00Z"), "user:ada")
		if err != nil || !sub.EndsAt.Equal(when(t, "2026-11-10")) {
			t.Fatal(sub, err)
		}
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "user:ada")
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "base starter 0 = 9 -> 9", "requests-graduated starter 2000 = 1.5 -> 1.5", "tokens starter 0 = 0 -> 0",
			"requests default 20000 = 4 -> 4", "total 14.5")
		if st, err = w.Preview(w.ctx, "acc_1", when(t, "2026-12-01")); err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "requests default 0 = 0 -> 0", "total 0")
	})
}

func TestWhatMayBeEnded(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		end := func(at string) error {
			_, err := w.EndSubscription(w.ctx, "acc_1", when(t, at), "user:ada")
			return err
		}
		if err := end("2026-11-10"); !errors.Is(err, ErrConflict) {
			t.Errorf("without a subscription: %v", err)
		}
		w.subscribe(t, "acc_1", "starter", "2026-11-05")
		if err := end("2026-11-04"); !errors.Is(err, ErrConflict) || err.Error() != `account "acc_1" has no subscription on 2026-11-04; the next, to starter, starts at 2026-11-05T00:00:00Z: conflict` {
			t.Errorf("before it begins: %v", err)
		}
		w.now = when(t, "2026-12-02")
		if _, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), ""); err != nil {
			t.Fatal(err)
		}
		if err := end("2026-11-20"); !errors.Is(err, ErrConflict) {
			t.Errorf("in a month that is billed: %v", err)
		}
		if sub, err := w.EndSubscription(w.ctx, "acc_1", time.Time{}, "user:ada"); err != nil || !sub.EndsAt.Equal(when(t, "2026-12-03")) {
			t.Errorf("without a time: %v, %v; want tomorrow", sub.EndsAt, err)
		}
		w.subscribe(t, "acc_1", "starter", "2026-12-10")
		w.subscribe(t, "acc_1", "starter", "2026-12-20")
		if err := end("2026-12-10"); err != nil {
			t.Errorf("when it begins: %v", err)
		}
		subs, err := w.Subscriptions(w.ctx, "acc_1")
		if err != nil || len(subs) != 1 {
			t.Errorf("what never was, and what was to follow, is still there: %v, %v", subs, err)
		}
	})
}

// TestAnEndSharesFeeAndUseByTheDay states the rule of proration: whatever the cycle, the zone, the start and the end,
//   - over all periods the flat fee is due for as many days as the subscription ran, in each period by its share of that
//     period's days, rounded once; where the anchor is not midnight, the day of the border is one of both periods;
//   - every call is rated once, on the plan before the end and on the default plan from then on;
//   - the periods before the one with the end cost what they would without an end.
func TestAnEndSharesFeeAndUseByTheDay(t *testing.T) {
	w := newWorld(t, sqltest.New(t, sqlstore.SQLite, Migrations())(t))
	w.publish(t, Plan{ID: "member", Name: "Member", Currency: "USD", Charges: []Charge{
		{ID: "fee", Name: "Fee", Price: rating.Price{Mode: rating.ModeFlat, Amount: num("29.99")}},
		{ID: "calls", Meter: "requests", Price: rating.Price{Mode: rating.ModeUnit, Amount: num("0.01")}},
	}})
	w.now = when(t, "2027-02-20T12:00:00Z")
	customers := 0
	rapid.Check(t, func(r *rapid.T) {
		customers++
		account, key := fmt.Sprint("acc_", customers), fmt.Sprint("key_", customers)
		w.owner = map[string]string{key: account}
		cycle := period.Cycle{Zone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York"}).Draw(r, "zone")}
		if rapid.Bool().Draw(r, "anchored") {
			cycle.Anchor = time.Date(2026, 1, rapid.IntRange(1, 31).Draw(r, "anchor"), 0, 0, 0, 0, time.UTC)
		}
		starts := when(t, "2026-09-01T12:00:00Z").AddDate(0, 0, rapid.IntRange(0, 60).Draw(r, "start"))
		sub, err := w.Subscribe(w.ctx, Subscription{AccountID: account, PlanID: "member", Cycle: cycle, StartsAt: starts}, "")
		if err != nil {
			r.Fatal(err)
		}
		var before, after int64 // the end
		ends := sub.StartsAt.AddDate(0, 0, rapid.IntRange(1, 75).Draw(r, "length")).Add(6 * time.Hour)
		end, err := sub.Cycle.Midnight(ends)
		if err != nil {
			r.Fatal(err)
		}
		for i := range rapid.IntRange(0, 8).Draw(r, "hours with calls") {
			at := sub.StartsAt.Add(time.Duration(rapid.IntRange(0, 100*24).Draw(r, "hour")) * time.Hour)
			w.calls(t, key, at.UTC().Format(time.RFC3339), int64(i+1))
			if at.Before(end) {
				before += int64(i + 1)
			} else {
				after += int64(i + 1)
			}
		}
		unended := w.bills(r, account, sub.StartsAt)
		if _, err := w.EndSubscription(w.ctx, account, ends, ""); err != nil {
			r.Fatal(err)
		}
		var feeDays, fees int64
		rated := map[string]decimal.Decimal{}
		for i, st := range w.bills(r, account, sub.StartsAt) {
			if st.Period.To.Before(end) && !st.Total.Equal(unended[i].Total) {
				r.Fatalf("%s ended before the end and costs %s instead of %s", st.Period, st.Total, unended[i].Total)
			}
			for _, l := range st.Lines {
				if l.Meter == "requests" {
					rated[l.PlanID] = rated[l.PlanID].Add(l.Quantity)
				}
				if l.ChargeID != "fee" {
					continue
				}
				days, err := period.Days(l.Span, cycle.Zone)
				if err != nil {
					r.Fatal(err)
				}
				of := days
				if l.Share != nil {
					of = l.Share.Of
				}
				feeDays += days
				fees++
				// |amount - fee days/of| of cents is at most a half, without dividing.
				off := l.Amount.Mul(decimal.NewFromInt(of)).Sub(num("29.99").Mul(decimal.NewFromInt(days))).Abs()
				if off.GreaterThan(num("0.005").Mul(decimal.NewFromInt(of))) {
					r.Fatalf("fee of %s: %s for %d of %d days", l.Span, l.Amount, days, of)
				}
			}
		}
		ran, err := period.Days(period.Period{From: sub.StartsAt, To: end}, cycle.Zone)
		if err != nil {
			r.Fatal(err)
		}
		shared := int64(0) // days in which a period ends and the next begins count in both
		if midnight, _ := cycle.Midnight(cycle.Anchor); !cycle.Anchor.IsZero() && !midnight.Equal(cycle.Anchor) {
			shared = fees - 1
		}
		if feeDays != ran+shared {
			r.Fatalf("the fee is due for %d days; the subscription ran for %d, %d of them in two periods", feeDays, ran, shared)
		}
		if !rated["member"].Equal(decimal.NewFromInt(before)) || !rated["default"].Equal(decimal.NewFromInt(after)) {
			r.Fatalf("rated %v, want %d before the end and %d after", rated, before, after)
		}
	})
}

// bills are all periods from a time up to now, one after the other.
func (w *world) bills(t *rapid.T, account string, from time.Time) (list []Statement) {
	for at := from; at.Before(w.now); {
		st, err := w.Preview(w.ctx, account, at)
		if err != nil {
			t.Fatal(err)
		}
		list, at = append(list, st), st.Period.To
	}
	return list
}
