package rating

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
)

// stepsText writes steps as "tier: quantity x unit + flat = amount".
func stepsText(steps []Step) []string {
	var out []string
	for _, s := range steps {
		to := "inf"
		if s.To != nil {
			to = s.To.String()
		}
		out = append(out, strings.Join([]string{
			"(", s.From.String(), ",", to, "] ", s.Quantity.String(), " x ", s.Unit.String(),
			" + ", s.Flat.String(), " = ", s.Amount.String(),
		}, ""))
	}
	return out
}

func TestALineShowsItsArithmetic(t *testing.T) {
	r := compile(t, graduated(t, "<=5: 5+10; <=10: 4+20; <=15: 3+30; inf: 1"), "USD")
	want := []string{"(0,5] 5 x 5 + 10 = 35", "(5,10] 5 x 4 + 20 = 40", "(10,15] 2 x 3 + 30 = 36"}
	if d := cmp.Diff(want, stepsText(r.Rate(decimal.New(12, 0)).Steps)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := r.Rate(decimal.Zero).Steps; len(got) != 1 || got[0].Amount.String() != "10" {
		t.Errorf("at quantity 0 only the first tier's fee is due, got %v", stepsText(got))
	}
	noFee := compile(t, graduated(t, "<=5: 5; inf: 1"), "USD")
	if got := noFee.Rate(decimal.Zero); len(got.Steps) != 0 || !got.Amount.IsZero() {
		t.Errorf("nothing used and no fee: want no steps and 0, got %v, %s", stepsText(got.Steps), got.Amount)
	}
}

func TestARepricedVolumeTakesBackTheOldStep(t *testing.T) {
	r := compile(t, volume(t, "<=15: 10; inf: 5"), "USD")
	got := between(r, 15, 16)
	want := []string{"(0,15] -15 x 10 + 0 = -150", "(15,inf] 16 x 5 + 0 = 80"}
	if d := cmp.Diff(want, stepsText(got.Steps)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"(15,inf] 1 x 5 + 0 = 5"}, stepsText(between(r, 16, 17).Steps)); d != "" {
		t.Errorf("within one tier (-want +got):\n%s", d)
	}
	if got := between(r, 3, 3); len(got.Steps) != 0 || !got.Amount.IsZero() {
		t.Errorf("no change: want nothing, got %+v", got)
	}
}

func between(r *Rater, before, after int64) Line {
	return Difference(r.Rate(decimal.New(before, 0)), r.Rate(decimal.New(after, 0)))
}

func TestEdges(t *testing.T) {
	open := compile(t, graduated(t, "inf: 3"), "USD")
	tests := []struct {
		name      string
		rater     *Rater
		q, amount string
		exact     string
	}{
		{"exactly at the bound is the lower tier", compile(t, volume(t, "<=10: 2; inf: 1"), "USD"), "10", "20", "20"},
		{"just above the bound is the next tier", compile(t, volume(t, "<=10: 2; inf: 1"), "USD"), "10.0001", "10", "10.0001"},
		{"graduated just above the bound", compile(t, graduated(t, "<=10: 2; inf: 1+5"), "USD"), "10.0001", "25", "25.0001"},
		{"a negative quantity is 0", compile(t, graduated(t, "<=10: 2+1; inf: 1"), "USD"), "-7", "1", "1"},
		{"one open tier is a unit price", open, "7", "21", "21"},
		{"rounded once per line, not per tier", compile(t, graduated(t, "<=1: .005; <=2: .005; inf: .005"), "USD"), "3", "0.02", "0.015"},
		{"half is rounded up", compile(t, unit("0.005"), "USD"), "1", "0.01", "0.005"},
		{"less than half is dropped", compile(t, unit("0.004999999999"), "USD"), "1", "0", "0.004999999999"},
		{"yen have no decimals", compile(t, unit("0.5"), "JPY"), "3", "2", "1.5"},
		{"Kuwaiti dinars have three", compile(t, unit("0.0005"), "KWD"), "3", "0.002", "0.0015"},
		{"a quantity above 2^53 keeps its last digit", compile(t, unit("1"), "USD"), "9007199254740993", "9007199254740993", "9007199254740993"},
		{"a quantity above 2^64", compile(t, graduated(t, "<=1000: 0; inf: 0.000001"), "USD"), "36893488147419103232", "36893488147419.10", "36893488147419.102232"},
		{"a discount comes before the greatest amount", compile(t, Price{Mode: ModeUnit, Amount: num("1"), DiscountPercent: num("50"), MaxSpend: num("60")}, "USD"), "100", "50", "50"},
		{"the least amount comes last", compile(t, Price{Mode: ModeUnit, Amount: num("1"), DiscountPercent: num("50"), MaxSpend: num("60"), MinSpend: num("55")}, "USD"), "100", "55", "55"},
		{"all off", compile(t, Price{Mode: ModeUnit, Amount: num("1"), DiscountPercent: num("100")}, "USD"), "100", "0", "0"},
		{"a flat price ignores the quantity", compile(t, Price{Mode: ModeFlat, Amount: num("29.90")}, "EUR"), "12345", "29.9", "29.9"},
		{"conversion comes before the allowance", compile(t, Price{Mode: ModeUnit, Amount: num("1"), Included: num("5"), Transform: &Transform{Divide: num("1000"), Round: RoundUp}}, "USD"), "7400", "3", "3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.rater.Rate(decimal.RequireFromString(tt.q))
			if !l.Amount.Equal(decimal.RequireFromString(tt.amount)) || !l.Exact.Equal(decimal.RequireFromString(tt.exact)) {
				t.Errorf("amount %s (exact %s), want %s (%s)", l.Amount, l.Exact, tt.amount, tt.exact)
			}
		})
	}
}

