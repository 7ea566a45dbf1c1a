package quotas

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// text writes a statement's lines as "charge plan quantity = exact -> amount".
func text(st Statement) (out []string) {
	for _, l := range st.Lines {
		out = append(out, strings.Join([]string{l.ChargeID, l.PlanID, l.Quantity.String(), "=", l.Exact.Truncate(8).String(), "->", l.Amount.String()}, " "))
	}
	return append(out, "total "+st.Total.String())
}

func wantText(t *testing.T, st Statement, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, text(st)); d != "" {
		t.Errorf("statement (-want +got):\n%s", d)
	}
	if !st.Subtotal.Add(st.Rounding).Equal(st.Total) {
		t.Errorf("subtotal %s and rounding %s do not give %s", st.Subtotal, st.Rounding, st.Total)
	}
}

func TestPreviewShowsThePeriodSoFar(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-02", 900)
		w.calls(t, "key_2", "2026-11-24T15:00:00Z", 1101) // in the open hour
		w.calls(t, "key_1", "2026-10-31T23:00:00Z", 5000) // the month before
		w.calls(t, "key_3", "2026-11-02", 5000)           // of another account
		w.use(t, "key_1", "2026-11-03", meter.Amounts{Units: map[string]int64{"input_tokens": 1_000_000, "output_tokens": 234_567, "images": 9}})
		st, err := w.Preview(w.ctx, "acc_1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "base starter 0 = 30 -> 30", "requests-graduated starter 2001 = 1.5015 -> 1.5", "tokens starter 1234567 = 3.703701 -> 3.7", "total 35.2")
		if !st.Basis.Provisional || st.Kind != Preview || st.ID != "" || st.Basis.Keys != 2 || !st.Basis.SealedThrough.Equal(when(t, "2026-11-24T15:00:00Z")) {
			t.Errorf("basis %+v, kind %s", st.Basis, st.Kind)
		}
		if st.Rounding.String() != "-0.005201" {
			t.Errorf("rounding %s", st.Rounding)
		}
		last := st.Lines[1].Steps
		if len(last) != 2 || last[1].Tier != 2 || last[1].Quantity.String() != "1001" || last[1].Amount.String() != "1.5015" {
			t.Errorf("steps %+v", last)
		}
		st, err = w.Preview(w.ctx, "acc_2", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "requests default 5000 = 0 -> 0", "total 0")
	})
}

func TestAFlatFeeIsSharedByDaysWhenThePlanChanges(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		pro := starter()
		pro.ID, pro.Charges = "pro", []Charge{{ID: "base", Name: "Base fee", Price: pro.Charges[0].Price}}
		pro.Charges[0].Amount = num("100")
		w.publish(t, pro)
		w.subscribe(t, "acc_1", "starter", "2026-11-11")
		w.subscribe(t, "acc_1", "pro", "2026-11-21")
		w.calls(t, "key_1", "2026-11-12", 2000)
		w.calls(t, "key_1", "2026-11-22", 2000) // not charged by pro
		st, err := w.Preview(w.ctx, "acc_1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "base starter 0 = 10 -> 10", "requests-graduated starter 2000 = 1.5 -> 1.5", "tokens starter 0 = 0 -> 0", "base pro 0 = 33.33333333 -> 33.33", "total 44.83")
		if s := st.Lines[3].Share; s == nil || s.Days != 10 || s.Of != 30 {
			t.Errorf("share %+v", s)
		}
		// Use before the first subscription is that of the default plan.
		w.calls(t, "key_1", "2026-11-05", 20_000)
		if st, err = w.Preview(w.ctx, "acc_1", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := text(st)[0]; got != "requests default 20000 = 4 -> 4" {
			t.Errorf("first line %s", got)
		}
	})
}

