package quotas

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/quotas/period"
)

func (w *world) planOn(t testing.TB, account, at string) string {
	t.Helper()
	p, err := w.PlanOf(w.ctx, account, when(t, at))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(p.ID, " ", p.Version)
}

func TestSubscriptionsReplaceEachOther(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		pro := starter()
		pro.ID = "pro"
		w.publish(t, pro)
		w.subscribe(t, "acc_1", "starter", "2026-11-10T17:00:00Z")
		w.subscribe(t, "acc_1", "pro", "2026-12-05")
		w.subscribe(t, "acc_1", "starter", "2026-12-20") // instead of going on with pro
		w.subscribe(t, "acc_1", "pro", "2026-12-15")     // and instead of that
		subs, err := w.Subscriptions(w.ctx, "acc_1")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range subs {
			got = append(got, s.PlanID+" "+s.StartsAt.Format(time.DateTime)+" to "+s.EndsAt.Format(time.DateOnly))
		}
		want := []string{"starter 2026-11-10 00:00:00 to 2026-12-05", "pro 2026-12-05 00:00:00 to 2026-12-15", "pro 2026-12-15 00:00:00 to 0001-01-01"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		for at, want := range map[string]string{"2026-11-09": "default 1", "2026-11-10": "starter 1", "2026-12-05": "pro 1", "2030-01-01": "pro 1"} {
			if got := w.planOn(t, "acc_1", at); got != want {
				t.Errorf("on %s: %s, want %s", at, got, want)
			}
		}
		if got := w.planOn(t, "acc_2", "2026-11-11"); got != "default 1" {
			t.Errorf("another account: %s", got)
		}
		if _, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2026-12-18T12:00:00Z"), "user:ada"); err != nil {
			t.Fatal(err)
		}
		if got := w.planOn(t, "acc_1", "2026-12-18"); got != "default 1" {
			t.Errorf("after the end: %s", got)
		}
		if _, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2027-01-01"), "user:ada"); !errors.Is(err, ErrConflict) {
			t.Errorf("ended twice: %v", err)
		}
	})
}

func TestANewVersionHoldsFromTheNextPeriodOn(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.now = when(t, "2026-10-03T12:00:00Z")
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-10-04")
		w.subscribe(t, "acc_2", "starter", "2026-10-04")
		pinned, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_3", PlanID: "starter", PlanVersion: 1}, "")
		if err != nil || pinned.PlanVersion != 1 {
			t.Fatal(pinned, err)
		}
		w.now = when(t, "2026-11-12T12:00:00Z")
		w.publish(t, starter())
		for at, want := range map[string]string{"2026-10-04": "starter 1", "2026-11-30": "starter 1", "2026-12-01": "starter 2"} {
			if got := w.planOn(t, "acc_1", at); got != want {
				t.Errorf("on %s: %s, want %s", at, got, want)
			}
		}
		if got := w.planOn(t, "acc_3", "2026-12-01"); got != "starter 1" {
			t.Errorf("pinned: %s", got)
		}
		w.subscribe(t, "acc_4", "starter", "2026-11-20")
		if got := w.planOn(t, "acc_4", "2026-11-20"); got != "starter 2" {
			t.Errorf("subscribed after the publication: %s", got)
		}
		if _, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_3", PlanID: "starter", PlanVersion: 7}, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("a version that is not there: %v", err)
		}
	})
}

func TestCyclesCutPeriods(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		euros := starter()
		euros.ID, euros.Currency = "euros", "EUR"
		w.publish(t, euros)
		if _, err := w.Subscribe(w.ctx, Subscription{
			AccountID: "acc_1", PlanID: "starter", StartsAt: when(t, "2026-11-10"), Cycle: period.Cycle{Anchor: when(t, "2026-01-31")},
		}, ""); err != nil {
			t.Fatal(err)
		}
		w.subscribe(t, "acc_1", "euros", "2027-01-15")
		periods := func(account string, ats ...string) (got []string) {
			for _, at := range ats {
				st, err := w.Preview(w.ctx, account, when(t, at))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, st.Period.From.Format(time.DateOnly)+" to "+st.Period.To.Format(time.DateOnly)+" "+st.Currency)
			}
			return got
		}
		want := []string{
			"2026-10-01 to 2026-11-01 USD", "2026-11-01 to 2026-11-10 USD", "2026-11-10 to 2026-11-30 USD", "2026-11-30 to 2026-12-31 USD",
			"2026-12-31 to 2027-01-15 USD", "2027-01-15 to 2027-01-31 EUR", "2027-01-31 to 2027-02-28 EUR", "2027-02-28 to 2027-03-31 EUR",
		}
		got := periods("acc_1", "2026-10-15", "2026-11-05", "2026-11-10", "2026-12-01", "2027-01-01", "2027-01-15", "2027-02-01", "2027-03-01")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		for month, want := range map[string]string{"2026-10": "2026-10-01", "2026-11": "2026-11-30", "2026-12": "2026-12-31", "2027-02": "2027-02-28"} {
			if p, err := w.PeriodIn(w.ctx, "acc_1", month); err != nil || p.From.Format(time.DateOnly) != want {
				t.Errorf("period in %s: %s, %v; want from %s", month, p, err, want)
			}
		}
		if _, err := w.PeriodIn(w.ctx, "acc_1", "november"); err == nil {
			t.Error("november is no month")
		}
	})
}

