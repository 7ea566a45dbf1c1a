package rating

import (
	"testing"

	"github.com/shopspring/decimal"
)

// BenchmarkRate prices a quantity of seven digits; the models with tiers have ten of them.
func BenchmarkRate(b *testing.B) {
	tiers := make([]Tier, 10)
	for i := range tiers {
		unit := decimal.New(int64(1000-50*i), -6)
		tiers[i].Unit = &unit
		if i < 9 {
			bound := decimal.New(int64(i+1)*250_000, 0)
			tiers[i].UpTo = &bound
		}
	}
	quantity := decimal.New(2_345_678, 0)
	for _, bb := range []struct {
		name  string
		price Price
	}{
		{"Flat", Price{Mode: ModeFlat, Amount: num("29.90")}},
		{"Unit", Price{Mode: ModeUnit, Amount: num("0.000003")}},
		{"Graduated10", Price{Mode: ModeGraduated, Tiers: tiers}},
		{"Volume10", Price{Mode: ModeVolume, Tiers: tiers}},
		{"Package", packages("5", "1000")},
		{"GraduatedAll", Price{
			Mode: ModeGraduated, Tiers: tiers, Transform: &Transform{Divide: num("3"), Round: RoundUp}, Included: num("10000"), DiscountPercent: num("12.5"),
			MinSpend: num("10"), MaxSpend: num("100000"),
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			r := compile(b, bb.price, "USD")
			b.ReportAllocs()
			for b.Loop() {
				r.Rate(quantity)
			}
		})
	}
}
