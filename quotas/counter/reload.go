package counter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// Unit names that are kept: the first freeUnits that records carry, and up to maxUnits that limits ask for.
const (
	freeUnits = 32
	maxUnits  = 128
)

// registry numbers unit names.
type registry struct {
	mu  sync.RWMutex
	ids map[string]int
}

// id returns the number of a name; -1 when it has none and bound numbers are given out.
func (r *registry) id(name string, bound int) int {
	r.mu.RLock()
	id, ok := r.ids[name]
	full := len(r.ids) >= bound
	r.mu.RUnlock()
	if ok {
		return id
	}
	if full {
		return -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.ids[name]; ok {
		return id
	}
	if len(r.ids) >= bound {
		return -1
	}
	if r.ids == nil {
		r.ids = make(map[string]int)
	}
	r.ids[name] = len(r.ids)
	return len(r.ids) - 1
}

func (c *Counter) partition(id partitionID) *partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[id]
	if p == nil {
		p = &partition{}
		c.partitions[id] = p
	}
	return p
}

// Assigned loads the sums of all keys, so that those of the partition go on from where the ledger is. It is called after
// every block of the partition that may have landed has been settled, and before the first Observe. It returns when
// the sums are loaded or with the error of the source; partitions that are assigned together share one load.
func (c *Counter) Assigned(ctx context.Context, topic string, number int32) error {
	c.Revoked(topic, number)
	if err := c.Reload(ctx); err != nil {
		return fmt.Errorf("load the quota counters for %s/%d: %w", topic, number, err)
	}
	return nil
}

// Revoked forgets that the partition is counted here; its keys follow the ledger from the next Reload on.
func (c *Counter) Revoked(topic string, number int32) {
	id := partitionID{topic, number}
	c.mu.Lock()
	p := c.partitions[id]
	delete(c.partitions, id)
	c.mu.Unlock()
	if p == nil {
		return
	}
	for k := range c.keys.all() {
		k.mu.Lock()
		if k.owner == p {
			k.owner = nil
		}
		k.mu.Unlock()
	}
}

// Reload replaces the sums of this month and day of every key that no partition of this process has counted by those of
// the ledger, moves keys that changed their account, and drops what is older than the last month.
//
// A key that is counted here is left alone: the ledger may lag behind what was observed. It needs no refresh, because all
// records of a key are in one partition and its sums were loaded when that was assigned.
func (c *Counter) Reload(ctx context.Context) error {
	want := c.requested.Add(1)
	c.reload.Lock()
	defer c.reload.Unlock()
	if c.covered >= want {
		return nil // one that began after this call did it
	}
	covers := c.requested.Load()
	now := spanOf(c.cfg.Now().UnixMilli())
	c.keys.prune(func(k *subject) bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.owner != nil || k.months.newest() >= now.month-1
	})
	for k := range c.keys.all() {
		c.settleAccount(k)
	}
	load := func(from, to time.Time, month bool, number int32) error {
		return c.cfg.Source.EachKey(ctx, from, to, func(u meter.KeyUsage) error {
			if u.KeyID != "" && c.cfg.AccountOf(u.KeyID) != "" {
				c.replace(u.KeyID, u.Amounts, month, number)
			}
			return ctx.Err()
		})
	}
	if err := load(monthStart(now.month), monthStart(now.month+1), true, now.month); err != nil {
		return err
	}
	if err := load(dayStart(now.day), dayStart(now.day+1), false, now.day); err != nil {
		return err
	}
	c.covered = covers
	c.cfg.Logger.Debug("quota counters loaded", "keys", c.keys.len())
	return nil
}

// replace sets the sums of a key that is not counted here, and changes its account's by the difference.
func (c *Counter) replace(id string, a meter.Amounts, month bool, number int32) {
	k := c.key(id)
	if k == nil {
		return
	}
	s := sums{requests: a.Requests, errors: a.Errors, requestBytes: a.RequestBytes, responseBytes: a.ResponseBytes}
	for name, v := range a.Units {
		s.addUnit(c.units.id(name, freeUnits), v)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.owner != nil {
		return
	}
	ws := &k.days
	if month {
		ws = &k.months
	}
	w := ws.open(number)
	before := w.snapshot()
	w.shift(&before, -1)
	w.shift(&s, 1)
	if acc := k.account.Load(); acc != nil {
		acc.mu.Lock()
		defer acc.mu.Unlock()
		ws := &acc.days
		if month {
			ws = &acc.months
		}
		w := ws.open(number)
		w.shift(&before, -1)
		w.shift(&s, 1)
	}
}
