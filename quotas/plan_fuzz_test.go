package quotas

import (
	"encoding/json"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// FuzzPlan: any JSON either is refused with named problems or is a plan that can be stored, read back as itself, and
// rates any quantity within its bounds.
func FuzzPlan(f *testing.F) {
	for _, p := range []Plan{starter().withDefaults(), DefaultPlan()} {
		body, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, int64(12345))
	}
	f.Add([]byte(`{"id":"a","name":"n","currency":"JPY","charges":[{"model":"volume","meter":"x","tiers":[{"up_to":"1e3","unit_price":1.5,"block":"7"},{"flat_price":"2"}],
		"transform":{"divide":"3","round":"half_up","decimals":2},"min_spend":"1","max_spend":"9","discount_percent":"33.3","included":"0.5"}]}`), int64(1<<62))
	f.Add([]byte(`{"charges":[{"model":"package","price":"1e9999","package_size":"-1e-9999"}],"quotas":[{"limit":-1}]}`), int64(-1))
	f.Fuzz(func(t *testing.T, body []byte, quantity int64) {
		var p Plan
		if json.Unmarshal(body, &p) != nil {
			return
		}
		p = p.withDefaults()
		if err := p.Validate(); err != nil {
			if err.Error() == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		stored, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var again Plan
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatal(err)
		}
		if err := again.Validate(); err != nil {
			t.Fatalf("what was stored is refused: %v", err)
		}
		cur, err := rating.ParseCurrency(p.Currency)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range again.Charges {
			r, err := rating.Compile(c.Price, cur)
			if err != nil {
				t.Fatalf("a valid price does not compile: %v", err)
			}
			l := r.Rate(decimal.NewFromInt(quantity))
			if l.Amount.IsNegative() || !cur.Round(l.Amount).Equal(l.Amount) || c.MaxSpend != nil && l.Amount.GreaterThan(*c.MaxSpend) {
				t.Fatalf("charge %d: %s for %d", i, l.Amount, quantity)
			}
		}
	})
}
