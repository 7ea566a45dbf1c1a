package rating

import (
	"github.com/shopspring/decimal"
)

// Rater is a price that was checked, ready to rate.
type Rater struct {
	cur         Currency
	mode        Mode
	amount      decimal.Decimal
	packageSize decimal.Decimal
	tiers       []tier
	transform   *Transform
	included    decimal.Decimal
	percent     decimal.Decimal
	min, max    *decimal.Decimal
}

// tier with its lower bound and without nils; open when to is nil.
type tier struct {
	from       decimal.Decimal
	to         *decimal.Decimal
	unit, flat decimal.Decimal
	block      *decimal.Decimal
}

// Compile checks a price and makes it ready. The error is a [Problems].
func Compile(p Price, cur Currency) (*Rater, error) {
	if err := p.Validate(cur); err != nil {
		return nil, err
	}
	r := &Rater{
		cur: cur, mode: p.Mode, amount: value(p.Amount), packageSize: value(p.PackageSize), transform: p.Transform,
		included: value(p.Included), percent: value(p.DiscountPercent), min: p.MinSpend, max: p.MaxSpend,
	}
	from := decimal.Zero
	for _, t := range p.Tiers {
		r.tiers = append(r.tiers, tier{from: from, to: t.UpTo, unit: value(t.Unit), flat: value(t.Flat), block: t.Block})
		if t.UpTo != nil {
			from = *t.UpTo
		}
	}
	return r, nil
}

func value(d *decimal.Decimal) decimal.Decimal {
	if d == nil {
		return decimal.Zero
	}
	return *d
}

// Difference is the line that leads from one rated line to another of the same price: what a correction has to say.
// Steps that did not change are left out.
func Difference(old, now Line) Line {
	d := Line{
		Quantity: now.Quantity.Sub(old.Quantity), Billable: now.Billable.Sub(old.Billable),
		Subtotal: now.Subtotal.Sub(old.Subtotal), Discount: now.Discount.Sub(old.Discount),
		MaxSpend: now.MaxSpend.Sub(old.MaxSpend), MinSpend: now.MinSpend.Sub(old.MinSpend),
		Exact: now.Exact.Sub(old.Exact), Amount: now.Amount.Sub(old.Amount), Steps: []Step{},
	}
	i, j := 0, 0 // steps of both are ordered by tier
	for i < len(old.Steps) || j < len(now.Steps) {
		switch {
		case j == len(now.Steps) || (i < len(old.Steps) && old.Steps[i].Tier < now.Steps[j].Tier):
			d.Steps = append(d.Steps, subtract(old.Steps[i], Step{}, old.Steps[i]))
			i++
		case i == len(old.Steps) || now.Steps[j].Tier < old.Steps[i].Tier:
			d.Steps = append(d.Steps, now.Steps[j])
			j++
		default:
			if s := subtract(now.Steps[j], now.Steps[j], old.Steps[i]); !s.Amount.IsZero() || !s.Quantity.IsZero() {
				d.Steps = append(d.Steps, s)
			}
			i, j = i+1, j+1
		}
	}
	return d
}

// subtract gives a - b in the tier of shape.
func subtract(shape, a, b Step) Step {
	shape.Quantity, shape.Flat, shape.Amount = a.Quantity.Sub(b.Quantity), a.Flat.Sub(b.Flat), a.Amount.Sub(b.Amount)
	if shape.Blocks != nil {
		n := value(a.Blocks).Sub(value(b.Blocks))
		shape.Blocks = &n
	}
	return shape
}

