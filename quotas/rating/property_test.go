package rating

import (
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// drawDecimal draws a decimal below limit with up to places decimals.
func drawDecimal(t *rapid.T, limit int64, places int32, name string) decimal.Decimal {
	p := rapid.Int32Range(0, places).Draw(t, name+" places")
	return decimal.New(rapid.Int64Range(0, limit).Draw(t, name), -p)
}

func drawTiers(t *rapid.T) []Tier {
	n := rapid.IntRange(1, 6).Draw(t, "tiers")
	tiers := make([]Tier, n)
	bound := decimal.Zero
	for i := range tiers {
		if rapid.Bool().Draw(t, "has flat") {
			flat := drawDecimal(t, 10000, 4, "flat")
			tiers[i].Flat = &flat
		}
		if tiers[i].Flat == nil || rapid.Bool().Draw(t, "has unit") {
			unit := drawDecimal(t, 100000, 12, "unit")
			tiers[i].Unit = &unit
		}
		if rapid.IntRange(0, 4).Draw(t, "blocks") == 0 {
			block := decimal.New(rapid.Int64Range(1, 50).Draw(t, "block"), 0)
			tiers[i].Block = &block
		}
		if i < n-1 {
			bound = bound.Add(drawDecimal(t, 1000, 3, "width")).Add(decimal.New(1, -3))
			b := bound
			tiers[i].UpTo = &b
		}
	}
	return tiers
}

func rapidRater(t *rapid.T, p Price) *Rater {
	code := rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency")
	cur, err := ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Compile(p, cur)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return r
}

func rat(d decimal.Decimal) *big.Rat { return d.Rat() }

// direct computes a tiered price from its definition, with fractions.
func direct(p Price, q decimal.Decimal) *big.Rat {
	sum := new(big.Rat)
	lower := new(big.Rat)
	quantity := rat(q)
	for i, t := range p.Tiers {
		inTier := new(big.Rat)
		holds := t.UpTo == nil || quantity.Cmp(rat(*t.UpTo)) <= 0
		switch {
		case p.Mode == ModeVolume && !holds:
			continue
		case p.Mode == ModeVolume:
			inTier.Set(quantity)
		case i > 0 && quantity.Cmp(lower) <= 0:
			return sum
		case holds:
			inTier.Sub(quantity, lower)
		default:
			inTier.Sub(rat(*t.UpTo), lower)
		}
		if t.Block != nil {
			inTier.Quo(inTier, rat(*t.Block))
			whole, rest := new(big.Int).QuoRem(inTier.Num(), inTier.Denom(), new(big.Int))
			if rest.Sign() > 0 {
				whole.Add(whole, big.NewInt(1))
			}
			inTier.SetInt(whole)
		}
		sum.Add(sum, inTier.Mul(inTier, rat(value(t.Unit))))
		sum.Add(sum, rat(value(t.Flat)))
		if p.Mode == ModeVolume {
			return sum
		}
		if t.UpTo != nil {
			lower = rat(*t.UpTo)
		}
	}
	return sum
}

func TestStepsSumToTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{Mode: rapid.SampledFrom([]Mode{ModeGraduated, ModeVolume}).Draw(t, "mode"), Tiers: drawTiers(t)}
		q := drawDecimal(t, 10_000_000, 4, "quantity")
		l := rapidRater(t, p).Rate(q)
		if want := direct(p, q); rat(l.Exact).Cmp(want) != 0 {
			t.Fatalf("%s units cost %s, by definition %s", q, l.Exact, want.FloatString(12))
		}
		sum := decimal.Zero
		for _, s := range l.Steps {
			sum = sum.Add(s.Amount)
		}
		if !sum.Equal(l.Subtotal) {
			t.Fatalf("steps give %s, subtotal is %s", sum, l.Subtotal)
		}
	})
}

func drawPrice(t *rapid.T) Price {
	p := Price{Mode: rapid.SampledFrom([]Mode{ModeUnit, ModeGraduated, ModeVolume, ModePackage}).Draw(t, "mode")}
	switch p.Mode {
	case ModeGraduated, ModeVolume:
		p.Tiers = drawTiers(t)
	default:
		amount := drawDecimal(t, 100000, 8, "amount")
		p.Amount = &amount
		if p.Mode == ModePackage {
			size := decimal.New(rapid.Int64Range(1, 100).Draw(t, "size"), -1)
			p.PackageSize = &size
		}
	}
	if rapid.Bool().Draw(t, "has included") {
		d := drawDecimal(t, 1000, 2, "included")
		p.Included = &d
	}
	if rapid.Bool().Draw(t, "has discount") {
		d := drawDecimal(t, 100, 2, "percent")
		p.DiscountPercent = &d
	}
	low, high := rapid.Int64Range(0, 500).Draw(t, "min"), rapid.Int64Range(500, 5000).Draw(t, "max")
	if rapid.Bool().Draw(t, "has max") {
		d := decimal.New(high, 0)
		p.MaxSpend = &d
	}
	if rapid.Bool().Draw(t, "has min") {
		d := decimal.New(low, 0)
		p.MinSpend = &d
	}
	return p
}

func TestDifferencesAddUpToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapidRater(t, drawPrice(t))
		at := decimal.Zero
		first := r.Rate(at)
		exact, amount, subtotal := first.Exact, first.Amount, first.Subtotal
		n := rapid.IntRange(1, 5).Draw(t, "differences")
		for range n {
			next := at.Add(drawDecimal(t, 5000, 3, "more"))
			l := Difference(r.Rate(at), r.Rate(next))
			steps := decimal.Zero
			for _, s := range l.Steps {
				steps = steps.Add(s.Amount)
			}
			if !steps.Equal(l.Subtotal) {
				t.Fatalf("steps give %s, subtotal is %s", steps, l.Subtotal)
			}
			exact, amount, subtotal, at = exact.Add(l.Exact), amount.Add(l.Amount), subtotal.Add(l.Subtotal), next
		}
		whole := r.Rate(at)
		if !exact.Equal(whole.Exact) || !amount.Equal(whole.Amount) || !subtotal.Equal(whole.Subtotal) {
			t.Fatalf("differences give %s (%s), the whole is %s (%s)", amount, exact, whole.Amount, whole.Exact)
		}
	})
}

func TestMoreUseNeverCostsLessExceptByVolume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPrice(t)
		if p.Mode == ModeVolume {
			p.Mode = ModeGraduated
		}
		r := rapidRater(t, p)
		low := drawDecimal(t, 100000, 3, "low")
		high := low.Add(drawDecimal(t, 100000, 3, "more"))
		if a, b := r.Rate(low), r.Rate(high); a.Amount.GreaterThan(b.Amount) || a.Exact.GreaterThan(b.Exact) {
			t.Fatalf("%s units cost %s, %s cost %s", low, a.Amount, high, b.Amount)
		}
	})
}

func TestAmountsStayInsideTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPrice(t)
		r := rapidRater(t, p)
		l := r.Rate(drawDecimal(t, 1_000_000_000, 4, "quantity").Sub(decimal.New(500, 0)))
		half := decimal.New(5, -r.cur.Decimals-1)
		switch {
		case l.Amount.IsNegative() || l.Quantity.IsNegative():
			t.Fatalf("negative: %+v", l)
		case p.MaxSpend != nil && l.Amount.GreaterThan(*p.MaxSpend):
			t.Fatalf("%s is above the greatest amount %s", l.Amount, p.MaxSpend)
		case p.MinSpend != nil && l.Amount.LessThan(*p.MinSpend):
			t.Fatalf("%s is below the least amount %s", l.Amount, p.MinSpend)
		case !l.Exact.Equal(l.Subtotal.Add(l.Discount).Add(l.MaxSpend).Add(l.MinSpend)):
			t.Fatalf("the parts do not give the exact amount: %+v", l)
		case l.Amount.Sub(l.Exact).Abs().GreaterThan(half):
			t.Fatalf("rounded by more than half a minor unit: %+v", l)
		}
	})
}

func TestTransformAgreesWithFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		multiply, divide := drawDecimal(t, 10000, 3, "multiply").Add(decimal.New(1, -3)), drawDecimal(t, 10000, 3, "divide").Add(decimal.New(1, -3))
		tr := Transform{Multiply: &multiply, Divide: &divide, Round: rapid.SampledFrom([]Rounding{RoundUp, RoundDown, RoundHalfUp}).Draw(t, "round"), Decimals: rapid.Int32Range(0, 4).Draw(t, "decimals")}
		q := drawDecimal(t, 1_000_000_000, 3, "quantity")
		exact := new(big.Rat).Quo(new(big.Rat).Mul(rat(q), rat(multiply)), rat(divide))
		got := tr.apply(q)
		off := new(big.Rat).Sub(rat(got), exact) // how far above the exact value
		step := rat(decimal.New(1, -tr.Decimals))
		half := new(big.Rat).Mul(step, big.NewRat(1, 2))
		ok := map[Rounding]bool{
			RoundUp:     off.Sign() >= 0 && off.Cmp(step) < 0,
			RoundDown:   off.Sign() <= 0 && new(big.Rat).Neg(off).Cmp(step) < 0,
			RoundHalfUp: off.Cmp(half) <= 0 && new(big.Rat).Neg(off).Cmp(half) < 0,
		}[tr.Round]
		if !ok || !got.Truncate(tr.Decimals).Equal(got) {
			t.Fatalf("%s x %s / %s %s to %d places: %s, exactly %s", q, multiply, divide, tr.Round, tr.Decimals, got, exact.FloatString(8))
		}
	})
}
