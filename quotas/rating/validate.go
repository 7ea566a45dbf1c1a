package rating

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Problem is one thing wrong with a price: the field, as a path into its JSON, and what to do about it.
type Problem struct {
	Field   string
	Message string
}

// Problems are all that is wrong; as an error it reads as one line.
type Problems []Problem

func (p Problems) Error() string {
	parts := make([]string, len(p))
	for i, one := range p {
		parts[i] = one.Field + ": " + one.Message
	}
	return strings.Join(parts, "; ")
}

// Bounds of what may be written in a price. They also keep a crafted exponent (1e999999999) from costing memory: numbers
// are checked by their digits before anything is computed with them.
const (
	maxScale     = 12
	maxIntDigits = 30
	maxTiers     = 100
)

var hundred = decimal.New(100, 0)

type checker struct {
	problems Problems
}

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

// Sane says whether a number from outside is small enough to compute with: at most 30 digits before the point and 12
// after it.
func Sane(d decimal.Decimal) bool {
	e := d.Exponent()
	if e < -2*maxIntDigits || e > maxIntDigits || d.NumDigits() > 2*maxIntDigits {
		return false
	}
	return d.NumDigits()+int(e) <= maxIntDigits && d.Truncate(maxScale).Equal(d)
}

// number checks an optional number; positive asks for more than 0. It says whether the number may be used further.
func (c *checker) number(field string, d *decimal.Decimal, positive bool) bool {
	switch {
	case d == nil:
		return false
	case !Sane(*d):
		c.add(field, "has more than %d digits before or %d after the point", maxIntDigits, maxScale)
	case d.IsNegative():
		c.add(field, "is %s; must not be negative", d)
	case positive && d.IsZero():
		c.add(field, "is 0; must be more")
	default:
		return true
	}
	return false
}

// Validate returns nil or a [Problems] with everything that is wrong with the price in the given currency.
func (p Price) Validate(cur Currency) error {
	var c checker
	p.check(&c, cur)
	if len(c.problems) > 0 {
		return c.problems
	}
	return nil
}

func (p Price) check(c *checker, cur Currency) {
	tiered := false
	switch p.Mode {
	case ModeFlat, ModeUnit, ModePackage:
		if p.Amount == nil {
			c.add("price", "is missing; a %s price needs it", p.Mode)
		}
	case ModeGraduated, ModeVolume:
		tiered = true
		if p.Amount != nil {
			c.add("price", "does not belong to a %s price; put it into a tier", p.Mode)
		}
	case "":
		c.add("model", "is missing; give flat, unit, graduated, volume or package")
		return
	default:
		c.add("model", "%.32q is not known; give flat, unit, graduated, volume or package", string(p.Mode))
		return
	}
	c.number("price", p.Amount, false)
	if tiered {
		c.tiers(p.Tiers)
	} else if len(p.Tiers) > 0 {
		c.add("tiers", "do not belong to a %s price", p.Mode)
	}
	if c.number("package_size", p.PackageSize, true); p.Mode == ModePackage && p.PackageSize == nil {
		c.add("package_size", "is missing; a package price needs it")
	} else if p.Mode != ModePackage && p.PackageSize != nil {
		c.add("package_size", "does not belong to a %s price", p.Mode)
	}
	c.number("included", p.Included, false)
	c.transform(p.Transform)
	if c.number("discount_percent", p.DiscountPercent, false) && p.DiscountPercent.GreaterThan(hundred) {
		c.add("discount_percent", "is %s; must be at most 100", p.DiscountPercent)
	}
	c.spend(p, cur)
	if p.Mode == ModeFlat && (p.Transform != nil || p.Included != nil || p.MinSpend != nil || p.MaxSpend != nil) {
		c.add("model", "a flat price takes no transform, included, min_spend or max_spend")
	}
}

func (c *checker) spend(p Price, cur Currency) {
	whole := func(field string, d *decimal.Decimal) bool {
		if !c.number(field, d, false) {
			return false
		}
		if !cur.Round(*d).Equal(*d) {
			c.add(field, "is %s; %s has %d decimal places", d, cur.Code, cur.Decimals)
		}
		return true
	}
	low, high := whole("min_spend", p.MinSpend), whole("max_spend", p.MaxSpend)
	if low && high && p.MinSpend.GreaterThan(*p.MaxSpend) {
		c.add("min_spend", "is %s, more than max_spend %s", p.MinSpend, p.MaxSpend)
	}
}

func (c *checker) tiers(tiers []Tier) {
	if len(tiers) == 0 {
		c.add("tiers", "are missing; give at least one, the last without up_to")
		return
	}
	if len(tiers) > maxTiers {
		c.add("tiers", "are %d; at most %d", len(tiers), maxTiers)
		return
	}
	var last *decimal.Decimal // the greatest usable bound so far
	open := 0
	for i, t := range tiers {
		at := func(name string) string { return fmt.Sprintf("tiers[%d].%s", i, name) }
		if t.Unit == nil && t.Flat == nil {
			c.add(fmt.Sprintf("tiers[%d]", i), "has neither unit_price nor flat_price; write 0 for a free tier")
		}
		c.number(at("unit_price"), t.Unit, false)
		c.number(at("flat_price"), t.Flat, false)
		c.number(at("block"), t.Block, true)
		if t.UpTo == nil {
			if open++; i < len(tiers)-1 {
				c.add(at("up_to"), "is missing; only the last tier is open")
			}
			continue
		}
		if !c.number(at("up_to"), t.UpTo, true) {
			continue
		}
		switch {
		case last == nil || t.UpTo.GreaterThan(*last):
			last = t.UpTo
		case t.UpTo.Equal(*last):
			c.add(at("up_to"), "is %s like the tier before it; bounds must rise", t.UpTo)
		default:
			c.add(at("up_to"), "is %s after %s; sort the tiers by bound", t.UpTo, last)
		}
	}
	if open == 0 {
		c.add(fmt.Sprintf("tiers[%d].up_to", len(tiers)-1), "is given; leave it out of the last tier, so that every quantity has a price")
	}
}

func (c *checker) transform(t *Transform) {
	if t == nil {
		return
	}
	c.number("transform.multiply", t.Multiply, true)
	divides := c.number("transform.divide", t.Divide, true)
	switch t.Round {
	case RoundUp, RoundDown, RoundHalfUp:
	case RoundNone:
		if divides && !isPowerOfTen(*t.Divide) {
			c.add("transform.round", "is missing; dividing by %s may not come out: give up, down or half_up", t.Divide)
		}
	default:
		c.add("transform.round", "%.32q is not known; give up, down or half_up", string(t.Round))
	}
	if t.Decimals < 0 || t.Decimals > maxScale {
		c.add("transform.decimals", "is %d; must be 0 to %d", t.Decimals, maxScale)
	}
}

func isPowerOfTen(d decimal.Decimal) bool {
	_, ok := tenExponent(d)
	return ok
}

// tenExponent returns e when d is 10^e.
func tenExponent(d decimal.Decimal) (int32, bool) {
	digits := d.Coefficient().String()
	if digits[0] != '1' || strings.Trim(digits[1:], "0") != "" {
		return 0, false
	}
	return d.Exponent() + int32(len(digits)-1), true // #nosec G115 -- a sane number has at most 60 digits
}
