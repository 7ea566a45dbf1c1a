package quotas

import (
	"context"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// limitsState remembers what the counters were told last. Its lock is held from reading plans to telling, so that an
// older reading never replaces a newer.
type limitsState struct {
	mu   sync.Mutex
	seq  int64     // of the ledger that every writer of plans and subscriptions advances
	hour time.Time // plans change with the hour, since all periods start on one
}

// RefreshLimits makes the counters enforce what plans and subscriptions say now. Run does so when they have changed; a
// change made through this service holds at once without it.
func (s *Service) RefreshLimits(ctx context.Context) error {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.refresh(ctx)
}

// refreshIfChanged refreshes after a change by whatever process, and every hour.
func (s *Service) refreshIfChanged(ctx context.Context) error {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	seq, err := sqlstore.LastSeq(ctx, s.store.db.Read(), ledgerName)
	if err != nil || seq == s.limits.seq && s.cfg.Now().Truncate(time.Hour).Equal(s.limits.hour) {
		return err
	}
	return s.refresh(ctx)
}

func (s *Service) refresh(ctx context.Context) error {
	now := s.cfg.Now()
	// Read first: a change after it is found the next time.
	seq, err := sqlstore.LastSeq(ctx, s.store.db.Read(), ledgerName)
	if err != nil {
		return err
	}
	subs, err := s.store.running(ctx, now)
	if err != nil {
		return err
	}
	versions := make(map[string][]Plan)
	type versionID struct {
		plan    string
		version int
	}
	compiled := make(map[versionID][]counter.Limit)
	limits := func(st stretch, id string) ([]counter.Limit, error) {
		plans, ok := versions[id]
		if !ok {
			var err error
			if plans, err = s.store.released(ctx, s.store.db.Read(), id); err != nil {
				return nil, err
			}
			versions[id] = plans
		}
		st.versions = plans
		p, err := st.cycle.At(now)
		if err != nil {
			return nil, err
		}
		if st.span.From.After(p.From) {
			p.From = st.span.From
		}
		v := st.version(p.From)
		key := versionID{v.ID, v.Version}
		if _, ok := compiled[key]; !ok {
			compiled[key] = v.Limits()
		}
		return compiled[key], nil
	}
	defaults, err := limits(stretch{}, DefaultPlanID)
	if err != nil {
		return err
	}
	byAccount := make(map[string][]counter.Limit, len(subs))
	// The default plan holds for all others from the start of the month on, but for who came to it since.
	month, err := stretch{}.cycle.At(now)
	if err != nil {
		return err
	}
	ended, err := s.store.ended(ctx, month.From, now)
	if err != nil {
		return err
	}
	for account, at := range ended {
		if byAccount[account], err = limits(stretch{span: period.Period{From: at}}, DefaultPlanID); err != nil {
			return err
		}
	}
	for _, sub := range subs {
		st := stretch{cycle: sub.Cycle, pinned: sub.PlanVersion}
		st.span.From = sub.StartsAt
		if byAccount[sub.AccountID], err = limits(st, sub.PlanID); err != nil {
			return err
		}
	}
	s.counter.SetLimits(defaults, byAccount)
	s.limits.seq, s.limits.hour = seq, now.Truncate(time.Hour)
	return nil
}

// refreshAccount makes the counters enforce what one account is on now.
func (s *Service) refreshAccount(ctx context.Context, account string) error {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	p, err := s.PlanOf(ctx, account, s.cfg.Now())
	if err != nil {
		return err
	}
	s.counter.SetAccountLimits(account, p.Limits())
	return nil
}
