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
