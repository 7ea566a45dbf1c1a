package quotas

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// stretch is a span of time in which an account is on one plan.
type stretch struct {
	span     period.Period
	versions []Plan // released, the oldest first
	pinned   int
	cycle    period.Cycle
	implicit bool // the default plan, for want of a subscription
}

// timeline is the whole past and future of an account's plans, without gap.
type timeline []stretch

// billing is a billing period and what its statement is made of.
type billing struct {
	period   period.Period
	whole    period.Period // the period of the cycle, from which the period is cut when the cycle or currency changes
	cycle    period.Cycle
	segments []segment
}

// segment is a part of a period on one version of a plan.
type segment struct {
	span     period.Period
	plan     Plan
	implicit bool
}

// same reports whether both are the same period on the same plans.
func (b billing) same(o billing) bool {
	return b.period == o.period && b.whole == o.whole && b.cycle.Same(o.cycle) && slices.EqualFunc(b.segments, o.segments, func(x, y segment) bool {
		return x.span == y.span && x.plan.ID == y.plan.ID && x.plan.Version == y.plan.Version
	})
}

// The ends of time, as far as a time in milliseconds of an SQL column is concerned.
var (
	dawn = time.Unix(0, 0).UTC()
	dusk = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

func (s *Service) timeline(ctx context.Context, q sqlstore.Querier, account string) (timeline, error) {
	subs, err := s.store.subscriptions(ctx, q, account)
	if err != nil {
		return nil, err
	}
	byID := make(map[string][]Plan)
	versions := func(id string) ([]Plan, error) {
		if plans, ok := byID[id]; ok {
			return plans, nil
		}
		plans, err := s.store.released(ctx, q, id)
		byID[id] = plans
		return plans, err
	}
	fallback, err := versions(DefaultPlanID)
	if err != nil {
		return nil, err
	}
	var line timeline
	at := dawn
	fill := func(to time.Time) {
		if at.Before(to) {
			line = append(line, stretch{span: period.Period{From: at, To: to}, versions: fallback, implicit: true})
		}
	}
	for _, sub := range subs {
		fill(sub.StartsAt)
		plans, err := versions(sub.PlanID)
		if err != nil {
			return nil, err
		}
		end := sub.EndsAt
		if end.IsZero() {
			end = dusk
		}
		line = append(line, stretch{span: period.Period{From: sub.StartsAt, To: end}, versions: plans, pinned: sub.PlanVersion, cycle: sub.Cycle})
		at = end
	}
	fill(dusk)
	return line, nil
}

// run returns the neighbouring stretches around i with the same cycle and currency: what one statement may hold.
func (l timeline) run(i int) (from, to int) {
	same := func(j int) bool {
		return l[j].cycle.Same(l[i].cycle) && l[j].versions[0].Currency == l[i].versions[0].Currency
	}
	from, to = i, i+1
	for from > 0 && same(from-1) {
		from--
	}
	for to < len(l) && same(to) {
		to++
	}
	return from, to
}

// bill returns the billing period that holds t.
func (l timeline) bill(t time.Time) (billing, error) {
	i := 0
	for i < len(l) && !l[i].span.Contains(t) {
		i++
	}
	if i == len(l) {
		return billing{}, fmt.Errorf("the time %s is outside of what can be billed", t.UTC().Format(time.RFC3339))
	}
	b := billing{cycle: l[i].cycle}
	var err error
	if b.whole, err = b.cycle.At(t); err != nil {
		return billing{}, err
	}
	from, to := l.run(i)
	b.period, _ = b.whole.Intersect(period.Period{From: l[from].span.From, To: l[to-1].span.To})
	for _, st := range l[from:to] {
		if span, ok := st.span.Intersect(b.period); ok {
			b.segments = append(b.segments, segment{span: span, plan: st.version(span.From), implicit: st.implicit})
		}
	}
	return b, nil
}

// subscribed returns the start of the first subscription.
func (l timeline) subscribed() (since time.Time, ok bool) {
	for i := range l {
		if !l[i].implicit {
			return l[i].span.From, true
		}
	}
	return since, false
}

// version returns the version that holds from t on: the pinned one, or the newest that was published by then, or the
// first of all.
func (st stretch) version(t time.Time) Plan {
	chosen := st.versions[0]
	for _, p := range st.versions {
		if p.Version == st.pinned {
			return p
		}
		if st.pinned == 0 && !p.PublishedAt.After(t) {
			chosen = p
		}
	}
	return chosen
}