func TestIssueIsForGood(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-02", 2000)
		issue := func() (Statement, error) { return w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "user:ada") }

		w.now = when(t, "2026-12-01T00:59:00Z")
		if _, err := issue(); !errors.Is(err, ErrOpen) {
			t.Errorf("within the grace: %v", err)
		}
		w.now, w.sealed = when(t, "2026-12-01T01:00:00Z"), when(t, "2026-11-30T23:00:00Z")
		if _, err := issue(); !errors.Is(err, ErrOpen) {
			t.Errorf("with an hour open: %v", err)
		}
		w.sealed = time.Time{}
		st, err := issue()
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, st, "base starter 0 = 30 -> 30", "requests-graduated starter 2000 = 1.5 -> 1.5", "tokens starter 0 = 0 -> 0", "total 31.5")
		if st.Number != "TK-000001" || st.Kind != Issued || st.Basis.Provisional || st.IssuedBy != "user:ada" || !st.IssuedAt.Equal(w.now) || len(st.Hash) != 64 {
			t.Errorf("%+v", st)
		}

		w.calls(t, "key_1", "2026-11-30T23:00:00Z", 500) // late
		w.now = w.now.Add(time.Hour)
		again, err := issue()
		if err != nil {
			t.Fatal(err)
		}
		read, err := w.Statement(w.ctx, st.Number)
		if err != nil {
			t.Fatal(err)
		}
		byID, err := w.Statement(w.ctx, st.ID)
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]Statement{"issued again": again, "by number": read, "by id": byID} {
			if d := cmp.Diff(st, got, cmpopts.IgnoreUnexported(Statement{})); d != "" {
				t.Errorf("%s (-issued +got):\n%s", name, d)
			}
		}
		if _, err := w.Statement(w.ctx, "st_none"); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such statement: %v", err)
		}
		if _, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_1", PlanID: "starter", StartsAt: when(t, "2026-11-20")}, ""); !errors.Is(err, ErrConflict) {
			t.Errorf("the plan of a billed month was changed: %v", err)
		}
		if _, err := w.EndSubscription(w.ctx, "acc_1", when(t, "2026-11-20"), "user:ada"); !errors.Is(err, ErrConflict) {
			t.Errorf("the plan of a billed month was ended: %v", err)
		}
	})
}

func TestLateRecordsBecomeCorrections(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.publish(t, starter())
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-02", 4000)
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "")
		if err != nil {
			t.Fatal(err)
		}
		w.publish(t, starter()) // what is published since does not matter
		if _, changed, err := w.Correct(w.ctx, st.ID, ""); changed || err != nil {
			t.Errorf("nothing changed: %v, %v", changed, err)
		}
		w.calls(t, "key_2", "2026-11-20", 2000)
		c, changed, err := w.Correct(w.ctx, st.ID, "system:quotas")
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		// 4000 cost 4.5; 6000 cost 6 + 1: a debit of 2.5, 1000 more in the second tier and 1000 in the third.
		wantText(t, c, "requests-graduated starter 2000 = 2.5 -> 2.5", "total 2.5")
		if steps := c.Lines[0].Steps; len(steps) != 2 || steps[0].Tier != 2 || steps[0].Quantity.String() != "1000" || steps[1].Tier != 3 {
			t.Errorf("steps %+v", steps)
		}
		if c.Kind != Correction || c.Corrects != st.ID || c.Number != "TK-000002" || c.PreviousHash != st.Hash {
			t.Errorf("correction %+v", c)
		}
		if _, changed, err := w.Correct(w.ctx, st.ID, ""); changed || err != nil {
			t.Errorf("corrected twice: %v, %v", changed, err)
		}
		if _, _, err := w.Correct(w.ctx, c.ID, ""); !errors.Is(err, ErrConflict) {
			t.Errorf("a correction was corrected: %v", err)
		}
		w.ledger["key_2"] = nil // found to be duplicates after all
		credit, changed, err := w.Correct(w.ctx, st.ID, "")
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		wantText(t, credit, "requests-graduated starter -2000 = -2.5 -> -2.5", "total -2.5")

		list, _, err := w.Statements(w.ctx, StatementFilter{Corrects: st.ID})
		if err != nil || len(list) != 2 {
			t.Errorf("%d corrections, %v", len(list), err)
		}
		if n, err := w.CheckStatements(w.ctx); n != 3 || err != nil {
			t.Errorf("chain of %d, %v", n, err)
		}
	})
}

func TestACorrectionByOlderUseIsNotMade(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.calls(t, "key_1", "2026-11-02", 20_000)
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "")
		if err != nil {
			t.Fatal(err)
		}
		w.calls(t, "key_1", "2026-11-03", 10_000)
		w.now = w.now.Add(-time.Minute) // as if it had been computed before the statement was
		if _, changed, err := w.Correct(w.ctx, st.ID, ""); changed || err != nil {
			t.Errorf("%v, %v", changed, err)
		}
		w.now = w.now.Add(2 * time.Minute)
		if _, changed, err := w.Correct(w.ctx, st.ID, ""); !changed || err != nil {
			t.Errorf("%v, %v", changed, err)
		}
	})
}

