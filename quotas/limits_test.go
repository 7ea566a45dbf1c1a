package quotas

import (
	"testing"
	"time"
)

func TestLimitsFollowWhatAnotherProcessChanges(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		other := w.another(t)
		tight := starter()
		tight.Quotas = []Quota{{ID: "none", Meter: "requests", Limit: 0}}
		w.publish(t, tight)
		w.subscribe(t, "acc_1", "starter", "2026-11-24")
		w.subscribe(t, "acc_2", "starter", "2026-11-25")
		verdict := func(key string, want bool) {
			t.Helper()
			if err := other.refreshIfChanged(w.ctx); err != nil {
				t.Fatal(err)
			}
			if ok, reason, _ := other.Counter().Check(key); ok != want {
				t.Errorf("%s at %s: %v, %s", key, w.now.Format(time.DateTime), ok, reason)
			}
		}
		verdict("key_1", false)
		verdict("key_3", true)
		w.now = when(t, "2026-11-25T00:00:00Z") // nothing is written, the day begins
		verdict("key_3", false)
		if _, err := w.EndSubscription(w.ctx, "acc_1", w.now, "user:ada"); err != nil {
			t.Fatal(err)
		}
		verdict("key_1", true)
		verdict("key_3", false)
	})
}

// Whose subscription ended within the month comes to the default plan on the day it ended, and what holds then is a newer version than
// others are on until the month is over. The bill has it so, and quotas must not say otherwise.
func TestWhoComesToTheDefaultPlanWithinAMonthIsHeldToWhatItIsBilledBy(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.now = when(t, "2026-11-02T00:00:00Z")
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-02")
		tight := DefaultPlan()
		tight.Quotas = []Quota{{ID: "none", Meter: "requests", Limit: 0}}
		w.now = when(t, "2026-11-12T00:00:00Z")
		w.publish(t, tight)
		if _, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2026-11-15"), "user:ada"); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[string][2]int{"2026-11-14T23:00:00Z": {1, 1}, "2026-11-16T00:00:00Z": {2, 1}, "2026-12-01T00:00:00Z": {2, 2}} {
			w.now = when(t, at)
			other := w.another(t)
			if err := other.RefreshLimits(w.ctx); err != nil {
				t.Fatal(err)
			}
			for i, account := range []string{"acc_1", "acc_2"} {
				key := []string{"key_1", "key_3"}[i]
				p, err := w.PlanOf(w.ctx, account, w.now)
				if err != nil || p.Version != want[i] {
					t.Errorf("%s at %s is billed by %s version %d, %v; want %d", account, at, p.ID, p.Version, err, want[i])
				}
				if ok, reason, _ := other.Counter().Check(key); ok != (p.Quotas[0].ID != "none") {
					t.Errorf("%s at %s: %v, %s, where it is billed by %s version %d", key, at, ok, reason, p.ID, p.Version)
				}
			}
		}
	})
}
