package rating

import "github.com/shopspring/decimal"

// prorateScale is where a share that does not come out is cut. Cutting (never rounding) there cannot change the rounding
// at the minor unit: an amount is at least half a minor unit above a whole one before the cut exactly when it is after it.
const prorateScale = 24

// Prorate gives the line of a flat price for part of its period: days of the period's days, as in 10 of 31. Other modes
// are never prorated, since their quantity already is that of the part. The exact amount is exact to 24 places.
func (r *Rater) Prorate(days, of int64) Line {
	l := r.Rate(decimal.Zero)
	if r.mode != ModeFlat || of <= 0 || days >= of {
		return l
	}
	l.Share = &Share{Days: max(days, 0), Of: of}
	part := func(d decimal.Decimal) decimal.Decimal {
		q, _ := d.Mul(decimal.New(l.Share.Days, 0)).QuoRem(decimal.New(of, 0), prorateScale)
		return q
	}
	l.Exact, l.Discount = part(l.Exact), part(l.Discount)
	l.Subtotal = l.Exact.Sub(l.Discount)
	l.Steps[0].Amount = l.Subtotal
	l.Amount = r.cur.Round(l.Exact)
	return l
}
