package quotas

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/quotas/period"
)

func numbers(list []Statement) (out []string) {
	for _, st := range list {
		out = append(out, st.Number+" "+st.AccountID+" "+st.Period.From.Format(time.DateOnly)+" "+st.Total.String())
	}
	return out
}

func TestIssueDueCatchesUpAndLeavesIdlePeriodsOut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.now = when(t, "2026-08-10")
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-09-01")
		w.calls(t, "key_3", "2026-09-05", 20_000)
		due := func(now string) []string {
			t.Helper()
			w.now = when(t, now)
			list, err := w.IssueDue(w.ctx, []string{"acc_1", "acc_2", "acc_3"}, "")
			if err != nil {
				t.Fatal(err)
			}
			return numbers(list)
		}
		if got := due("2026-10-01T00:30:00Z"); got != nil {
			t.Errorf("within the grace: %v", got)
		}
		if d := cmp.Diff([]string{"TK-000001 acc_1 2026-09-01 30", "TK-000002 acc_2 2026-09-01 4"}, due("2026-10-01T01:00:00Z")); d != "" {
			t.Errorf("the first time (-want +got):\n%s", d)
		}
		if got := due("2026-10-01T02:00:00Z"); got != nil {
			t.Errorf("again: %v", got)
		}
		w.calls(t, "key_3", "2026-11-05", 20_000)
		want := []string{"TK-000003 acc_1 2026-10-01 30", "TK-000004 acc_1 2026-11-01 30", "TK-000005 acc_2 2026-11-01 4"}
		if d := cmp.Diff(want, due("2026-12-02")); d != "" {
			t.Errorf("two months later (-want +got):\n%s", d)
		}
		w.sealed = when(t, "2026-12-31T20:00:00Z")
		if got := due("2027-01-02"); got != nil {
			t.Errorf("with hours open: %v", got)
		}
	})
}

func TestCorrectDueLooksAtRecentPeriods(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, month := range []string{"2026-09", "2026-10", "2026-11"} {
			w.calls(t, "key_1", month+"-05", 20_000)
		}
		w.now = when(t, "2026-12-02")
		for _, at := range []string{"2026-09-10", "2026-10-10", "2026-11-10"} {
			if _, err := w.Issue(w.ctx, "acc_1", when(t, at), ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, month := range []string{"2026-09", "2026-10", "2026-11"} {
			w.calls(t, "key_1", month+"-06", 10_000)
		}
		list, err := w.CorrectDue(w.ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"TK-000004 acc_1 2026-11-01 4", "TK-000005 acc_1 2026-10-01 4"}, numbers(list)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if list, err = w.CorrectDue(w.ctx, ""); err != nil || len(list) != 0 {
			t.Errorf("again: %v, %v", numbers(list), err)
		}
	})
}

// A period that was idle when it was looked at has no statement that could be corrected, but what was used is owed all the same.
func TestUseThatComesLateToAnIdlePeriodIsBilledAfterAll(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		due := func(now string, want ...string) {
			t.Helper()
			w.now = when(t, now)
			if list, err := w.CorrectDue(w.ctx, ""); err != nil || len(list) > 0 {
				t.Fatal(numbers(list), err)
			}
			list, err := w.IssueDue(w.ctx, []string{"acc_1", "acc_2"}, "")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, numbers(list)); d != "" {
				t.Errorf("on %s (-want +got):\n%s", now, d)
			}
		}
		for _, key := range []string{"key_1", "key_3"} {
			w.calls(t, key, "2026-09-05", 20_000)
		}
		due("2026-10-02", "TK-000001 acc_1 2026-09-01 4", "TK-000002 acc_2 2026-09-01 4")
		due("2026-11-02")
		w.calls(t, "key_3", "2026-10-20", 20_000)
		due("2026-11-02T06:00:00Z", "TK-000003 acc_2 2026-10-01 4")
		w.calls(t, "key_1", "2026-11-05", 20_000)
		due("2026-12-02", "TK-000004 acc_1 2026-11-01 4")
		w.calls(t, "key_1", "2026-10-30", 20_000) // before a period that was billed
		due("2026-12-03", "TK-000005 acc_1 2026-10-01 4")
		due("2026-12-03")
		w.calls(t, "key_3", "2026-11-30", 20_000) // since its last statement, however long ago
		w.calls(t, "key_1", "2026-08-30", 20_000) // before its first: not ours to bill
		due("2027-01-20", "TK-000006 acc_2 2026-11-01 4")
	})
}

// A first bill that is held up, by a ledger that cannot be sealed or by use that comes late, covers all periods since the
// account subscribed: it was that of the last alone, and the others were nobody's.
func TestTheFirstBillThatIsHeldUpLeavesNoPeriodOut(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		for _, account := range []string{"acc_1", "acc_2"} {
			if _, err := w.Subscribe(w.ctx, Subscription{
				AccountID: account, PlanID: "starter", StartsAt: when(t, "2026-11-24"), Cycle: period.Cycle{Unit: period.Day},
			}, ""); err != nil {
				t.Fatal(err)
			}
		}
		w.calls(t, "key_1", "2026-11-23", 20_000) // on the default plan: not ours to bill
		w.now, w.sealed = when(t, "2026-11-27T12:00:00Z"), when(t, "2026-11-24T20:00:00Z")
		if list, err := w.IssueDue(w.ctx, []string{"acc_1"}, ""); err != nil || len(list) > 0 {
			t.Fatal(numbers(list), err)
		}
		w.sealed = when(t, "2026-11-27T10:00:00Z")
		list, err := w.IssueDue(w.ctx, []string{"acc_1"}, "")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"TK-000001 acc_1 2026-11-24 30", "TK-000002 acc_1 2026-11-25 30", "TK-000003 acc_1 2026-11-26 30"}, numbers(list)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		w.now, w.sealed = when(t, "2027-01-31T12:00:00Z"), time.Time{} // what is too long ago is left to people
		if list, err = w.IssueDue(w.ctx, []string{"acc_2"}, ""); err != nil || len(list) != 35 || numbers(list)[0] != "TK-000004 acc_2 2026-12-27 30" {
			t.Errorf("%d from %v, %v", len(list), numbers(list)[:min(1, len(list))], err)
		}
	})
}

func TestRunBills(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.now = when(t, "2026-12-02")
		w.calls(t, "key_3", "2026-11-05", 20_000)
		w.cfg.IssueEvery = time.Millisecond
		calls := make(chan struct{}, 100)
		w.cfg.AllAccounts = func(context.Context) ([]string, error) {
			if calls <- struct{}{}; len(calls) == 1 {
				return nil, errors.New("the database is away")
			}
			return []string{"acc_2"}, nil
		}
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			list, _, err := w.Statements(w.ctx, StatementFilter{})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing was issued")
			}
			for len(calls) > 1 {
				<-calls
			}
		}
		cancel()
		for len(calls) > 1 {
			<-calls
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
