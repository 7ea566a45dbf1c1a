package quotas

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
)

func creditText(st Statement) (out []string) {
	for _, c := range st.Credits {
		out = append(out, c.Note+" "+c.Amount.String())
	}
	return append(out, "due "+st.Due.String())
}

func (w *world) give(t testing.TB, g Grant, amount string) Grant {
	t.Helper()
	w.now = w.now.Add(time.Second) // the order of making is to the millisecond
	g.AccountID, g.Currency, g.Amount = "acc_1", "USD", decimal.RequireFromString(amount)
	g, err := w.GiveCredit(w.ctx, g, "user:ada")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCreditIsUsedInOrderBeforeAnythingIsDue(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01") // 30 a month
		w.give(t, Grant{Note: "goodwill", Priority: 1}, "100")
		w.give(t, Grant{Note: "later expiry", ExpiresAt: when(t, "2027-06-01")}, "15")
		w.give(t, Grant{Note: "no expiry"}, "8")
		w.give(t, Grant{Note: "early expiry", ExpiresAt: when(t, "2026-12-24")}, "5")
		w.give(t, Grant{Note: "expired before", StartsAt: when(t, "2026-01-01"), ExpiresAt: when(t, "2026-11-01")}, "50")
		w.give(t, Grant{Note: "begins after", StartsAt: when(t, "2026-12-01")}, "50")

		st, err := w.Preview(w.ctx, "acc_1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"early expiry 5", "later expiry 15", "no expiry 8", "goodwill 2", "due 0"}
		if d := cmp.Diff(want, creditText(st)); d != "" {
			t.Errorf("preview (-want +got):\n%s", d)
		}
		w.now = when(t, "2026-12-02")
		if st, err = w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), ""); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, creditText(st)); d != "" {
			t.Errorf("issued (-want +got):\n%s", d)
		}
		read, err := w.Statement(w.ctx, st.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, creditText(read)); d != "" || read.Total.String() != "30" {
			t.Errorf("read (-want +got):\n%s", d)
		}
		grants, err := w.Credits(w.ctx, "acc_1")
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, g := range grants {
			left = append(left, g.Note+" "+g.Remaining.String()+" of "+g.Amount.String())
		}
		want = []string{"expired before 0 of 50", "early expiry 0 of 5", "later expiry 0 of 15", "no expiry 0 of 8", "begins after 50 of 50", "goodwill 98 of 100"}
		if d := cmp.Diff(want, left); d != "" {
			t.Errorf("left (-want +got):\n%s", d)
		}
	})
}

func TestACorrectionTakesAndGivesBackCredit(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		g := w.give(t, Grant{Note: "paid"}, "32")
		w.calls(t, "key_1", "2026-11-05", 1000)
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "")
		if err != nil {
			t.Fatal(err)
		}
		correct := func(want ...string) {
			t.Helper()
			c, changed, err := w.Correct(w.ctx, st.ID, "")
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			if d := cmp.Diff(want, creditText(c)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
		w.calls(t, "key_1", "2026-11-06", 2000) // 3 more, of which 2 are left
		correct("paid 2", "due 1")
		w.ledger["key_1"] = nil
		correct("paid -3", "due 0")
		grants, err := w.Credits(w.ctx, "acc_1")
		if err != nil || grants[0].Remaining.String() != "3" {
			t.Errorf("left %+v, %v; want 3", grants, err)
		}
		if g, err = w.VoidCredit(w.ctx, g.ID, "user:ada"); err != nil || !g.Remaining.IsZero() || g.Used.String() != "29" {
			t.Errorf("voided: %+v, %v", g, err)
		}
		if _, err := w.VoidCredit(w.ctx, g.ID, "user:ada"); !errors.Is(err, ErrNotFound) {
			t.Errorf("voided twice: %v", err)
		}
		if n, err := w.CheckStatements(w.ctx); n != 3 || err != nil {
			t.Errorf("chain of %d, %v", n, err)
		}
	})
}

func TestBadCredit(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		for name, tt := range map[string]struct {
			grant Grant
			want  []string
		}{
			"nothing":         {Grant{}, []string{"account_id", "currency", "amount"}},
			"half a cent":     {Grant{AccountID: "a", Currency: "USD", Amount: decimal.RequireFromString("0.005")}, []string{"amount"}},
			"negative":        {Grant{AccountID: "a", Currency: "USD", Amount: decimal.New(-1, 0)}, []string{"amount"}},
			"huge":            {Grant{AccountID: "a", Currency: "USD", Amount: decimal.New(1, 5000)}, []string{"amount"}},
			"ends at once":    {Grant{AccountID: "a", Currency: "USD", Amount: decimal.New(1, 0), ExpiresAt: when(t, "2026-01-01")}, []string{"expires_at"}},
			"another's money": {Grant{AccountID: "a", Currency: "ABC", Amount: decimal.New(1, 0)}, []string{"currency"}},
		} {
			_, err := w.GiveCredit(w.ctx, tt.grant, "")
			problems, _ := errors.AsType[Problems](err)
			var got []string
			for _, p := range problems {
				got = append(got, p.Field)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
	})
}
