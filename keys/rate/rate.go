// Package rate bounds how often somebody may call, by the generic cell rate algorithm (ITU-T I.371): of each limit one number is kept, the
// time at which what was used will be free again.
//
// A [Bucket] holds what one node knows of one caller; it needs no I/O and no background work. A [Limiter] decides: [Local] by the bucket
// alone, so that n nodes let n times as much through; package internal/redisrate for all nodes together. Both use whole nanoseconds and
// give the same answers at the same times, which a test of the latter shows.
package rate

import (
	"sync"
	"time"
)

// Limit is one bound on a caller.
type Limit struct {
	Name     string        // tells the limits of a caller apart
	Interval time.Duration // between calls that can go on for ever; above 0
	Burst    int64         // calls at once of one who made none for a while; at least 1
}

// MaxSpan bounds Interval times Burst: beyond it, nanoseconds are not exact everywhere (a double holds 104 days of them).
const MaxSpan = 100 * 24 * time.Hour

// PerMinute lets so many calls a minute through, and seconds' worth of them at once.
func PerMinute(name string, calls, seconds int64) Limit {
	return Limit{Name: name, Interval: time.Minute / time.Duration(calls), Burst: max(calls*seconds/60, 1)}
}

// Tolerance is how far ahead of time what was used may be for another call to pass.
func (l *Limit) Tolerance() time.Duration { return time.Duration(l.Burst-1) * l.Interval }

// Answer says whether a call passes.
type Answer struct {
	OK    bool
	Limit int           // which limit refuses, the one to wait longest for
	Wait  time.Duration // until a call may pass, as far as nobody else makes one
}

// Limiter counts a call of a caller against all its limits when none of them is used up, and against none otherwise. at is the time on a
// clock that never goes back, from any beginning, the same for all calls of the bucket. It must answer within a bound that is short
// beside a call.
type Limiter interface {
	Take(b *Bucket, at time.Duration) Answer
}

// Local decides by what this node has seen.
type Local struct{}

// Take implements [Limiter].
func (Local) Take(b *Bucket, at time.Duration) Answer { return b.Take(at) }

// Bucket is what a caller has used of its limits as far as this node knows. It may be used from any number of goroutines.
type Bucket struct {
	Subject string // who calls
	Limits  []Limit
	used    *used
}

type used struct {
	mu    sync.Mutex
	empty map[string]time.Duration // by limit: when it is free again
}

// New makes the bucket of a caller who has used nothing. The limits have different names.
func New(subject string, limits ...Limit) *Bucket {
	return &Bucket{Subject: subject, Limits: limits, used: &used{empty: make(map[string]time.Duration, len(limits))}}
}

// Inherit makes b go on where old stands, under limits of its own: from then on both hold the same.
func (b *Bucket) Inherit(old *Bucket) { b.used = old.used }

// Take counts a call on this node.
func (b *Bucket) Take(at time.Duration) Answer {
	b.used.mu.Lock()
	defer b.used.mu.Unlock()
	a := b.peek(at)
	if a.OK {
		for i := range b.Limits {
			l := &b.Limits[i]
			b.used.empty[l.Name] = at + b.ahead(l, at) + l.Interval
		}
	}
	return a
}

// Peek says what Take would, and counts nothing.
func (b *Bucket) Peek(at time.Duration) Answer {
	b.used.mu.Lock()
	defer b.used.mu.Unlock()
	return b.peek(at)
}

// Learn takes over what is known elsewhere: at that time each limit was so far ahead. What this node knows to be further ahead stays,
// for answers may overtake each other.
func (b *Bucket) Learn(at time.Duration, ahead []time.Duration) {
	b.used.mu.Lock()
	defer b.used.mu.Unlock()
	for i, a := range ahead {
		name := b.Limits[i].Name
		b.used.empty[name] = max(b.used.empty[name], at+a)
	}
}

func (b *Bucket) peek(at time.Duration) Answer {
	answer := Answer{OK: true}
	for i := range b.Limits {
		l := &b.Limits[i]
		if wait := b.ahead(l, at) - l.Tolerance(); wait > answer.Wait {
			answer = Answer{Limit: i, Wait: wait}
		}
	}
	return answer
}

// ahead is how far in the future the time lies at which a limit is free again. It is no further than the limit itself can bring it: a
// stricter limit that was lifted leaves nobody waiting for longer than the one in force would.
func (b *Bucket) ahead(l *Limit, at time.Duration) time.Duration {
	return min(max(b.used.empty[l.Name]-at, 0), l.Tolerance()+l.Interval)
}
