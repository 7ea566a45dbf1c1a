// Package counter counts use while it happens, so that a quota is enforced within moments and without asking a database.
//
// The contract:
//   - It is a cache of the ledger. [Counter.Assigned] loads the sums of all keys from the [Source]; from then on a partition's
//     batches are added as they are observed. [Counter.Reload], to be called now and then, refreshes the keys that no
//     partition of this process has seen, so that verdicts also cover what other processes ingest. Statements never read it.
//   - [Counter.Observe] adds a batch in one pass and takes a lock once per key and batch, not per record. It never blocks on
//     anything else: a threshold that is reached is offered to the channel of [Counter.Crossings] and, when that is full,
//     offered again with the next batch.
//   - [Counter.Check] takes no lock, does no I/O and allocates nothing. What was counted is what is refused: as long as
//     counts lag behind by some hundred milliseconds, a limit is overrun by what passes in that time.
//   - Duplicates and records without a key are not counted, nor are keys that the key store does not know, unless they have
//     an account.
//   - Memory: the UTC months and days before, at and after the clock, for at most Config.MaxKeys keys (about 500 bytes
//     each); later keys are not enforced, which tollkeeper_quota_keys_untracked_total counts. Of unit names the first 32 are
//     kept, and all that limits name. A record is counted in the month and day of its own time; one that is outside of
//     what is kept changes only the ledger, and tollkeeper_quota_records_outside_total counts it.
//
// Keys of a partition that Tollkeeper did not key by API key may be seen by two processes; each then enforces its own share
// of such a key until the next start.
package counter

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// Source gives exact sums of what has landed; see [meter.Source].
type Source interface {
	EachKey(ctx context.Context, from, to time.Time, each func(meter.KeyUsage) error) error
}

// Config of a counter. Source, AccountOf, Now and Logger are needed.
type Config struct {
	Source Source
	// AccountOf returns the account of a key, "" when it has none. It is called often and must answer from memory.
	AccountOf  func(keyID string) string
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	MaxKeys    int                   // 0: one million
}

// Counter is safe for concurrent use; Observe of one partition is called by one goroutine at a time.
type Counter struct {
	cfg      Config
	keys     *table[subject]
	accounts *table[subject]
	units    registry
	defaults atomic.Pointer[[]limit]
	crossed  chan Crossing

	mu         sync.Mutex // guards partitions
	partitions map[partitionID]*partition

	reload    sync.Mutex    // one reload at a time
	requested atomic.Uint64 // reloads asked for
	covered   uint64        // highest request that a finished reload began after; guarded by reload

	outside, untracked count
}

// Crossing tells that a subject has reached a share of a limit. The same one may come again after a restart.
type Crossing struct {
	Scope     Scope
	Subject   string // key or account id
	AccountID string
	QuotaID   string
	Percent   int
	Used, Max int64
	Period    period.Period
	At        time.Time
}

const crossingsKept = 1024

// New makes a counter that has seen nothing and limits nobody.
func New(cfg Config) *Counter {
	if cfg.MaxKeys == 0 {
		cfg.MaxKeys = 1_000_000
	}
	c := &Counter{
		cfg: cfg, keys: newTable[subject](), accounts: newTable[subject](), crossed: make(chan Crossing, crossingsKept),
		partitions: make(map[partitionID]*partition),
	}
	c.defaults.Store(&[]limit{})
	if cfg.Registerer != nil {
		c.register(cfg.Registerer)
	}
	return c
}

// SetLimits replaces all limits: those of accounts named in byAccount, and the default ones of all others. Accounts that
// share a slice share the memory.
func (c *Counter) SetLimits(defaults []Limit, byAccount map[string][]Limit) {
	compiled := c.compile(defaults)
	c.defaults.Store(&compiled)
	shared := make(map[*Limit]*[]limit) // by first element: accounts are many, plans few
	for id, limits := range byAccount {
		if len(limits) == 0 {
			c.account(id).limits.Store(&[]limit{})
			continue
		}
		done := shared[&limits[0]]
		if done == nil {
			compiled := c.compile(limits)
			done = &compiled
			shared[&limits[0]] = done
		}
		c.account(id).limits.Store(done)
	}
	for a := range c.accounts.all() {
		if _, ok := byAccount[a.id]; !ok {
			a.limits.Store(nil)
		}
	}
}

// SetAccountLimits replaces the limits of one account until the next SetLimits.
func (c *Counter) SetAccountLimits(id string, limits []Limit) {
	compiled := c.compile(limits)
	c.account(id).limits.Store(&compiled)
}

func (c *Counter) account(id string) *subject {
	return c.accounts.getOrAdd(id, func(s *subject) { s.id = id })
}

// key returns the subject of a key, nil when there are too many.
func (c *Counter) key(id string) *subject {
	if k := c.keys.get(id); k != nil {
		return k
	}
	if c.keys.len() >= c.cfg.MaxKeys {
		c.untracked.Add(1)
		return nil
	}
	k := c.keys.getOrAdd(id, func(s *subject) { s.id = id })
	c.settleAccount(k)
	return k
}

// settleAccount sees to it that the key counts for the account that it belongs to now.
func (c *Counter) settleAccount(k *subject) {
	id := c.cfg.AccountOf(k.id)
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.account.Load()
	if old == nil && id == "" || old != nil && old.id == id {
		return
	}
	// What the key has used goes with it. This is rare: keys are made for an account.
	var to *subject
	if id != "" {
		to = c.account(id)
	}
	if old == nil && k.months.newest() > 0 {
		k.follows, k.owner = true, nil // what it used before was not loaded, having nobody to count for
	}
	old.take(k, -1)
	to.take(k, 1)
	k.account.Store(to)
}

// take adds a key's sums to an account's, or takes them off. The key's lock is held; s may be nil.
func (s *subject) take(k *subject, sign int64) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range k.months {
		if w := k.months[i].Load(); w != nil {
			s.months.shift(w, sign)
		}
		if w := k.days[i].Load(); w != nil {
			s.days.shift(w, sign)
		}
	}
}

// limitsOf returns the limits that hold for an account; a may be nil.
func (c *Counter) limitsOf(a *subject) []limit {
	if a != nil {
		if l := a.limits.Load(); l != nil {
			return *l
		}
	}
	return *c.defaults.Load()
}

// Used returns what a key or an account has used of the limit with this id in the running period, as far as this process
// knows; ok is false when no such limit holds for it.
func (c *Counter) Used(scope Scope, id, limitID string) (used int64, ok bool) {
	var s, a *subject
	if scope == ScopeAccount {
		a = c.accounts.get(id)
		s = a
	} else if s = c.keys.get(id); s != nil {
		a = s.account.Load()
	}
	now := spanOf(c.cfg.Now().UnixMilli())
	limits := c.limitsOf(a)
	for i := range limits {
		if l := &limits[i]; l.ID == limitID && l.Scope == scope {
			if s == nil {
				return 0, true
			}
			return l.used(l.window(s, now.day, now.month)), true
		}
	}
	return 0, false
}

// Crossings is where reached thresholds come out. Somebody has to read it.
func (c *Counter) Crossings() <-chan Crossing { return c.crossed }
