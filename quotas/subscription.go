package quotas

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// Subscription puts an account on a plan from a day on. Subscriptions of an account do not overlap; before, between and
// after them the account is on [DefaultPlanID] with calendar months in UTC.
type Subscription struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	PlanID    string `json:"plan_id"`
	// PlanVersion pins a version; 0 follows the plan: the version in effect when a period starts holds for all of it.
	PlanVersion int          `json:"plan_version,omitempty"`
	Cycle       period.Cycle `json:"cycle"`
	StartsAt    time.Time    `json:"starts_at"`        // a midnight of the cycle's zone
	EndsAt      time.Time    `json:"ends_at,omitzero"` // zero: until it is ended or replaced
	CreatedBy   string       `json:"created_by,omitempty"`
	CreatedAt   time.Time    `json:"created_at"`
}

const subscriptionColumns = `id, account_id, plan_id, plan_version, cycle, starts_at, ends_at, created_by, created_at`

func scanSubscription(row scanner) (Subscription, error) {
	var s Subscription
	var cycle string
	var starts, ends, created int64
	if err := row.Scan(&s.ID, &s.AccountID, &s.PlanID, &s.PlanVersion, &cycle, &starts, &ends, &s.CreatedBy, &created); err != nil {
		return Subscription{}, err
	}
	if err := json.Unmarshal([]byte(cycle), &s.Cycle); err != nil {
		return Subscription{}, fmt.Errorf("subscription %s: %w", s.ID, err)
	}
	s.StartsAt, s.EndsAt, s.CreatedAt = sqlstore.Time(starts), sqlstore.Time(ends), sqlstore.Time(created)
	return s, nil
}

// subscriptions of an account, in order of time.
func (s *store) subscriptions(ctx context.Context, q sqlstore.Querier, account string) ([]Subscription, error) {
	subs, err := rows(ctx, q, scanSubscription, `SELECT `+subscriptionColumns+` FROM quota_subscriptions WHERE account_id = $1 ORDER BY starts_at, id`, account)
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions of %s: %w", clip(account), err)
	}
	return subs, nil
}

// running returns all subscriptions that hold at t.
func (s *store) running(ctx context.Context, t time.Time) ([]Subscription, error) {
	subs, err := rows(ctx, s.db.Read(), scanSubscription, `SELECT `+subscriptionColumns+` FROM quota_subscriptions
		WHERE starts_at <= $1 AND (ends_at = 0 OR ends_at > $1) ORDER BY starts_at, id`, t.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions: %w", err)
	}
	return subs, nil
}

// ended returns when the last subscription ended of each account of which one ended after since and by t; another may hold now.
func (s *store) ended(ctx context.Context, since, t time.Time) (map[string]time.Time, error) {
	type end struct {
		account string
		at      int64
	}
	scan := func(row scanner) (e end, err error) {
		err = row.Scan(&e.account, &e.at)
		return e, err
	}
	list, err := rows(ctx, s.db.Read(), scan,
		`SELECT account_id, MAX(ends_at) FROM quota_subscriptions WHERE ends_at > $1 AND ends_at <= $2 GROUP BY account_id`, since.UnixMilli(), t.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read the subscriptions that ended: %w", err)
	}
	at := make(map[string]time.Time, len(list))
	for _, e := range list {
		at[e.account] = time.UnixMilli(e.at).UTC()
	}
	return at, nil
}

// Subscribe puts an account on a plan from the start of the day of StartsAt on (zero: of today), in place of whatever it
// would have been on from then. Without a cycle it keeps that of the subscription before it. A start inside a period for
// which a statement was issued is refused: issued statements do not change.
func (s *Service) Subscribe(ctx context.Context, sub Subscription, actor string) (made Subscription, err error) {
	sub.CreatedBy, sub.CreatedAt = actor, s.store.clock()
	sub.ID = sqlstore.NewID("sub_", sub.CreatedAt)
	if sub.StartsAt.IsZero() {
		sub.StartsAt = s.cfg.Now()
	}
	err = s.store.write(ctx, func(tx *sql.Tx) error {
		made = sub // the transaction may run again
		subs, err := s.store.subscriptions(ctx, tx, sub.AccountID)
		if err != nil {
			return err
		}
		// The cycle comes first: it says where days begin.
		made.keepCycle(subs)
		if err := made.check(); err != nil {
			return err
		}
		if err := s.store.subscribable(ctx, tx, made); err != nil {
			return err
		}
		if err := s.store.subscribe(ctx, tx, made, subs); err != nil {
			return err
		}
		return s.store.recordSubscription(ctx, tx, "subscription.start", made, actor)
	})
	if err != nil {
		return Subscription{}, err
	}
	return made, s.refreshAccount(ctx, made.AccountID)
}

