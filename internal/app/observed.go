package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/keys"
)

// observedKeys makes records for keys that the log names by an id of the gateway's own, such as a consumer name, so that
// people can list and suspend them. It never holds up ingest: ids that find the queue full are met again with a later batch.
type observedKeys struct {
	log      *slog.Logger
	verifier *keys.Verifier
	queue    chan []string

	mu    sync.Mutex
	views map[partitionID]dictView
}

// dictView is how far a partition's dictionaries of key ids were looked through, by their generation: blocks that take
// turns have one each.
type dictView map[uint64]int

// fresh returns the values that were added since done was last called.
func (v dictView) fresh(d *usage.Dict) []string {
	next := v[d.Generation]
	if next > len(d.Values) {
		next = 0
	}
	return d.Values[next:]
}

// done notes that all values were looked at.
func (v dictView) done(d *usage.Dict) {
	if len(v) > 16 {
		clear(v) // generations that are over
	}
	v[d.Generation] = len(d.Values)
}

func newObservedKeys(a *App) *observedKeys {
	return &observedKeys{log: a.Log, verifier: a.Verifier, queue: make(chan []string, 64), views: map[partitionID]dictView{}}
}

// Assigned implements ingest.Observer.
func (o *observedKeys) Assigned(context.Context, string, int32) error { return nil }

// Revoked implements ingest.Observer.
func (o *observedKeys) Revoked(topic string, partition int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.views, partitionID{topic, partition})
}

// Observe implements ingest.Observer.
func (o *observedKeys) Observe(topic string, partition int32, b *usage.Batch) {
	o.mu.Lock()
	v := o.views[partitionID{topic, partition}]
	if v == nil {
		v = dictView{}
		o.views[partitionID{topic, partition}] = v
	}
	o.mu.Unlock()
	var ids []string
	for _, id := range v.fresh(&b.KeyID) {
		if keys.Observable(id) && !o.verifier.Knows(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		select {
		case o.queue <- ids:
		default:
			return
		}
	}
	v.done(&b.KeyID)
}

func (o *observedKeys) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case ids := <-o.queue:
			for {
				_, err := o.verifier.Observe(ctx, ids)
				if err == nil || ctx.Err() != nil {
					break
				}
				o.log.Warn("keys seen in the log could not be noted yet", "keys", len(ids), "err", err)
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		}
	}
}
