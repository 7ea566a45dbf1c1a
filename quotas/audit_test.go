package quotas

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

func TestEveryChangeLeavesARow(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		g := w.give(t, Grant{Note: "goodwill"}, "5")
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "user:ada")
		if err != nil {
			t.Fatal(err)
		}
		w.calls(t, "key_1", "2026-11-02", 5000)
		if _, changed, err := w.Correct(w.ctx, st.ID, "system:billing"); err != nil || !changed {
			t.Fatal(changed, err)
		}
		if _, changed, err := w.Correct(w.ctx, st.ID, "system:billing"); err != nil || changed {
			t.Fatal(changed, err)
		}
		if _, err := w.VoidCredit(w.ctx, g.ID, "user:bob"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2027-01-01"), "user:bob"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ArchivePlan(w.ctx, "starter", "user:bob"); err != nil {
			t.Fatal(err)
		}
		entries, _, err := trail.List(w.ctx, w.database.Read(), audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range slices.Backward(entries) {
			got = append(got, e.Actor+" "+e.Action+" "+e.AccountID)
		}
		want := []string{
			"user:ada plan.draft ", "user:ada plan.publish ", "user:ada subscription.start acc_1", "user:ada credit.give acc_1", "user:ada statement.issue acc_1",
			"system:billing statement.correct acc_1", "user:bob credit.void acc_1", "user:bob subscription.end acc_1", "user:bob plan.archive ",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if _, err := trail.Verify(w.ctx, w.database.Read()); err != nil {
			t.Error(err)
		}
	})
}
