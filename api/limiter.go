package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limiter bounds how often each of many callers may come, by the generic cell rate algorithm (ITU-T I.371): one time per
// caller, the moment at which its bucket would be empty again. It remembers at most maxCallers; when more come, those whose
// bucket is empty are forgotten, which changes nothing for them.
type limiter struct {
	burst int
	per   time.Duration
	gap   time.Duration

	mu   sync.Mutex
	next map[string]time.Time // theoretical arrival time
}

const maxCallers = 10_000

type grant struct {
	ok        bool
	remaining int64
	reset     time.Duration // until the bucket is empty
	retry     time.Duration
}

func newLimiter(burst int, per time.Duration) *limiter {
	return &limiter{burst: burst, per: per, gap: per / time.Duration(burst), next: make(map[string]time.Time)}
}

// take counts one call of who.
func (l *limiter) take(who string, now time.Time) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.next[who]
	if !known && len(l.next) >= maxCallers {
		l.forget(now)
	}
	if at.Before(now) {
		at = now
	}
	at = at.Add(l.gap)
	used := at.Sub(now)
	if used > l.per {
		used -= l.gap
		return grant{reset: used, retry: used + l.gap - l.per}
	}
	l.next[who] = at
	return grant{ok: true, remaining: int64((l.per - used) / l.gap), reset: used}
}

// wait returns how long who has to wait for its next call, without counting one.
func (l *limiter) wait(who string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.next[who]
	if at.Before(now) {
		return 0
	}
	return max(0, at.Add(l.gap).Sub(now)-l.per)
}

func (l *limiter) forget(now time.Time) {
	for who, at := range l.next {
		if !at.After(now) {
			delete(l.next, who)
		}
	}
	for who := range l.next { // all are busy: a flood of addresses; let some of them start anew
		if len(l.next) < maxCallers {
			return
		}
		delete(l.next, who)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// limitHeaders writes RateLimit-Policy and RateLimit as draft-ietf-httpapi-ratelimit-headers-09 has them.
func limitHeaders(h http.Header, name string, limit int64, window time.Duration, remaining int64, reset time.Duration) {
	policy := strconv.Quote(name) + ";q=" + itoa(limit)
	if window > 0 {
		policy += ";w=" + itoa(seconds(window))
	}
	h.Set("RateLimit-Policy", policy)
	h.Set("RateLimit", strconv.Quote(name)+";r="+itoa(remaining)+";t="+itoa(seconds(reset)))
}