func TestALateRecordThatCostsNothingNeedsNoCorrection(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.calls(t, "key_1", "2026-11-02", 100)
		w.now = when(t, "2026-12-02")
		st, err := w.Issue(w.ctx, "acc_1", when(t, "2026-11-15"), "")
		if err != nil {
			t.Fatal(err)
		}
		w.calls(t, "key_1", "2026-11-03", 100)
		if _, changed, err := w.Correct(w.ctx, st.ID, ""); changed || err != nil {
			t.Errorf("%v, %v", changed, err)
		}
	})
}

func TestStatementsAreNumberedWithoutGapByManyProcesses(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.now = when(t, "2026-12-02")
		const accounts, processes = 6, 3
		var wg sync.WaitGroup
		for range processes {
			s := w.another(t)
			wg.Go(func() {
				for i := range accounts {
					if _, err := s.Issue(w.ctx, "acc_"+string(rune('a'+i)), when(t, "2026-11-15"), ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n, err := w.CheckStatements(w.ctx); n != accounts || err != nil {
			t.Errorf("chain of %d, %v; want %d", n, err, accounts)
		}
		var numbers []string
		cursor := ""
		for {
			list, next, err := w.Statements(w.ctx, StatementFilter{Within: period.MonthAt(when(t, "2026-11-15")), Cursor: cursor, Limit: 4})
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range list {
				numbers = append(numbers, st.Number)
			}
			if cursor = next; next == "" {
				break
			}
		}
		if len(numbers) != accounts {
			t.Errorf("listed %v", numbers)
		}
		if list, _, err := w.Statements(w.ctx, StatementFilter{AccountID: "acc_a"}); err != nil || len(list) != 1 {
			t.Errorf("of one account: %d, %v", len(list), err)
		}
	})
}

func TestTamperingIsFound(t *testing.T) {
	for name, change := range map[string]string{
		"an amount":        `UPDATE quota_statements SET body = REPLACE(body, 'acc_2', 'acc_3') WHERE seq = 2`,
		"one is missing":   `DELETE FROM quota_statements WHERE seq = 2`,
		"the last is gone": `DELETE FROM quota_statements WHERE seq = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			one(t, func(t *testing.T, w *world) { tamper(t, w, change) })
		})
	}
}

func tamper(t *testing.T, w *world, change string) {
	w.now = when(t, "2026-12-02")
	for _, account := range []string{"acc_1", "acc_2", "acc_3"} {
		if _, err := w.Issue(w.ctx, account, when(t, "2026-11-15"), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.exec(change); err != nil {
		t.Fatal(err)
	}
	if n, err := w.CheckStatements(w.ctx); !errors.Is(err, ErrBroken) {
		t.Errorf("the chain of %d: %v", n, err)
	}
}

func TestCSVHoldsTheArithmetic(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		p := starter()
		p.Charges[1].Name = "=HYPERLINK(1)"
		p.Charges[1].DiscountPercent = num("10")
		w.publish(t, p)
		w.subscribe(t, "acc_1", "starter", "2026-11-01")
		w.calls(t, "key_1", "2026-11-02", 6000)
		st, err := w.Preview(w.ctx, "acc_1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		if err := WriteCSV(&buf, st); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&buf).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		sum := decimal.Zero
		for _, r := range rows[1:] {
			kinds = append(kinds, r[8]+" "+r[10]+" "+r[18]+" "+r[19])
			if r[8] == "line" {
				sum = sum.Add(decimal.RequireFromString(r[19]))
			}
		}
		want := []string{
			"tier Base fee 30 ", "line Base fee 30 30.00", "tier '=HYPERLINK(1) 0 ", "tier '=HYPERLINK(1) 6 ", "tier '=HYPERLINK(1) 1 ", "discount '=HYPERLINK(1) -0.7 ",
			"line '=HYPERLINK(1) 6.3 6.30", "line Tokens 0 0.00", "total  36.3 36.30",
		}
		if d := cmp.Diff(want, kinds); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if !sum.Equal(st.Total) {
			t.Errorf("lines sum to %s, total is %s", sum, st.Total)
		}
	})
}

func TestDecimalsAreStringsInJSON(t *testing.T) {
	one(t, func(t *testing.T, w *world) {
		w.calls(t, "key_1", "2026-11-02", 9_007_199_254_740_993)
		st, err := w.Preview(w.ctx, "acc_1", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"quantity":"9007199254740993"`, `"total":"2251799813831.25"`, `"unit_price":"0.00025"`} {
			if !strings.Contains(string(body), want) {
				t.Errorf("no %s in %s", want, body)
			}
		}
	})
}