func TestBadSubscriptions(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		for name, tt := range map[string]struct {
			sub   Subscription
			field string
		}{
			"nothing":                     {Subscription{}, "account_id"},
			"unknown zone":                {Subscription{AccountID: "a", PlanID: "starter", Cycle: period.Cycle{Zone: "Mars"}}, "cycle"},
			"periods inside hours":        {Subscription{AccountID: "a", PlanID: "starter", Cycle: period.Cycle{Zone: "Asia/Kolkata"}}, "cycle"},
			"days inside hours in winter": {Subscription{AccountID: "a", PlanID: "starter", Cycle: period.Cycle{Unit: period.Day, Zone: "Australia/Lord_Howe"}}, "cycle"},
			"an anchor inside an hour":    {Subscription{AccountID: "a", PlanID: "starter", Cycle: period.Cycle{Anchor: when(t, "2026-01-01T10:30:00Z")}}, "cycle"},
			"ends before it starts":       {Subscription{AccountID: "a", PlanID: "starter", StartsAt: when(t, "2026-12-01"), EndsAt: when(t, "2026-11-01")}, "ends_at"},
		} {
			_, err := w.Subscribe(w.ctx, tt.sub, "")
			if problems, ok := errors.AsType[Problems](err); !ok || problems[0].Field != tt.field {
				t.Errorf("%s: %v, want a problem of %s", name, err, tt.field)
			}
		}
		if _, err := w.Subscribe(w.ctx, Subscription{AccountID: "a", PlanID: "none"}, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown plan: %v", err)
		}
	})
}

// Issuing reads the plans first and stores last. What is subscribed to in between must not be billed as if it were not there.
func TestAPlanThatChangesWhileItsPeriodIsBilledIsNotMissed(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.calls(t, "key_1", "2026-11-20", 20_000)
		w.now = when(t, "2026-12-02")
		w.asked = func() { w.subscribe(t, "acc_1", "starter", "2026-11-16") }
		if st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-20"), ""); !errors.Is(err, ErrConflict) {
			t.Fatalf("issued %s over %v, %v", st.Total, st.Plans, err)
		}
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-20"), "")
		if err != nil || len(st.Plans) != 2 || st.Number != "TK-000001" {
			t.Fatalf("again: %+v, %v", st, err)
		}
	})
}

// The same instant with another offset is the same anchor, and a default is what it stands for: a change of plan does not cut
// the period in two.
func TestTheSameCycleMayBeWrittenInOtherWords(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.calls(t, "key_1", "2026-11-20", 1)
		for _, s := range []struct {
			from, anchor string
			unit         period.Unit
			zone         string
		}{{"2026-10-10", "2026-10-10T02:00:00+02:00", period.Month, ""}, {"2026-11-16", "2026-10-10T05:00:00+05:00", "", "UTC"}} {
			_, err := w.Subscribe(w.ctx, Subscription{
				AccountID: "acc_1", PlanID: "starter", StartsAt: when(t, s.from), Cycle: period.Cycle{Anchor: when(t, s.anchor), Unit: s.unit, Zone: s.zone},
			}, "user:ada")
			if err != nil {
				t.Fatal(err)
			}
		}
		w.now = when(t, "2026-12-12")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-20"), "")
		if err != nil || st.Period.String() != "2026-11-10T00:00:00Z/2026-12-10T00:00:00Z" {
			t.Errorf("%s, %v", st.Period, err)
		}
	})
}

// A change of plan that says nothing of the cycle keeps it, and so its days: cut at another zone's midnight, the first day would
// be on both plans, and a month would have 32 days to pay for.
func TestAPlanChangesAtTheStartOfADayOfTheCycleThatIsKept(t *testing.T) {
	for zone, c := range map[string]struct{ from, want string }{
		"Europe/Berlin":    {"2026-12-01T00:00:00Z", "2026-11-30T23:00:00Z"},
		"America/New_York": {"2026-12-01T17:00:00Z", "2026-12-01T05:00:00Z"},
	} {
		t.Run(zone, func(t *testing.T) {
			one(t, func(t *testing.T, w *world) {
				w.publish(t, starter())
				bigger := starter()
				bigger.ID, bigger.Charges[0].Amount = "bigger", num("300")
				w.publish(t, bigger)
				if _, err := w.Subscribe(w.ctx, Subscription{
					AccountID: "acc_1", PlanID: "starter", StartsAt: when(t, "2026-11-10T12:00:00Z"), Cycle: period.Cycle{Zone: zone},
				}, ""); err != nil {
					t.Fatal(err)
				}
				w.now = when(t, c.from).Add(time.Hour) // a change from now on starts today, too
				for _, starts := range []time.Time{when(t, c.from), {}} {
					sub, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_1", PlanID: "bigger", StartsAt: starts}, "")
					if err != nil || !sub.StartsAt.Equal(when(t, c.want)) || sub.Cycle.Zone != zone {
						t.Fatalf("starts at %s in %q, %v; want %s", sub.StartsAt, sub.Cycle.Zone, err, c.want)
					}
				}
				st, err := w.Preview(w.ctx, "acc_1", when(t, "2026-12-15"))
				if err != nil || !st.Total.Equal(*num("300")) {
					t.Errorf("December costs %s on %v, %v; want 300", st.Total, st.Plans, err)
				}
			})
		})
	}
}