// keepCycle gives a subscription without a cycle that of the last one that begins no later.
func (sub *Subscription) keepCycle(subs []Subscription) {
	if sub.Cycle != (period.Cycle{}) {
		return
	}
	for _, old := range subs {
		if !old.StartsAt.After(sub.StartsAt) {
			sub.Cycle = old.Cycle
		}
	}
}

func (s *store) recordSubscription(ctx context.Context, tx *sql.Tx, action string, sub Subscription, actor string) error {
	d := map[string]any{"plan": sub.PlanID, "starts_at": sub.StartsAt}
	if !sub.EndsAt.IsZero() {
		d["ends_at"] = sub.EndsAt
	}
	return s.record(ctx, tx, audit.Entry{Actor: actor, Action: action, TargetType: "subscription", TargetID: sub.ID, AccountID: sub.AccountID, Details: details(d)})
}

// check reports everything that is wrong with a subscription, and moves its ends to the starts of their days.
func (sub *Subscription) check() error {
	var c checker
	if sub.AccountID == "" {
		c.add("account_id", "is missing")
	}
	if sub.PlanID == "" {
		c.add("plan_id", "is missing")
	}
	if err := sub.Cycle.Validate(); err != nil {
		c.add("cycle", "%s", err)
		return c.err()
	}
	var err error
	if sub.StartsAt, err = sub.Cycle.Midnight(sub.StartsAt); err != nil {
		c.add("cycle", "%s", err)
		return c.err()
	}
	// Usage is sealed by the hour, so that is where money may be cut, in summer and in winter.
	year := sub.StartsAt.AddDate(1, 0, 0)
	for t, i := sub.StartsAt, 0; i < 24 || t.Before(year); i++ {
		p, err := sub.Cycle.At(t)
		if err != nil {
			c.add("cycle", "%s", err)
			break
		}
		if !wholeHour(p.To) || !wholeHour(sub.StartsAt) {
			c.add("cycle", "starts a period at %s; periods start on whole hours of UTC, choose another anchor or zone", p.To.Format(time.RFC3339))
			break
		}
		t = p.To
	}
	if !sub.EndsAt.IsZero() {
		if sub.EndsAt, err = sub.Cycle.Midnight(sub.EndsAt); err != nil || !sub.EndsAt.After(sub.StartsAt) {
			c.add("ends_at", "is not a day after starts_at")
		}
	}
	return c.err()
}

func wholeHour(t time.Time) bool { return t.Equal(t.Truncate(time.Hour)) }

// Subscribable says why a plan takes no subscriptions now: [ErrNotFound] when no version of it was published, [ErrConflict]
// when it is archived.
func (s *Service) Subscribable(ctx context.Context, planID string) error {
	return s.store.subscribable(ctx, s.store.db.Read(), Subscription{PlanID: planID})
}

// subscribable refuses plans that take no subscriptions.
func (s *store) subscribable(ctx context.Context, q sqlstore.Querier, sub Subscription) error {
	released, err := s.released(ctx, q, sub.PlanID)
	if err != nil {
		return err
	}
	last := released[len(released)-1]
	if last.Status == Archived {
		return fmt.Errorf("plan %s is archived: %w", sub.PlanID, ErrConflict)
	}
	if sub.PlanVersion == 0 {
		return nil
	}
	if !slices.ContainsFunc(released, func(p Plan) bool { return p.Version == sub.PlanVersion }) {
		return fmt.Errorf("plan %s has no published version %d: %w", sub.PlanID, sub.PlanVersion, ErrNotFound)
	}
	return nil
}

