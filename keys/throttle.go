package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
)

// Throttle slows a key down without refusing it: the step between watching and suspending.
type Throttle struct {
	PerMinute int64     `json:"per_minute"`
	Until     time.Time `json:"until,omitzero"` // zero: until it is reinstated
	Reason    string    `json:"reason,omitempty"`
	AlertID   string    `json:"alert_id,omitempty"`
	Actor     string    `json:"actor,omitempty"`
	At        time.Time `json:"at"`
}

// Bounds of a throttle. A key may use burstSeconds' worth of requests at once.
const (
	MaxPerMinute = 1_000_000
	burstSeconds = 6
)

func (t *Throttle) over(now time.Time) bool {
	return t == nil || (!t.Until.IsZero() && !now.Before(t.Until))
}

// Throttle lets a key make perMinute requests a minute until the given time (zero: until it is reinstated); what is beyond
// gets the code RATE_LIMITED. Each node counts for itself, so behind n nodes a key may make n times as many. Of two throttles
// the stricter stays, of two equal ones the longer. [Store.Reinstate] lifts it.
func (s *Store) Throttle(ctx context.Context, id string, perMinute int64, until time.Time, by By) (k Key, changed bool, err error) {
	if perMinute < 1 || perMinute > MaxPerMinute {
		return Key{}, false, &InputError{"per_minute", fmt.Sprintf("must be 1 to %d, got %d", MaxPerMinute, perMinute)}
	}
	until = until.UTC().Truncate(time.Millisecond)
	return s.change(ctx, id, "key.throttle", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		old := k.Throttle
		switch {
		case k.isFinal():
			return nil, final(k, "throttle")
		case !until.IsZero() && !until.After(now):
			return nil, &InputError{"until", "must be in the future"}
		case !old.over(now) && old.PerMinute < perMinute:
			return nil, errUnchanged
		case !old.over(now) && old.PerMinute == perMinute && (old.Until.IsZero() || (!until.IsZero() && !until.After(old.Until))):
			return nil, errUnchanged
		}
		k.Throttle = &Throttle{PerMinute: perMinute, Until: until, Reason: by.Reason, AlertID: by.AlertID, Actor: by.Actor, At: now}
		return details("per_minute", perMinute, "until", until, "alert_id", by.AlertID), nil
	})
}

// bucket enforces a throttle by the generic cell rate algorithm (ITU-T I.371): it keeps the time at which the bucket will
// be empty again. Concurrent requests agree through compare and swap.
type bucket struct {
	interval  int64         // nanoseconds per request
	tolerance int64         // how far ahead of time the empty time may be
	until     int64         // Unix milliseconds; 0: no end
	empty     *atomic.Int64 // Unix nanoseconds; outlives changes of the key's record
	reason    string
}

func newBucket(t *Throttle) *bucket {
	if t == nil {
		return nil
	}
	b := &bucket{interval: int64(time.Minute) / t.PerMinute, empty: new(atomic.Int64), reason: t.Reason}
	burst := max(t.PerMinute*burstSeconds/60, 1)
	b.tolerance = (burst - 1) * b.interval
	if !t.Until.IsZero() {
		b.until = t.Until.UnixMilli()
	}
	return b
}

// take reports whether a request may pass at a time, and otherwise after how long the next may.
func (b *bucket) take(nanos int64) (ok bool, wait time.Duration) {
	for {
		old := b.empty.Load()
		from := max(old, nanos)
		if ahead := from - nanos; ahead > b.tolerance {
			return false, time.Duration(ahead - b.tolerance)
		}
		if b.empty.CompareAndSwap(old, from+b.interval) {
			return true, 0
		}
	}
}