func TestTransform(t *testing.T) {
	tests := []struct {
		name string
		t    Transform
		q    string
		want string
	}{
		{"bytes to begun gigabytes", Transform{Divide: num("1073741824"), Round: RoundUp}, "1073741825", "2"},
		{"exactly one is one", Transform{Divide: num("1073741824"), Round: RoundUp}, "1073741824", "1"},
		{"whole ones only", Transform{Divide: num("1000"), Round: RoundDown}, "1999", "1"},
		{"half up at the half", Transform{Divide: num("3"), Round: RoundHalfUp, Decimals: 1}, "1", "0.3"},
		{"half up above the half", Transform{Divide: num("3"), Round: RoundHalfUp, Decimals: 1}, "2", "0.7"},
		{"half up exactly", Transform{Divide: num("2"), Round: RoundHalfUp}, "1", "1"},
		{"by a thousand without rounding", Transform{Divide: num("1000")}, "1", "0.001"},
		{"by a tenth", Transform{Divide: num("0.1")}, "7", "70"},
		{"times", Transform{Multiply: num("2.5")}, "3", "7.5"},
		{"times, then rounded", Transform{Multiply: num("0.4"), Round: RoundUp}, "3", "2"},
		{"times and by", Transform{Multiply: num("8"), Divide: num("1000"), Round: RoundUp}, "1", "1"},
		{"nothing stays nothing", Transform{Divide: num("7"), Round: RoundUp}, "0", "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := compile(t, Price{Mode: ModeUnit, Amount: num("1"), Transform: &tt.t}, "USD")
			if got := r.Rate(decimal.RequireFromString(tt.q)).Billable; !got.Equal(decimal.RequireFromString(tt.want)) {
				t.Errorf("%s becomes %s, want %s", tt.q, got, tt.want)
			}
		})
	}
}

func TestProrateIsRoundedOnceAndAddsUp(t *testing.T) {
	r := compile(t, Price{Mode: ModeFlat, Amount: num("100"), DiscountPercent: num("10")}, "EUR")
	l := r.Prorate(10, 31)
	if l.Amount.String() != "29.03" || l.Discount.StringFixed(4) != "-3.2258" || !strings.HasPrefix(l.Exact.String(), "29.0322580645") {
		t.Errorf("10 of 31 days: amount %s, discount %s, exact %s", l.Amount, l.Discount, l.Exact)
	}
	if !l.Exact.Equal(l.Subtotal.Add(l.Discount)) {
		t.Errorf("exact %s is not subtotal %s and discount %s", l.Exact, l.Subtotal, l.Discount)
	}
	if got := r.Prorate(31, 31); got.Share != nil || !got.Amount.Equal(decimal.New(90, 0)) {
		t.Errorf("the whole period: %+v", got)
	}
	if got := r.Prorate(-1, 31).Amount; !got.IsZero() {
		t.Errorf("no day: %s", got)
	}
	if got := compile(t, unit("2"), "EUR").Prorate(1, 31); got.Share != nil {
		t.Errorf("a unit price was prorated: %+v", got)
	}
}

