package keys

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/keys/rate"
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
// gets the code RATE_LIMITED. All nodes count together with a VerifierConfig.Limiter that does; with the one of memory behind n
// nodes a key may make n times as many. Of two throttles the stricter stays, of two equal ones the longer. [Store.Reinstate] lifts it.
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

// throttled is a Throttle, made ready for a verdict.
type throttled struct {
	bucket *rate.Bucket // outlives changes of the key's record
	until  int64        // Unix milliseconds; 0: no end
	reason string
}

func newThrottled(id string, t *Throttle) *throttled {
	if t == nil {
		return nil
	}
	out := &throttled{bucket: rate.New(id, rate.PerMinute("throttle", t.PerMinute, burstSeconds)), reason: t.Reason}
	if !t.Until.IsZero() {
		out.until = t.Until.UnixMilli()
	}
	return out
}
