package rating

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

// The worked examples of the peers, as their documentation and tests state them. Sources: Stripe (tiered pricing,
// transform quantities, decimal amounts), OpenMeter/Kong (pricing models, tests of the rater), Lago (charge models and
// specs of their services), Kill Bill (consumable in arrear).

// tiersOf reads "<=5: 7; <=10: 6.50+10; inf: 6 /100": bound, unit price, flat fee, block size. "-" is no unit price.
func tiersOf(t testing.TB, text string) []Tier {
	t.Helper()
	var tiers []Tier
	for part := range strings.SplitSeq(text, ";") {
		bound, price, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok {
			t.Fatalf("tier %q has no colon", part)
		}
		var tr Tier
		if bound != "inf" {
			tr.UpTo = num(strings.TrimPrefix(bound, "<="))
		}
		price, block, hasBlock := strings.Cut(price, "/")
		if hasBlock {
			tr.Block = num(strings.TrimSpace(block))
		}
		unit, flat, hasFlat := strings.Cut(strings.TrimSpace(price), "+")
		if unit = strings.TrimSpace(unit); unit != "-" {
			tr.Unit = num(unit)
		}
		if hasFlat {
			tr.Flat = num(strings.TrimSpace(flat))
		}
		tiers = append(tiers, tr)
	}
	return tiers
}

func num(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func graduated(t testing.TB, text string) Price {
	return Price{Mode: ModeGraduated, Tiers: tiersOf(t, text)}
}

func volume(t testing.TB, text string) Price {
	return Price{Mode: ModeVolume, Tiers: tiersOf(t, text)}
}

func packages(price, size string) Price {
	return Price{Mode: ModePackage, Amount: num(price), PackageSize: num(size)}
}

func unit(price string) Price { return Price{Mode: ModeUnit, Amount: num(price)} }

func compile(t testing.TB, p Price, code string) *Rater {
	t.Helper()
	cur, err := ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compile(p, cur)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return r
}

func TestGoldenTables(t *testing.T) {
	const stripeA = "<=5: 7; <=10: 6.50; inf: 6"
	const stripeB = "<=5: 5+10; <=10: 4+20; <=15: 3+30; <=20: 2+40; inf: 1+50"
	const kongC = "<=1000: .30; <=5000: .20; inf: .10"
	const meterFlat = "<=5: -+100; <=10: -+50; <=15: 10; inf: 5"
	const meterFlat2 = "<=5: -+100; <=10: -+50; <=15: 5; inf: 1"
	const meterVolume = "<=5: -+100; <=10: -+150; <=15: 10; inf: 5"
	const lagoGraduated = "<=10: 10+2; <=20: 5+3; inf: 5+3"
	const lagoVolume = "<=100: 2+10; <=200: 1; inf: .5+50"
	const lagoPercent = "<=10: .01+200; <=20: .02+300; inf: .03+400"
	const killTop = "<=1000: 1 /100; <=101000: 1 /1000; inf: .5 /1000"
	const killOne = "<=10: 1.5 /1; <=110: 1 /1; inf: .5 /1"

	tests := []struct {
		name  string
		price Price
		want  string // quantity->amount, comma separated
	}{
		{"Stripe A volume", volume(t, stripeA), "1->7, 5->35, 6->39, 10->65, 11->66, 20->120, 25->150"},
		{"Stripe A graduated", graduated(t, stripeA), "1->7, 5->35, 6->41.50, 20->127.50, 25->157.50"},
		{"Stripe B volume with flats", volume(t, stripeB), "0->10, 12->66"},
		{"Stripe B graduated with flats", graduated(t, stripeB), "0->10, 12->111"},
		{"Stripe B graduated without flats", graduated(t, "<=5: 5; <=10: 4; <=15: 3; <=20: 2; inf: 1"), "6->29"},
		{"Stripe package of 5", packages("10", "5"), "1->10, 3->10, 5->10, 6->20, 7->20"},
		{"Stripe package of 60 minutes", packages("10", "60"), "150->30"},
		{"Stripe half a tenth of a cent", unit("0.0005"), "30->0.02"},
		{"Stripe fee from the first unit on", graduated(t, "<=1: 10; inf: 2"), "0->0, 1->10, 2->12"},

		{"Kong C graduated", graduated(t, kongC), "6000->1200"},
		{"Kong C volume", volume(t, kongC), "6000->600"},
		{"Kong fee and free thousand", graduated(t, "<=1000: 0+500; inf: .10"), "2000->600, 0->500"},
		{"Kong zero safe", graduated(t, "<=1: 500; <=1000: 0; inf: .10"), "2000->600, 0->0, 0.5->250"},
		{"OpenMeter package of 20", packages("10", "20"), "0->0, 20->10, 20.1->20, 98->50"},
		{"OpenMeter free allowance", Price{Mode: ModeUnit, Amount: num(".10"), Included: num("900")}, "1000->10, 900->0, 3->0"},
		{"OpenMeter free allowance, 10 % off", Price{Mode: ModeUnit, Amount: num(".10"), Included: num("900"), DiscountPercent: num("10")}, "1000->9"},
		{"OpenMeter graduated flats", graduated(t, meterFlat), "0->100, 3->100, 5->100, 5.001->150, 7->150, 12->170, 22->235"},
		{"OpenMeter graduated flats 2", graduated(t, meterFlat2), "12->160, 22->182"},
		{"OpenMeter volume", volume(t, meterVolume), "0->100, 3->100, 5->100, 7->150, 14->140, 15->150, 16->80, 100->500"},
		{"OpenMeter volume, max", Price{Mode: ModeVolume, Tiers: tiersOf(t, meterVolume), MaxSpend: num("125")}, "7->125"},
		{"OpenMeter volume, min", Price{Mode: ModeVolume, Tiers: tiersOf(t, meterVolume), MinSpend: num("150")}, "0->150"},
		{"OpenMeter package of 10", packages("15", "10"), "0->0, 1->15, 9->15, 10->15, 11->30"},
		{"OpenMeter dynamic", unit("1.33333"), "10->13.33"},
		{
			"OpenMeter unit_config",
			Price{Mode: ModeGraduated, Tiers: tiersOf(t, "<=5: 1; inf: .5"), Transform: &Transform{Divide: num("1000"), Round: RoundUp}},
			"7400->6.50",
		},

		{"Lago graduated", graduated(t, lagoGraduated), "0->2, 1->12, 10->102, 11->110, 12->115, 21->163"},
		{"Lago volume", volume(t, lagoVolume), "0->10, 1->12, 100->210, 100.5->100.5, 101->101, 200->200, 300->200"},
		{"Lago volume of small prices", volume(t, "<=10000: .001; <=50000: .0008; <=100000: .0006+10; inf: .0006"), "65000->49"},
		{"Lago package", packages("100", "10"), "121->1300"},
		{"Lago package, 10 free", Price{Mode: ModePackage, Amount: num("100"), PackageSize: num("10"), Included: num("10")}, "121->1200"},
		{"Lago package, 200 free", Price{Mode: ModePackage, Amount: num("100"), PackageSize: num("10"), Included: num("200")}, "121->0"},
		{"Lago package of 100", Price{Mode: ModePackage, Amount: num("5"), PackageSize: num("100"), Included: num("100")}, "201->10"},
		{"Lago graduated percentage", graduated(t, lagoPercent), "0->200, 1->200.01, 10->200.10, 11->500.12, 12->500.14, 21->900.33"},

		{"Kill Bill top tier", volume(t, killTop), "1000->10, 101000->101, 101001->51, 300000->150"},
		{"Kill Bill top tier of ones", volume(t, killOne), "111->55.5"},
		{"Kill Bill all tiers", graduated(t, killOne), "111->115.5"},
		{"Kill Bill top tier unlimited", volume(t, "<=1000: 10 /100; inf: 1 /100"), "2000->20"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := compile(t, tt.price, "USD")
			for example := range strings.SplitSeq(tt.want, ",") {
				q, want, _ := strings.Cut(strings.TrimSpace(example), "->")
				got := r.Rate(decimal.RequireFromString(q))
				if !got.Amount.Equal(decimal.RequireFromString(want)) {
					t.Errorf("%s units cost %s, want %s (%+v)", q, got.Amount, want, got)
				}
			}
		})
	}
}