// subscribe makes room for sub among those of its account, and stores it.
func (s *store) subscribe(ctx context.Context, tx *sql.Tx, sub Subscription, subs []Subscription) error {
	if err := s.changeable(ctx, tx, sub.AccountID, sub.StartsAt); err != nil {
		return err
	}
	if err := s.cut(ctx, tx, subs, sub.StartsAt); err != nil {
		return err
	}
	cycle, err := json.Marshal(sub.Cycle)
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO quota_subscriptions (`+subscriptionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		sub.ID, sub.AccountID, sub.PlanID, sub.PlanVersion, string(cycle), sub.StartsAt.UnixMilli(), sqlstore.Millis(sub.EndsAt), sub.CreatedBy, sub.CreatedAt.UnixMilli())
	if err != nil {
		return fmt.Errorf("save subscription %s: %w", sub.ID, err)
	}
	return nil
}

// cut removes what begins at or after t, and ends at t what runs then.
func (s *store) cut(ctx context.Context, tx *sql.Tx, subs []Subscription, t time.Time) error {
	for _, old := range subs {
		var err error
		switch {
		case !old.StartsAt.Before(t):
			_, err = tx.ExecContext(ctx, `DELETE FROM quota_subscriptions WHERE id = $1`, old.ID)
		case old.EndsAt.IsZero() || old.EndsAt.After(t):
			_, err = tx.ExecContext(ctx, `UPDATE quota_subscriptions SET ends_at = $1 WHERE id = $2`, t.UnixMilli(), old.ID)
		}
		if err != nil {
			return fmt.Errorf("end subscription %s: %w", old.ID, err)
		}
	}
	return nil
}

// changeable refuses changes inside what was billed. Nothing is billed from here on until the transaction ends.
func (s *store) changeable(ctx context.Context, tx *sql.Tx, account string, t time.Time) error {
	if err := s.lockStatements(ctx, tx); err != nil {
		return err
	}
	_, until, err := s.billed(ctx, tx, account)
	if err != nil {
		return err
	}
	if t.Before(until) {
		return fmt.Errorf("account %s has statements up to %s, so its plan can change from then on only: %w", clip(account), until.Format(time.DateOnly), ErrConflict)
	}
	return nil
}

// EndSubscription ends what the account is subscribed to at the start of the day of at (zero: of tomorrow); from then on it
// is on the default plan, also where another subscription was to follow. It returns the subscription that was ended; one that
// ends when it starts never was.
//
// The last period is shared as one in which the plan changes: a flat fee is due for the days up to the end, of those of the
// period; what was used is rated up to the end, with whole tiers and allowances; what is used later is the default plan's. An
// end inside a period for which a statement was issued is refused.
func (s *Service) EndSubscription(ctx context.Context, account string, at time.Time, actor string) (Subscription, error) {
	if at.IsZero() {
		at = s.cfg.Now().AddDate(0, 0, 1)
	}
	var ended Subscription
	err := s.store.write(ctx, func(tx *sql.Tx) error {
		subs, err := s.store.subscriptions(ctx, tx, account)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(subs, func(sub Subscription) bool {
			return !at.Before(sub.StartsAt) && (sub.EndsAt.IsZero() || at.Before(sub.EndsAt))
		})
		if i < 0 {
			return fmt.Errorf("account %s has no subscription on %s%s: %w", clip(account), at.UTC().Format(time.DateOnly), near(subs, at), ErrConflict)
		}
		ended = subs[i]
		if ended.EndsAt, err = ended.Cycle.Midnight(at); err != nil {
			return err
		}
		if err := s.store.changeable(ctx, tx, account, ended.EndsAt); err != nil {
			return err
		}
		if err := s.store.cut(ctx, tx, subs[i:], ended.EndsAt); err != nil {
			return err
		}
		return s.store.recordSubscription(ctx, tx, "subscription.end", ended, actor)
	})
	if err != nil {
		return Subscription{}, err
	}
	return ended, s.refreshAccount(ctx, account)
}

// near names the subscription that somebody may have meant who found none at the time.
func near(subs []Subscription, at time.Time) string {
	for _, sub := range subs {
		if sub.StartsAt.After(at) {
			return fmt.Sprintf("; the next, to %s, starts at %s", sub.PlanID, sub.StartsAt.Format(time.RFC3339))
		}
	}
	if len(subs) > 0 {
		last := subs[len(subs)-1]
		return fmt.Sprintf("; the last, to %s, ended at %s", last.PlanID, last.EndsAt.Format(time.RFC3339))
	}
	return ""
}

// Subscriptions returns those of an account, in order of time.
func (s *Service) Subscriptions(ctx context.Context, account string) ([]Subscription, error) {
	return s.store.subscriptions(ctx, s.store.db.Read(), account)
}

// PlanOf returns the version of the plan that the account is on at t.
func (s *Service) PlanOf(ctx context.Context, account string, t time.Time) (Plan, error) {
	line, err := s.timeline(ctx, s.store.db.Read(), account)
	if err != nil {
		return Plan{}, err
	}
	b, err := line.bill(t)
	if err != nil {
		return Plan{}, err
	}
	for _, seg := range b.segments {
		if seg.span.Contains(t) {
			return seg.plan, nil
		}
	}
	return Plan{}, errors.New("the time is outside of the period that holds it")
}
