package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/keys"
)

// A gateway may ask without telling who calls, or not believe whom it should: then a quarantined client goes on as before.
// What the log shows of it is proof, and the key is suspended instead.
const (
	escapeGrace = 15 * time.Second // calls under way, and clocks that differ
	escapeCalls = 5                // that were served after it
	maxEscapes  = 10_000
)

// escapes watches the log for calls of quarantined clients that were served nevertheless.
type escapes struct {
	log      *slog.Logger
	verifier *keys.Verifier
	keys     *keys.Store
	alerts   *alerts.Store
	now      func() time.Time
	queue    chan escape

	mu     sync.Mutex
	served map[string]int // calls, by alert
}

type escape struct {
	keyID string
	keys.Denial
}

func newEscapes(a *App) *escapes {
	return &escapes{
		log: a.Log, verifier: a.Verifier, keys: a.Keys, alerts: a.Alerts, now: a.now, queue: make(chan escape, 64), served: map[string]int{},
	}
}

// Assigned implements ingest.Observer.
func (e *escapes) Assigned(context.Context, string, int32) error { return nil }

// Revoked implements ingest.Observer.
func (e *escapes) Revoked(string, int32) {}

// Observe implements ingest.Observer. While no key has denied clients it costs one atomic read.
func (e *escapes) Observe(_ string, _ int32, b *usage.Batch) {
	if !e.verifier.DeniesAny() {
		return
	}
	denies := make([]bool, len(b.KeyID.Values)) // asked once a key, not once a call
	some := false
	for i, id := range b.KeyID.Values {
		denies[i] = e.verifier.Denies(id)
		some = some || denies[i]
	}
	if !some {
		return
	}
	for i := range b.Len() {
		if !denies[b.KeyID.Index[i]] {
			continue
		}
		if s := b.Status[i]; s == 401 || s == 403 || s == 429 || b.Flags[i]&(usage.FlagDuplicate|usage.FlagNoKey|usage.FlagUnknownKey) != 0 {
			continue
		}
		d, ok := e.verifier.Denied(&keys.Request{KeyID: b.KeyID.At(i), ClientIP: usage.Addr(b.ClientIP[i]), ASN: b.ASN[i], Agent: b.Agent.At(i)})
		if !ok || d.AlertID == "" || b.TimeMillis[i] < d.Since.Add(escapeGrace).UnixMilli() {
			continue
		}
		if e.count(d.AlertID) == escapeCalls {
			select {
			case e.queue <- escape{b.KeyID.At(i), d}:
			default: // the database is away; the client's next calls are counted anew
				e.forget(d.AlertID)
			}
		}
	}
}

func (e *escapes) count(alertID string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.served) >= maxEscapes {
		clear(e.served)
	}
	e.served[alertID]++
	return e.served[alertID]
}

func (e *escapes) forget(alertID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.served, alertID)
}

// run suspends keys whose quarantine does not hold, until ctx ends.
func (e *escapes) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-e.queue:
			if err := e.suspend(ctx, x); err != nil && ctx.Err() == nil {
				e.log.Error("a key whose quarantine does not hold could not be suspended", "key", x.keyID, "alert", x.AlertID, "err", err)
			}
			e.forget(x.AlertID)
		}
	}
}

func (e *escapes) suspend(ctx context.Context, x escape) error {
	reason := fmt.Sprintf("The quarantined client was served %d times more: the gateway does not tell verify who calls.", escapeCalls)
	_, changed, err := e.keys.Suspend(ctx, x.keyID, x.Until, keys.By{Actor: detectorActor, Reason: reason, AlertID: x.AlertID})
	if err != nil || !changed {
		return err
	}
	e.log.Warn("a quarantine does not hold; the key is suspended. Let the gateway pass the client's address and user agent on, see trusted-proxies", "key", x.keyID, "alert", x.AlertID)
	_, err = e.alerts.RecordAction(ctx, x.AlertID, alerts.Suspend, "suspended: "+reason, nil, alerts.By{Actor: detectorActor, Reason: reason})
	return err
}
