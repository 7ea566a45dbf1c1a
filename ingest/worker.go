package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/kafkalog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// worker owns one partition for one generation of the group.
type worker struct {
	in        *Ingester
	log       *slog.Logger
	gen       generation
	topic     string
	partition int32
	label     string // partition as text
	status    *partitionStatus

	pipe      pipeline
	observers []Observer // those that want whole blocks
	eager     []RangeObserver

	topicID string // Kafka's; "" where the brokers give none

	// What is stored. Set by takeover, then only by the inserter.
	done int64 // everything below is stored
	plan plan

	// The fetching side.
	next      int64 // next offset to read
	replay    []plannedRange
	memory    memory
	flush     time.Duration
	cur       *block
	records   kafkalog.Records
	free      chan *block
	full      chan *block
	seen      chan observation
	nowMillis int64
	// atRest: all of the log that can be read has been, and the broker waited in vain for more.
	atRest bool
	behind bool // the log has more than a block holds
	handed int  // blocks that were handed over

	inserterFree atomic.Bool
	freed        chan struct{} // holds one when it has become so
}

func newWorker(in *Ingester, g generation, topic string, partition int32, assigned int) *worker {
	w := &worker{
		in: in, gen: g, topic: topic, partition: partition, label: strconv.Itoa(int(partition)),
		memory: in.divide(assigned), free: make(chan *block, blocksInTurn), full: make(chan *block), seen: make(chan observation, 1),
		freed: make(chan struct{}, 1),
	}
	w.log = in.log.With("topic", topic, "partition", partition, "generation", g.id)
	w.flush = max(in.cfg.FlushInterval, time.Duration(float64(assigned)/in.cfg.MaxInsertsPerSecond*float64(time.Second)))
	w.pipe = pipeline{
		source: in.cfg.Source(topic), enrich: in.cfg.Enrich, shorten: in.cfg.ShortenIPs, metrics: in.metrics, now: in.cfg.Now,
		window: newWindow(in.cfg.DedupWindow, w.memory.requestIDs),
	}
	if slices.Contains(in.cfg.Rekeyed, topic) {
		w.pipe.origins = originMarks{}
	}
	for _, o := range in.cfg.Observers {
		if e, ok := o.(RangeObserver); ok {
			w.eager = append(w.eager, e)
		} else {
			w.observers = append(w.observers, o)
		}
	}
	for range blocksInTurn {
		w.free <- new(block)
	}
	return w
}

// errStopped ends a worker's work, but not its ownership: an operator must decide first.
var errStopped = errors.New("stopped")

// run works until ctx ends or the partition has another owner. Returning ends the whole generation, so a worker whose
// partition is stopped waits.
func (w *worker) run(ctx context.Context) {
	w.status = w.in.health.add(w.topic, w.partition)
	defer w.in.health.remove(w.status)
	defer w.forgetMetrics()
	if w.in.target != nil {
		defer func() { w.in.target.forget(w.stored(), w.partition) }()
	}
	err := w.work(ctx)
	switch {
	case errors.Is(err, errStopped):
		w.log.Error("partition stopped; its records wait in Kafka", "reason", err)
		w.status.stop(err.Error())
		<-ctx.Done()
	case errors.Is(err, errFenced):
		w.log.Info("partition has another owner now", "stored", w.done)
	}
}

func (w *worker) work(ctx context.Context) error {
	dec, err := w.in.cfg.NewDecoder(w.topic)
	if err != nil {
		return fmt.Errorf("%w: no decoder for topic %s: %w", errStopped, w.topic, err)
	}
	w.pipe.dec = dec
	if err := w.takeover(ctx); err != nil {
		return err
	}
	assigned := 0
	defer func() {
		for _, o := range w.in.cfg.Observers[:assigned] {
			o.Revoked(w.topic, w.partition)
		}
	}()
	for _, o := range w.in.cfg.Observers {
		if err := w.retryFor(ctx, "assigned", rebuildTimeout, func(ctx context.Context) error { return o.Assigned(ctx, w.topic, w.partition) }); err != nil {
			return err
		}
		assigned++
	}
	w.status.waitStore("")
	w.status.advance(w.done, w.in.cfg.Now())

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var behind sync.WaitGroup
	var insertErr error
	behind.Go(func() {
		insertErr = w.insertBlocks(ctx)
		cancel(insertErr)
	})
	behind.Go(func() { w.observeRows(ctx) })
	fetchErr := w.fetch(ctx)
	cancel(fetchErr)
	behind.Wait()
	if insertErr != nil {
		return insertErr
	}
	return fetchErr
}

func (w *worker) stored() string { return usage.StoredTopic(w.topic, w.plan.epoch) }

func (w *worker) span(from, to int64, day int32) usage.Span {
	return usage.Span{Topic: w.stored(), Partition: w.partition, From: from, To: to, Day: day, Epoch: strconv.Itoa(w.plan.epoch)}
}

// rebuildTimeout bounds one try to read back what earlier owners stored.
const rebuildTimeout = 5 * time.Minute

// retry repeats op with jittered backoff until it succeeds or ctx ends. Each try is bounded by InsertTimeout.
func (w *worker) retry(ctx context.Context, name string, op func(context.Context) error) error {
	return w.retryFor(ctx, name, w.in.cfg.InsertTimeout, op)
}

func (w *worker) retryFor(ctx context.Context, name string, perTry time.Duration, op func(context.Context) error) error {
	var b backoffTimer
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		try, cancel := context.WithTimeout(ctx, perTry)
		err := op(try)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.in.metrics.retries.WithLabelValues(name).Inc()
		w.status.waitStore(err.Error())
		w.log.Warn("waiting to try again", "operation", name, "error", err)
		sleep(ctx, b.next())
	}
}

// backoffTimer doubles from 100 ms to 5 s, with full jitter of half: many partitions must not come back together.
type backoffTimer struct{ d time.Duration }

func (b *backoffTimer) next() time.Duration {
	b.d = min(max(2*b.d, 100*time.Millisecond), 5*time.Second)
	return b.d/2 + rand.N(b.d/2)
}

func (w *worker) forgetMetrics() {
	m := w.in.metrics
	m.dedupSpan.DeleteLabelValues(w.topic, w.label)
	m.dedupBytes.DeleteLabelValues(w.topic, w.label)
}