func TestValidationReportsEverythingAtOnce(t *testing.T) {
	usd := Currency{Code: "USD", Decimals: 2}
	huge := decimal.New(1, 999_999_999)
	tests := []struct {
		name  string
		price Price
		want  []string // fields with a problem, in order
	}{
		{"fine", graduated(t, "<=5: 1; inf: 0"), nil},
		{"no mode", Price{}, []string{"model"}},
		{"unknown mode", Price{Mode: "stairs"}, []string{"model"}},
		{"no tiers", Price{Mode: ModeVolume}, []string{"tiers"}},
		{"unsorted", graduated(t, "<=10: 1; <=5: 1; inf: 1"), []string{"tiers[1].up_to"}},
		{"equal bounds", graduated(t, "<=10: 1; <=10: 1; inf: 1"), []string{"tiers[1].up_to"}},
		{"bound 0", graduated(t, "<=0: 1; inf: 1"), []string{"tiers[0].up_to"}},
		{"negative bound", graduated(t, "<=-1: 1; inf: 1"), []string{"tiers[0].up_to"}},
		{"no open tier", graduated(t, "<=10: 1; <=20: 1"), []string{"tiers[1].up_to"}},
		{"two open tiers", graduated(t, "inf: 1; inf: 1"), []string{"tiers[0].up_to"}},
		{"neither flat nor unit", graduated(t, "<=5: -; inf: 1"), []string{"tiers[0]"}},
		{"negative prices", graduated(t, "<=5: -1+-2; inf: 1"), []string{"tiers[0].unit_price", "tiers[0].flat_price"}},
		{"block 0", graduated(t, "inf: 1 /0"), []string{"tiers[0].block"}},
		{"unit without amount", Price{Mode: ModeUnit}, []string{"price"}},
		{"package without size", Price{Mode: ModePackage, Amount: num("1")}, []string{"package_size"}},
		{"package of 0", packages("1", "0"), []string{"package_size"}},
		{"fields of other modes", Price{Mode: ModeUnit, Amount: num("1"), PackageSize: num("1"), Tiers: tiersOf(t, "inf: 1")}, []string{"tiers", "package_size"}},
		{"amount in a tiered price", Price{Mode: ModeGraduated, Amount: num("1"), Tiers: tiersOf(t, "inf: 1")}, []string{"price"}},
		{"discount above 100", Price{Mode: ModeUnit, Amount: num("1"), DiscountPercent: num("100.1")}, []string{"discount_percent"}},
		{"min above max", Price{Mode: ModeUnit, Amount: num("1"), MinSpend: num("2"), MaxSpend: num("1")}, []string{"min_spend"}},
		{"max of less than a cent", Price{Mode: ModeUnit, Amount: num("1"), MaxSpend: num("1.005")}, []string{"max_spend"}},
		{"divide by 3 without rounding", Price{Mode: ModeUnit, Amount: num("1"), Transform: &Transform{Divide: num("3")}}, []string{"transform.round"}},
		{"bad transform", Price{Mode: ModeUnit, Amount: num("1"), Transform: &Transform{Multiply: num("0"), Round: "odd", Decimals: 13}}, []string{"transform.multiply", "transform.round", "transform.decimals"}},
		{"flat with a meter's fields", Price{Mode: ModeFlat, Amount: num("1"), Included: num("1")}, []string{"model"}},
		{"too many decimals", unit("0.0000000000001"), []string{"price"}},
		{"an exponent that would eat the memory", Price{Mode: ModeUnit, Amount: &huge}, []string{"price"}},
		{"the same downwards", unit("1e-9999"), []string{"price"}},
		{
			"several at once",
			Price{Mode: ModeGraduated, Tiers: tiersOf(t, "<=10: -1; <=5: -"), Included: num("-1"), DiscountPercent: num("101")},
			[]string{"tiers[0].unit_price", "tiers[1]", "tiers[1].up_to", "tiers[1].up_to", "included", "discount_percent"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			if err := tt.price.Validate(usd); err != nil {
				problems, ok := err.(Problems) //nolint:errorlint // the documented type, never wrapped
				if !ok {
					t.Fatalf("error is a %T", err)
				}
				for _, p := range problems {
					got = append(got, p.Field)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("fields (-want +got):\n%s\n%v", d, tt.price.Validate(usd))
			}
		})
	}
}

func TestAPriceSurvivesJSONWithItsDecimalsAsStrings(t *testing.T) {
	in := Price{Mode: ModeGraduated, Tiers: tiersOf(t, "<=1000000: .000001+.5; inf: .0000005"), MaxSpend: num("100")}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"graduated","tiers":[{"up_to":"1000000","unit_price":"0.000001","flat_price":"0.5"},{"unit_price":"0.0000005"}],"max_spend":"100"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	var out Price
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Errorf("(-in +out):\n%s", d)
	}
}

func TestCurrencies(t *testing.T) {
	for code, want := range map[string]int32{"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "IQD": 3, "CLF": 4} {
		if c, err := ParseCurrency(code); err != nil || c.Decimals != want {
			t.Errorf("%s: %d decimals, %v; want %d", code, c.Decimals, err, want)
		}
	}
	for _, code := range []string{"", "usd", "XXX", "US", "USDX", " US", "D E"} {
		if _, err := ParseCurrency(code); err == nil {
			t.Errorf("%q was taken for a currency", code)
		}
	}
	kwd, err := ParseCurrency("KWD")
	if err != nil {
		t.Fatal(err)
	}
	if got := kwd.Format(decimal.RequireFromString("12.5")); got != "12.500" {
		t.Errorf("Format: %s", got)
	}
}
