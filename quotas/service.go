// Package quotas says what an account pays and may use: plans of charges and quotas, subscriptions to them, what is used
// and left, and statements with their arithmetic.
//
// The contract:
//   - The ledger of use is elsewhere ([meter.Source]); this package only reads it. Sums are int64, money is decimal; no
//     float is in it. A line of a statement is rounded once (package rating).
//   - Periods of charges follow the account's cycle (package period), those of quotas the UTC day and month.
//   - A published version of a plan and an issued statement never change. What late records change in a period that was
//     billed becomes a correction with debit and credit lines. Statements are numbered without gap and chained by hash.
//   - Quotas are enforced by live counters (package counter) that [Service.Run] keeps in step with plans and ledger.
//
// Everything is kept in the relational database. Times of changes to it are milliseconds. A Service is safe for concurrent
// use, also by several processes on one database.
package quotas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// Accounts says which keys belong to whom.
type Accounts interface {
	// KeysOfAccount returns the ids of all keys that the account has or had: what a revoked key used is billed too.
	KeysOfAccount(ctx context.Context, accountID string) ([]string, error)
	// AccountOfKey returns the account of a key, "" when it has none. It answers from memory.
	AccountOfKey(keyID string) string
}

// Config of a service. All but Registerer, OnThreshold and the durations are needed.
type Config struct {
	DB       *sqlstore.DB // opened with Migrations()
	Source   meter.Source
	Accounts Accounts
	Now      func() time.Time
	Logger   *slog.Logger

	Registerer prometheus.Registerer // nil: no metrics
	// Audit gets a row for every change, in the transaction of the change; nil: there is no trail.
	Audit *audit.Log
	// FirstPlan is what accounts without a subscription are on, until a next version of it is published. It matters only
	// when the database has none yet, and its currency is for good; nil: DefaultPlan().
	FirstPlan *Plan
	// OnThreshold is told once of every threshold that a quota reaches, after it was stored.
	OnThreshold func(ctx context.Context, n Notification)
	// Grace is how long after its end a period may be issued at the earliest; 0: one hour.
	Grace time.Duration
	// AllAccounts lists the accounts to bill. With it, Run issues statements when they are due and corrections when late
	// records change one; nil: statements are issued on demand only.
	AllAccounts func(ctx context.Context) ([]string, error)
	// IssueEvery and CorrectEvery are how often Run looks for those; 0: 10 min and 6 h. CorrectFor is for how long after its
	// end a period is looked at; 0: 35 days.
	IssueEvery, CorrectEvery, CorrectFor time.Duration
	// LimitsEvery and CountersEvery are how often Run looks for changed plans, and refreshes the counters of keys that
	// other processes ingest; 0: 10 s and 1 min.
	LimitsEvery, CountersEvery time.Duration
}

// Service is the package's front.
type Service struct {
	cfg     Config
	store   *store
	counter *counter.Counter
	seen    seenAccounts
	limits  limitsState
}

// New makes a service, and the default plan when the database has none. Nothing runs until [Service.Run].
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Source == nil || cfg.Accounts == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("quotas: DB, Source, Accounts, Now and Logger are needed")
	}
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&cfg.Grace, time.Hour)
	set(&cfg.LimitsEvery, 10*time.Second)
	set(&cfg.CountersEvery, time.Minute)
	set(&cfg.IssueEvery, 10*time.Minute)
	set(&cfg.CorrectEvery, 6*time.Hour)
	set(&cfg.CorrectFor, 35*24*time.Hour)
	s := &Service{
		cfg: cfg, store: &store{db: cfg.DB, now: cfg.Now, audit: cfg.Audit},
		counter: counter.New(counter.Config{
			Source: cfg.Source, AccountOf: cfg.Accounts.AccountOfKey, Now: cfg.Now, Logger: cfg.Logger, Registerer: cfg.Registerer,
		}),
	}
	first := DefaultPlan()
	if cfg.FirstPlan != nil {
		first = cfg.FirstPlan.withDefaults()
		first.ID = DefaultPlanID
		if err := first.Validate(); err != nil {
			return nil, fmt.Errorf("the plan of accounts without a subscription: %w", err)
		}
	}
	if err := s.store.seed(ctx, first); err != nil {
		return nil, err
	}
	return s, s.RefreshLimits(ctx)
}

// Counter is what ingest tells of every batch and what verify asks.
func (s *Service) Counter() *counter.Counter { return s.counter }

// maxUntold bounds how many crossings wait for a database that is away; the oldest are dropped, and told of again after
// a restart.
const maxUntold = 1024

// Run keeps limits and counters fresh, stores and tells thresholds, and bills when Config.AllAccounts is given, until ctx
// ends. Failures are logged and tried
// again.
func (s *Service) Run(ctx context.Context) error {
	var billing sync.WaitGroup
	if s.cfg.AllAccounts != nil {
		billing.Go(func() { s.bill(ctx) })
	}
	defer billing.Wait()
	limits, counters := time.NewTicker(s.cfg.LimitsEvery), time.NewTicker(s.cfg.CountersEvery)
	defer limits.Stop()
	defer counters.Stop()
	var untold []counter.Crossing
	var reloadAt time.Time
	tell := func() error {
		for len(untold) > 0 {
			if err := s.notify(ctx, untold[0]); err != nil {
				untold = untold[max(0, len(untold)-maxUntold):]
				return err
			}
			untold = untold[1:]
		}
		return nil
	}
	for {
		var err error
		doing := ""
		select {
		case <-ctx.Done():
			return nil
		case <-limits.C:
			doing, err = "refresh quota limits", errors.Join(s.refreshIfChanged(ctx), tell())
		case <-counters.C:
			if began := s.cfg.Now(); !began.Before(reloadAt) {
				doing, err = "refresh quota counters", s.counter.Reload(ctx)
				// Summing the month of very many keys takes long; it may have a twentieth of the ledger's time.
				reloadAt = began.Add(20 * s.cfg.Now().Sub(began))
			}
		case c := <-s.counter.Crossings():
			untold = append(untold, c)
			doing, err = "tell of a quota", tell()
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.Warn("quotas: will try again", "doing", doing, "error", err)
		}
	}
}

// CreateDraft stores the next version of a plan as a draft, in place of a draft that is there already.
func (s *Service) CreateDraft(ctx context.Context, p Plan, actor string) (Plan, error) {
	p = p.withDefaults()
	if err := p.Validate(); err != nil {
		return Plan{}, err
	}
	p.CreatedBy = actor
	return s.store.draft(ctx, p)
}

// PublishPlan makes a draft the newest version of its plan. Accounts on the plan move to it when their next period starts.
func (s *Service) PublishPlan(ctx context.Context, id string, version int, actor string) (Plan, error) {
	p, err := s.store.publish(ctx, id, version, actor)
	if err != nil {
		return Plan{}, err
	}
	return p, s.RefreshLimits(ctx)
}

// ArchivePlan closes a plan to new subscriptions; those on it stay.
func (s *Service) ArchivePlan(ctx context.Context, id, actor string) (Plan, error) {
	return s.store.archive(ctx, id, actor)
}

// Plan returns a version of a plan; version 0 is the newest.
func (s *Service) Plan(ctx context.Context, id string, version int) (Plan, error) {
	return s.store.plan(ctx, s.store.db.Read(), id, version)
}

// Plans lists the newest version of each plan, by id. limit 0 is the default page size; next is "" on the last page.
func (s *Service) Plans(ctx context.Context, cursor string, limit int) (plans []Plan, next string, err error) {
	return s.store.listPlans(ctx, cursor, limit)
}
