package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// detection runs one engine per partition. Rows reach it as soon as they are decoded; what it decides goes to the enforcer
// without waiting for it.
type detection struct {
	log     *slog.Logger
	events  *clickhouse.DB
	alerts  *alerts.Store
	cfg     detect.Config
	now     func() time.Time
	decided func(detect.Decision)
	maxKeys int // that the engines remember together
	figures *remembered

	mu         sync.Mutex
	partitions map[partitionID]*watch
	given      int // verdicts, and those that were taken back
}

type partitionID struct {
	topic  string
	number int32
}

// watch is the engine of one partition. Its lock keeps the clock's Advance away from the partition's own goroutine.
type watch struct {
	mu       sync.Mutex
	engine   *detect.Engine
	history  bool                         // whether anything of this partition was stored before it came here
	taught   map[string][]detect.Feedback // people's verdicts of that time, by key
	reopened map[string]bool              // keys of which a verdict was taken back, until their history is read
	event    int64                        // newest event time that was observed, Unix milliseconds
	seen     time.Time                    // when that was
	ear      ear
	ctx      context.Context // ends with the assignment
	cancel   context.CancelFunc
}

// Assigned implements ingest.Observer.
func (d *detection) Assigned(ctx context.Context, topic string, partition int32) error {
	d.mu.Lock()
	cfg := d.cfg
	d.mu.Unlock()
	engine, err := detect.New(cfg)
	if err != nil {
		return fmt.Errorf("detection for %s/%d: %w", topic, partition, err)
	}
	_, history, err := d.events.LastOffset(ctx, topic, partition)
	if err != nil {
		return fmt.Errorf("history for %s/%d: %w", topic, partition, err)
	}
	w := &watch{engine: engine, history: history, taught: map[string][]detect.Feedback{}, reopened: map[string]bool{}}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return d.enter(partitionID{topic, partition}, w, func() (map[string][]detect.Feedback, error) {
		taught, err := d.verdicts(ctx, alerts.Filter{})
		if err != nil {
			return nil, fmt.Errorf("verdicts for %s/%d: %w", topic, partition, err)
		}
		return taught, nil
	})
}

// enter puts the watch of a partition into its place, with people's verdicts. One that is given while they are read may be missing
// there, and its event finds no watch to teach: they are read again then.
func (d *detection) enter(id partitionID, w *watch, read func() (map[string][]detect.Feedback, error)) (err error) {
	for given := -1; ; {
		d.mu.Lock()
		if given == d.given || !w.history {
			if old := d.partitions[id]; old != nil {
				old.cancel()
			}
			w.engine.SetPolicies(d.cfg.Policies) // they may have changed since the engine was made
			d.partitions[id] = w
			d.mu.Unlock()
			return nil
		}
		given = d.given
		d.mu.Unlock()
		if w.taught, err = read(); err != nil {
			w.cancel()
			return err
		}
	}
}

// Revoked implements ingest.Observer.
func (d *detection) Revoked(topic string, partition int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.partitions[partitionID{topic, partition}]; w != nil {
		w.cancel()
		delete(d.partitions, partitionID{topic, partition})
	}
}

// Observe implements ingest.Observer.
func (d *detection) Observe(topic string, partition int32, b *usage.Batch) {
	d.ObserveRange(topic, partition, b, 0, b.Len())
}

// ObserveRange implements ingest.RangeObserver.
func (d *detection) ObserveRange(topic string, partition int32, b *usage.Batch, from, to int) {
	d.mu.Lock()
	w := d.partitions[partitionID{topic, partition}]
	d.mu.Unlock()
	if w != nil {
		d.tell(w, d.judge(w, topic, partition, b, from, to))
	}
}

// judge returns what the engines of other partitions should know.
func (d *detection) judge(w *watch, topic string, partition int32, b *usage.Batch, from, to int) []detect.Blame {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.meet(w, topic, partition, b, from, to)
	w.engine.Heed(w.ear.take())
	w.engine.Observe(b, from, to)
	if to > from {
		w.event, w.seen = max(w.event, slices.Max(b.TimeMillis[from:to])), d.now()
	}
	d.pass(w)
	return w.engine.Blames()
}

// meet reads the history of the keys that the engine has not seen yet, or forgot: all of one batch together. What is
// being observed is not stored yet, so nothing is learnt twice.
func (d *detection) meet(w *watch, topic string, partition int32, b *usage.Batch, from, to int) {
	if !w.history {
		return
	}
	fresh := w.engine.Unknown(b, from, to)
	if len(fresh) == 0 {
		return
	}
	for part := range slices.Chunk(fresh, warmKeys) {
		err := d.warmUp(w, part)
		for _, id := range part {
			for _, fb := range w.taught[id] {
				_ = w.engine.Feedback(fb) // an episode that history no longer shows has nothing to be taught
			}
			if w.reopened[id] { // the dismissal had reinstated the key
				w.engine.Lifted(id, b.TimeMillis[from])
				delete(w.reopened, id)
			}
		}
		if err != nil {
			// Without its history a key is treated as a new one: cautiously. Ingest must not wait for this.
			d.log.Warn("keys start without their history", "topic", topic, "partition", partition, "keys", len(part), "err", err)
		}
	}
}

// judgeEvery is how long a record waits for its judgement at most, but for what is waited for the processor.
const judgeEvery = 200 * time.Millisecond

// tick judges what came since, and lets time pass where nothing arrives, until ctx ends.
func (d *detection) tick(ctx context.Context) error {
	t := time.NewTicker(judgeEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		all := d.all()
		stats := make([]detect.Stats, 0, len(all))
		for _, w := range all {
			w.mu.Lock()
			w.engine.Heed(w.ear.take()) // of a partition to which nothing comes, too, lest it grow
			if n := w.engine.Trim(d.maxKeys / len(all)); n > 0 {
				w.history = true // what was forgotten is stored by now
				d.figures.forgotten.Add(float64(n))
			}
			stats = append(stats, w.engine.Stats())
			// Event time goes on from the newest record, a second late so that what was logged just now is still in order. It is
			// not the clock itself: records of last week may be on their way through.
			if !w.seen.IsZero() {
				w.engine.Advance(w.event + d.now().Sub(w.seen).Milliseconds() - 1000)
				w.engine.JudgeNow()
				d.pass(w)
			}
			found := w.engine.Blames()
			w.mu.Unlock()
			d.tell(w, found)
		}
		d.figures.show(stats)
	}
}

func (d *detection) all() []*watch {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*watch, 0, len(d.partitions))
	for _, w := range d.partitions {
		all = append(all, w)
	}
	return all
}

func (d *detection) pass(w *watch) {
	for _, decision := range w.engine.Drain() {
		d.decided(decision)
	}
}
