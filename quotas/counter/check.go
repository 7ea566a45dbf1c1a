package counter

import (
	"math/bits"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// subjects returns a key and its account as far as they were seen; limited is false for a key of no account.
func (c *Counter) subjects(keyID string) (k, a *subject, limited bool) {
	if k = c.keys.get(keyID); k != nil {
		if a = k.account.Load(); a != nil {
			return k, a, true
		}
	}
	id := c.cfg.AccountOf(keyID)
	if id == "" {
		return k, nil, false
	}
	return k, c.accounts.get(id), true
}

// Check says whether the key may be used, and if not, which hard limit is used up and when it starts anew. A key of no
// account has no limits.
func (c *Counter) Check(keyID string) (ok bool, reason string, resetAt time.Time) {
	k, a, limited := c.subjects(keyID)
	if !limited {
		return true, "", time.Time{}
	}
	limits := c.limitsOf(a)
	if len(limits) == 0 {
		return true, "", time.Time{}
	}
	now := spanOf(c.cfg.Now().UnixMilli())
	for i := range limits {
		if l := &limits[i]; l.Hard && l.usedBy(k, a, now) >= l.Max {
			return false, l.reason, l.resets(now.day, now.month)
		}
	}
	return true, "", time.Time{}
}

// usedBy returns what the limit's subject has used in the running period.
func (l *limit) usedBy(k, a *subject, now span) int64 {
	s := a
	if l.Scope == ScopeKey {
		s = k
	}
	if s == nil {
		return 0
	}
	return l.used(l.window(s, now.day, now.month))
}

// Headroom is how much of a limit is left.
type Headroom struct {
	QuotaID        string
	Scope          Scope
	Max, Remaining int64 // Remaining is never negative
	From, ResetAt  time.Time
}

// Tightest returns the hard limit of a key that is closest to its end, by share; ok is false for a key without any. Like
// Check it takes no lock, does no I/O and allocates nothing.
func (c *Counter) Tightest(keyID string) (h Headroom, ok bool) {
	k, a, limited := c.subjects(keyID)
	if !limited {
		return Headroom{}, false
	}
	limits := c.limitsOf(a)
	if len(limits) == 0 {
		return Headroom{}, false
	}
	now := spanOf(c.cfg.Now().UnixMilli())
	for i := range limits {
		l := &limits[i]
		if !l.Hard {
			continue
		}
		left := max(l.Max-l.usedBy(k, a, now), 0)
		if ok && !less(left, l.Max, h.Remaining, h.Max) {
			continue
		}
		from := monthStart(now.month)
		if l.Period == period.Day {
			from = dayStart(now.day)
		}
		h, ok = Headroom{QuotaID: l.ID, Scope: l.Scope, Max: l.Max, Remaining: left, From: from, ResetAt: l.resets(now.day, now.month)}, true
	}
	return h, ok
}

// less says whether a of b is a smaller share than c of d, none of them negative; nothing of nothing is the least.
func less(a, b, c, d int64) bool {
	if b == 0 || d == 0 {
		return b == 0 && d != 0
	}
	h1, l1 := bits.Mul64(uint64(a), uint64(d)) // #nosec G115 -- not negative
	h2, l2 := bits.Mul64(uint64(c), uint64(b)) // #nosec G115 -- not negative
	return h1 < h2 || h1 == h2 && l1 < l2
}
