package quotas

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// billActor is who issues what nobody asked for.
const billActor = "system:billing"

// seenAccounts remembers up to when accounts were billed or found to owe nothing, so that their use is not summed at every
// look. It is forgotten now and then: what is late may have changed the finding.
type seenAccounts struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (i *seenAccounts) get(account string) time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.until[account]
}

func (i *seenAccounts) set(account string, t time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.until == nil {
		i.until = make(map[string]time.Time)
	}
	i.until[account] = t
}

func (i *seenAccounts) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.until)
}

// bill issues and corrects until ctx ends.
func (s *Service) bill(ctx context.Context) {
	issue, correct := time.NewTicker(s.cfg.IssueEvery), time.NewTicker(s.cfg.CorrectEvery)
	defer issue.Stop()
	defer correct.Stop()
	for {
		var err error
		doing := ""
		select {
		case <-ctx.Done():
			return
		case <-issue.C:
			doing = "issue statements"
			var accounts []string
			if accounts, err = s.cfg.AllAccounts(ctx); err == nil {
				_, err = s.IssueDue(ctx, accounts, billActor)
			}
		case <-correct.C:
			doing = "correct statements"
			_, err = s.CorrectDue(ctx, billActor)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("quotas: will try again", "doing", doing, "error", err)
		}
	}
}

// IssueDue issues, for each account, the statements of all periods that can be issued since its last one, or, for an
// account that never had one, of the period before this and of those since it subscribed, within Config.CorrectFor. A period in which nothing was used and nothing is owed gets no
// statement; when use of it comes late, within Config.CorrectFor, it gets one after all, though later periods have theirs
// (each CorrectDue lets the next IssueDue look again). An account that fails does not keep the others from theirs; the
// errors are joined.
func (s *Service) IssueDue(ctx context.Context, accounts []string, actor string) (issued []Statement, err error) {
	sealed, err := s.cfg.Source.SealedThrough(ctx)
	if err != nil {
		return nil, fmt.Errorf("read how far use is sealed: %w", err)
	}
	// What ends after this cannot be issued yet.
	horizon := s.cfg.Now().Add(-s.cfg.Grace)
	if sealed.Before(horizon) {
		horizon = sealed
	}
	var errs []error
	for _, account := range accounts {
		if ctx.Err() != nil {
			return issued, errors.Join(append(errs, ctx.Err())...)
		}
		list, err := s.issueDue(ctx, account, horizon, actor)
		issued = append(issued, list...)
		if err != nil {
			errs = append(errs, fmt.Errorf("bill %s: %w", clip(account), err))
		}
	}
	return issued, errors.Join(errs...)
}

// later is the later of two times, but not after most.
func later(a, b, most time.Time) time.Time {
	if b.After(a) {
		a = b
	}
	if a.After(most) {
		return most
	}
	return a
}

func (s *Service) issueDue(ctx context.Context, account string, horizon time.Time, actor string) (issued []Statement, err error) {
	line, err := s.timeline(ctx, s.store.db.Read(), account)
	if err != nil {
		return nil, err
	}
	first, at, err := s.store.billed(ctx, s.store.db.Read(), account)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		b, err := line.bill(s.cfg.Now())
		if err != nil {
			return nil, err
		}
		at = b.period.From.Add(-time.Millisecond)
		// Whoever subscribed is billed from then on, also where that could not be done in time.
		if since, ok := line.subscribed(); ok && since.Before(at) {
			at = later(since, s.cfg.Now().Add(-s.cfg.CorrectFor), at)
		}
	} else if back := s.cfg.Now().Add(-s.cfg.CorrectFor); back.Before(at) {
		at = back // a period that had no use then may have some now
		if first.After(at) {
			at = first
		}
	}
	if seen := s.seen.get(account); seen.After(at) {
		at = seen
	}
	for ; ; s.seen.set(account, at) {
		b, err := line.bill(at)
		if err != nil || b.period.To.After(horizon) {
			return issued, err
		}
		at = b.period.To
		if _, err := s.store.issued(ctx, s.store.db.Read(), account, b.period.From); !errors.Is(err, ErrNotFound) {
			if err != nil {
				return issued, err
			}
			continue
		}
		st, err := s.compute(ctx, account, b)
		if err != nil {
			return issued, err
		}
		if idle(st.Lines) {
			continue
		}
		if st, err = s.Issue(ctx, account, b.period.From, actor); err != nil {
			return issued, err
		}
		issued = append(issued, st)
	}
}

// CorrectDue looks at every statement whose period ended within Config.CorrectFor and issues the corrections that late
// records have made due. A period of which an hour is open again waits for the next look.
func (s *Service) CorrectDue(ctx context.Context, actor string) (corrections []Statement, err error) {
	s.seen.forget()
	now := s.cfg.Now()
	// A period is at most a year long, so one that ended lately began within that year.
	f := StatementFilter{Kind: Issued, Within: period.Period{From: now.Add(-s.cfg.CorrectFor).AddDate(-1, 0, -1), To: now}, Limit: 200}
	var errs []error
	for {
		list, next, err := s.Statements(ctx, f)
		if err != nil {
			return corrections, errors.Join(append(errs, err)...)
		}
		for _, st := range list {
			if ctx.Err() != nil {
				return corrections, errors.Join(append(errs, ctx.Err())...)
			}
			if st.Period.To.Before(now.Add(-s.cfg.CorrectFor)) {
				continue
			}
			c, changed, err := s.Correct(ctx, st.ID, actor)
			if ignore(err, ErrOpen) != nil {
				errs = append(errs, fmt.Errorf("correct %s: %w", st.Number, err))
			}
			if changed {
				corrections = append(corrections, c)
			}
		}
		if f.Cursor = next; next == "" {
			return corrections, errors.Join(errs...)
		}
	}
}
