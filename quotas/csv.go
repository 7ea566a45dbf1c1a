package quotas

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

func sortBuckets(b []UsageBucket) {
	slices.SortFunc(b, func(x, y UsageBucket) int { return x.Start.Compare(y.Start) })
}

var statementHeader = []string{
	"statement", "kind", "account", "currency", "plan", "plan_version", "from", "to", "row", "charge", "description", "model", "tier", "tier_from", "tier_up_to",
	"quantity", "unit_price", "flat_price", "exact_amount", "amount",
}

// WriteCSV writes a statement as a table: a row per tier and adjustment with its exact amount, a row per line with the
// rounded one, and one for the total. Summing "amount" over the rows of kind "line" gives the total.
func WriteCSV(w io.Writer, st Statement) error {
	cur, err := rating.ParseCurrency(st.Currency)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	row := func(span [2]time.Time, plan string, version int, kind string, cells ...string) error {
		v := ""
		if version > 0 {
			v = strconv.Itoa(version)
		}
		return out.Write(append([]string{
			st.Number, string(st.Kind), cell(st.AccountID), st.Currency, cell(plan), v, span[0].Format(time.RFC3339), span[1].Format(time.RFC3339), kind,
		}, cells...))
	}
	if err := out.Write(statementHeader); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	for i := range st.Lines {
		l := &st.Lines[i]
		span := [2]time.Time{l.Span.From, l.Span.To}
		head := []string{cell(l.ChargeID), cell(l.Description), string(l.Model)}
		write := func(kind string, cells ...string) error {
			return row(span, l.PlanID, l.PlanVersion, kind, append(slices.Clone(head), cells...)...)
		}
		for _, s := range l.Steps {
			upTo := ""
			if s.To != nil {
				upTo = s.To.String()
			}
			if err := write("tier", strconv.Itoa(s.Tier), s.From.String(), upTo, s.Quantity.String(), s.Unit.String(), s.Flat.String(), s.Amount.String(), ""); err != nil {
				return fmt.Errorf("write the statement: %w", err)
			}
		}
		for _, adjust := range []struct {
			kind string
			by   decimal.Decimal
		}{{"discount", l.Discount}, {"max_spend", l.MaxSpend}, {"min_spend", l.MinSpend}} {
			if adjust.by.IsZero() {
				continue
			}
			if err := write(adjust.kind, "", "", "", "", "", "", adjust.by.String(), ""); err != nil {
				return fmt.Errorf("write the statement: %w", err)
			}
		}
		if err := write("line", "", "", "", l.Quantity.String(), "", "", l.Exact.String(), cur.Format(l.Amount)); err != nil {
			return fmt.Errorf("write the statement: %w", err)
		}
	}
	if err := row([2]time.Time{st.Period.From, st.Period.To}, "", 0, "total", "", "", "", "", "", "", "", "", "", st.Subtotal.String(), cur.Format(st.Total)); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	return nil
}

// cell keeps a spreadsheet from taking a name for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