// What is billed once more of a quantity is known: peers bill so in the middle of a period, here corrections do.
func TestGoldenTablesOfWhatComesOnTop(t *testing.T) {
	const meterFlat2 = "<=5: -+100; <=10: -+50; <=15: 5; inf: 1"
	withMax := func(p Price, m string) Price { p.MaxSpend = num(m); return p }
	withMin := func(p Price, m string) Price { p.MinSpend = num(m); return p }
	tests := []struct {
		name          string
		price         Price
		before, after string
		billed, want  string
	}{
		{"OpenMeter graduated, 12 to 22", graduated(t, meterFlat2), "12", "22", "160", "22"},
		{"OpenMeter max 170 with 160 billed", withMax(graduated(t, meterFlat2), "170"), "12", "22", "160", "10"},
		{"a least amount that was billed covers it", withMin(graduated(t, meterFlat2), "1000"), "3", "4", "1000", "0"},
		{"OpenMeter package, 5 after 17", packages("15", "10"), "17", "22", "30", "15"},
		{"OpenMeter package max 100, 50 after 60", withMax(packages("15", "10"), "100"), "60", "110", "90", "10"},
		{"OpenMeter unit max 100, 5 after 7", withMax(unit("10"), "100"), "7", "12", "70", "30"},
		{"OpenMeter dynamic max 100 with 93.33 billed", withMax(unit("1.33333"), "100"), "70", "120", "93.33", "6.67"},
		{"OpenMeter volume reprices: -150 and +80", volume(t, "<=5: -+100; <=10: -+150; <=15: 10; inf: 5"), "15", "16", "150", "-70"},
		{"Lago payments, the first", graduated(t, "<=1000: .01+200; <=10000: .02+300; inf: .03+400"), "0", "500", "200", "5"},
		{"Lago payments, the second", graduated(t, "<=1000: .01+200; <=10000: .02+300; inf: .03+400"), "500", "1050", "205", "306"},
		{"Lago payments, the third", graduated(t, "<=1000: .01+200; <=10000: .02+300; inf: .03+400"), "1050", "5050", "511", "80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := compile(t, tt.price, "USD")
			before, after := decimal.RequireFromString(tt.before), decimal.RequireFromString(tt.after)
			if billed := r.Rate(before).Amount; !billed.Equal(decimal.RequireFromString(tt.billed)) {
				t.Errorf("billed before: %s, want %s", billed, tt.billed)
			}
			got := Difference(r.Rate(before), r.Rate(after))
			if !got.Amount.Equal(decimal.RequireFromString(tt.want)) {
				t.Errorf("from %s to %s costs %s, want %s (%+v)", tt.before, tt.after, got.Amount, tt.want, got)
			}
		})
	}
}
