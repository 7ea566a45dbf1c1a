package quotas

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// PlanStatus is where a version of a plan is in its life. A published version is never changed.
type PlanStatus string

const (
	Draft     PlanStatus = "draft"
	Published PlanStatus = "published"
	// Archived versions take no new subscriptions; those that are on them stay.
	Archived PlanStatus = "archived"
)

// Plan is one version of what an account pays and may use.
type Plan struct {
	ID       string     `json:"id"`
	Version  int        `json:"version"` // from 1
	Name     string     `json:"name"`
	Status   PlanStatus `json:"status"`
	Currency string     `json:"currency"` // ISO 4217
	// Meters that charges and quotas name and that are more than what [meter.Named] makes of a name.
	Meters  []meter.Meter `json:"meters,omitempty"`
	Charges []Charge      `json:"charges"`
	Quotas  []Quota       `json:"quotas"`

	CreatedBy   string    `json:"created_by,omitempty"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	ArchivedAt  time.Time `json:"archived_at,omitzero"`
}

// Charge is the price of a meter. A flat price needs no meter.
type Charge struct {
	ID    string `json:"id"`              // unique in the plan; made from meter and model when empty
	Meter string `json:"meter,omitempty"` // id of a meter of the plan, or a name for meter.Named
	Name  string `json:"name,omitempty"`  // for the statement
	rating.Price
}

// Enforcement says what happens when a quota is used up.
type Enforcement string

const (
	// Hard refuses further calls.
	Hard Enforcement = "hard"
	// Soft only tells.
	Soft Enforcement = "soft"
)

// Quota bounds the use of a meter per UTC day or month.
type Quota struct {
	ID          string        `json:"id"` // unique in the plan; made from the rest when empty
	Meter       string        `json:"meter"`
	Per         counter.Scope `json:"per"` // key or account; empty is account
	Limit       int64         `json:"limit"`
	Period      period.Unit   `json:"period,omitempty"`      // day or month; empty is month
	Enforcement Enforcement   `json:"enforcement,omitempty"` // empty is hard
	// Thresholds are percentages of the limit at which to notify; nil is 50, 80 and 100.
	Thresholds []int `json:"thresholds,omitempty"`
}

// Bounds of a plan.
const (
	maxCharges    = 50
	maxQuotas     = 50
	maxMeters     = 50
	maxThresholds = 10
	maxName       = 128
)

var defaultThresholds = []int{50, 80, 100}

// withDefaults fills in what was left out.
func (p Plan) withDefaults() Plan {
	p.Charges, p.Quotas = slices.Clone(p.Charges), slices.Clone(p.Quotas)
	taken := make(map[string]bool)
	unique := func(id string) string {
		id = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
				return r
			}
			return '-'
		}, strings.ToLower(id))
		id = strings.TrimLeft(id[:min(len(id), 56)], "-_0123456789")
		if id == "" {
			id = "item"
		}
		try := id
		for n := 2; taken[try]; n++ {
			try = fmt.Sprintf("%s-%d", id, n)
		}
		taken[try] = true
		return try
	}
	for i := range p.Charges {
		taken[p.Charges[i].ID] = true
	}
	for i := range p.Charges {
		if c := &p.Charges[i]; c.ID == "" {
			c.ID = unique(strings.Trim(c.Meter+"-"+string(c.Mode), "-"))
		}
	}
	clear(taken)
	for i := range p.Quotas {
		taken[p.Quotas[i].ID] = true
	}
	for i := range p.Quotas {
		q := &p.Quotas[i]
		if q.Per == "" {
			q.Per = counter.ScopeAccount
		}
		if q.Period == "" {
			q.Period = period.Month
		}
		if q.Enforcement == "" {
			q.Enforcement = Hard
		}
		if q.Thresholds == nil {
			q.Thresholds = slices.Clone(defaultThresholds)
		}
		if q.ID == "" {
			q.ID = unique(q.Meter + "-per-" + string(q.Per) + "-and-" + string(q.Period))
		}
	}
	if p.Charges == nil {
		p.Charges = []Charge{}
	}
	if p.Quotas == nil {
		p.Quotas = []Quota{}
	}
	return p
}

// Validate reports everything that is wrong with the plan, as [Problems].
func (p Plan) Validate() error {
	var c checker
	if err := meter.CheckID(p.ID); err != nil {
		c.add("id", "%s", err)
	}
	if p.Name == "" || len(p.Name) > maxName {
		c.add("name", "give 1 to %d bytes", maxName)
	}
	cur, err := rating.ParseCurrency(p.Currency)
	if err != nil {
		c.add("currency", "%s", err)
		cur = rating.Currency{Code: "USD", Decimals: 2} // go on, to report the rest
	}
	for _, l := range []struct {
		field string
		n, at int
	}{{"meters", len(p.Meters), maxMeters}, {"charges", len(p.Charges), maxCharges}, {"quotas", len(p.Quotas), maxQuotas}} {
		if l.n > l.at {
			c.add(l.field, "are %d; at most %d", l.n, l.at)
			return c.err()
		}
	}
	p.checkMeters(&c)
	p.checkCharges(&c, cur)
	p.checkQuotas(&c)
	return c.err()
}

func (p Plan) checkMeters(c *checker) {
	seen := make(map[string]bool)
	for i, m := range p.Meters {
		at := fmt.Sprintf("meters[%d].", i)
		if err := m.Validate(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				field, message, _ := strings.Cut(line, ": ")
				c.add(at+field, "%s", message)
			}
		}
		if seen[m.ID] {
			c.add(at+"id", "%.64q is there twice", m.ID)
		}
		seen[m.ID] = true
	}
}

func (p Plan) checkCharges(c *checker, cur rating.Currency) {
	seen := make(map[string]bool)
	for i, ch := range p.Charges {
		at := fmt.Sprintf("charges[%d].", i)
		if err := meter.CheckID(ch.ID); err != nil {
			c.add(at+"id", "%s", err)
		}
		if seen[ch.ID] {
			c.add(at+"id", "%.64q is there twice", ch.ID)
		}
		seen[ch.ID] = true
		if len(ch.Name) > maxName {
			c.add(at+"name", "has more than %d bytes", maxName)
		}
		if ch.Mode != rating.ModeFlat {
			p.checkMeter(c, at+"meter", ch.Meter)
		}
		if problems, ok := errors.AsType[Problems](ch.Validate(cur)); ok {
			for _, one := range problems {
				c.add(at+one.Field, "%s", one.Message)
			}
		}
	}
}

// checkMeter reports a meter that neither the plan defines nor a record could carry.
func (p Plan) checkMeter(c *checker, field, id string) {
	if id == "" {
		c.add(field, "is missing; give requests, bytes or the name of a unit such as input_tokens")
		return
	}
	m := p.Meter(id)
	m.ID = "m" // a unit may have any name
	if err := m.Validate(); err != nil {
		c.add(field, "%.64q is not a meter: %s", id, err)
	}
}

func (p Plan) checkQuotas(c *checker) {
	seen := make(map[string]bool)
	for i, q := range p.Quotas {
		at := fmt.Sprintf("quotas[%d].", i)
		if err := meter.CheckID(q.ID); err != nil {
			c.add(at+"id", "%s", err)
		}
		if seen[q.ID] {
			c.add(at+"id", "%.64q is there twice", q.ID)
		}
		seen[q.ID] = true
		p.checkMeter(c, at+"meter", q.Meter)
		if q.Per != counter.ScopeKey && q.Per != counter.ScopeAccount {
			c.add(at+"per", "%.32q is not known; give key or account", string(q.Per))
		}
		if q.Limit < 0 {
			c.add(at+"limit", "is %d; must not be negative", q.Limit)
		}
		if q.Period != period.Day && q.Period != period.Month {
			c.add(at+"period", "%.32q is not known; give day or month", string(q.Period))
		}
		if q.Enforcement != Hard && q.Enforcement != Soft {
			c.add(at+"enforcement", "%.32q is not known; give hard or soft", string(q.Enforcement))
		}
		if len(q.Thresholds) > maxThresholds {
			c.add(at+"thresholds", "are %d; at most %d", len(q.Thresholds), maxThresholds)
		}
		for j, t := range q.Thresholds {
			if t < 1 || t > 1000 {
				c.add(fmt.Sprintf("%sthresholds[%d]", at, j), "is %d; give 1 to 1000 percent", t)
			}
		}
	}
}

// Meter returns the definition of a meter that a charge or quota of the plan names.
func (p Plan) Meter(id string) meter.Meter {
	for _, m := range p.Meters {
		if m.ID == id {
			return m
		}
	}
	return meter.Named(id)
}

// Limits returns the quotas as the counters take them.
func (p Plan) Limits() []counter.Limit {
	limits := make([]counter.Limit, 0, len(p.Quotas))
	for _, q := range p.Quotas {
		limits = append(limits, counter.Limit{
			ID: q.ID, Scope: q.Per, Meter: p.Meter(q.Meter), Period: q.Period, Max: q.Limit, Hard: q.Enforcement == Hard, Thresholds: q.Thresholds,
		})
	}
	return limits
}

// DefaultPlanID is the plan of accounts without a subscription.
const DefaultPlanID = "default"

// DefaultPlan is what a new installation starts with: the first 10,000 requests of a month free, then graduated, and a
// soft quota. Publish a next version of it to change what accounts without a subscription get.
func DefaultPlan() Plan {
	tier := func(upTo int64, unit string) rating.Tier {
		price := decimal.RequireFromString(unit)
		t := rating.Tier{Unit: &price}
		if upTo > 0 {
			bound := decimal.New(upTo, 0)
			t.UpTo = &bound
		}
		return t
	}
	return Plan{
		ID: DefaultPlanID, Version: 1, Name: "Pay as you go", Currency: "USD",
		Charges: []Charge{{
			ID: "requests", Meter: "requests", Name: "API requests",
			Price: rating.Price{Mode: rating.ModeGraduated, Tiers: []rating.Tier{tier(10_000, "0"), tier(1_000_000, "0.0004"), tier(0, "0.00025")}},
		}},
		Quotas: []Quota{{ID: "requests", Meter: "requests", Limit: 5_000_000, Enforcement: Soft}},
	}.withDefaults()
}