// Rate rates the quantity of a whole period.
func (r *Rater) Rate(quantity decimal.Decimal) Line {
	if quantity.IsNegative() {
		quantity = decimal.Zero
	}
	l := Line{Quantity: quantity, Billable: r.billable(quantity)}
	if l.Steps = r.steps(l.Billable); l.Steps == nil {
		l.Steps = []Step{} // a list in JSON, even when there is nothing to show
	}
	for _, s := range l.Steps {
		l.Subtotal = l.Subtotal.Add(s.Amount)
	}
	l.Exact = l.Subtotal
	if !r.percent.IsZero() {
		l.Discount = l.Subtotal.Mul(r.percent).Shift(-2).Neg()
		l.Exact = l.Exact.Add(l.Discount)
	}
	if r.max != nil && l.Exact.GreaterThan(*r.max) {
		l.MaxSpend = r.max.Sub(l.Exact)
		l.Exact = *r.max
	}
	if r.min != nil && l.Exact.LessThan(*r.min) {
		l.MinSpend = r.min.Sub(l.Exact)
		l.Exact = *r.min
	}
	l.Amount = r.cur.Round(l.Exact)
	return l
}

// billable converts the quantity and takes the free allowance off.
func (r *Rater) billable(q decimal.Decimal) decimal.Decimal {
	if r.mode == ModeFlat {
		return q
	}
	if r.transform != nil {
		q = r.transform.apply(q)
	}
	if q = q.Sub(r.included); q.IsNegative() {
		return decimal.Zero
	}
	return q
}

func (t *Transform) apply(q decimal.Decimal) decimal.Decimal {
	if t.Multiply != nil {
		q = q.Mul(*t.Multiply)
	}
	divisor := decimal.New(1, 0)
	if t.Divide != nil {
		if e, ok := tenExponent(*t.Divide); ok {
			q = q.Shift(-e)
		} else {
			divisor = *t.Divide
		}
	}
	if t.Round == RoundNone {
		return q
	}
	// QuoRem cuts at the given place and gives the exact rest; both are never negative here.
	quotient, rest := q.QuoRem(divisor, t.Decimals)
	switch t.Round {
	case RoundUp:
		if rest.IsZero() {
			return quotient
		}
	case RoundHalfUp:
		if rest.Add(rest).LessThan(divisor.Shift(-t.Decimals)) {
			return quotient
		}
	default:
		return quotient
	}
	return quotient.Add(decimal.New(1, -t.Decimals))
}

func (r *Rater) steps(q decimal.Decimal) []Step {
	switch r.mode {
	case ModeFlat:
		return []Step{{Quantity: decimal.New(1, 0), Unit: r.amount, Amount: r.amount}}
	case ModeUnit:
		if q.IsZero() {
			return nil
		}
		return []Step{{Quantity: q, Unit: r.amount, Amount: q.Mul(r.amount)}}
	case ModePackage:
		if q.IsZero() {
			return nil
		}
		n := blocks(q, r.packageSize)
		return []Step{{Quantity: q, Blocks: &n, Unit: r.amount, Amount: n.Mul(r.amount)}}
	case ModeVolume:
		for i, t := range r.tiers {
			if t.to == nil || q.LessThanOrEqual(*t.to) {
				return t.appendStep(nil, i, q)
			}
		}
	case ModeGraduated:
		steps := make([]Step, 0, len(r.tiers))
		for i, t := range r.tiers {
			if i > 0 && q.LessThanOrEqual(t.from) {
				break
			}
			upper := q
			if t.to != nil && t.to.LessThan(q) {
				upper = *t.to
			}
			steps = t.appendStep(steps, i, upper.Sub(t.from))
		}
		return steps
	}
	return nil
}

// appendStep adds the tier's share. A share of nothing (quantity and fee 0) is left out.
func (t tier) appendStep(steps []Step, i int, q decimal.Decimal) []Step {
	if q.IsZero() && t.flat.IsZero() {
		return steps
	}
	s := Step{Tier: i + 1, From: t.from, To: t.to, Quantity: q, Unit: t.unit, Flat: t.flat}
	n := q
	if t.block != nil {
		n = blocks(q, *t.block)
		s.Blocks = &n
	}
	s.Amount = n.Mul(t.unit).Add(t.flat)
	return append(steps, s)
}

// blocks is ceil(q / size).
func blocks(q, size decimal.Decimal) decimal.Decimal {
	n, rest := q.QuoRem(size, 0)
	if !rest.IsZero() {
		n = n.Add(decimal.New(1, 0))
	}
	return n
}
