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

	// What is stored. Set by takeover, then only by the inserter.
	done int64 // everything below is stored
	plan plan

	// The fetching side.
	next      int64 // next offset to read
	replay    []plannedRange
	memory    memory
	answers   [2]int64 // what the last two answers took
	flush     time.Duration
	cur       *block
	records   kafkalog.Records
	free      chan *block
	full      chan *block
	seen      chan observation
	nowMillis int64

	inserterFree atomic.Bool
}

func newWorker(in *Ingester, g generation, topic string, partition int32, assigned int) *worker {
	w := &worker{
		in: in, gen: g, topic: topic, partition: partition, label: strconv.Itoa(int(partition)),
		memory: in.divide(assigned), free: make(chan *block, blocksInTurn), full: make(chan *block), seen: make(chan observation, 1),
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
	for i := range blocksInTurn {
		b := new(block)
		b.distinguish(i)
		w.free <- b
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

// takeover finds out what earlier owners left, per the design in the package comment, and where to go on.
func (w *worker) takeover(ctx context.Context) error {
	var committed, first, end int64
	var metadata string
	err := w.retry(ctx, "takeover", func(ctx context.Context) (err error) {
		if committed, metadata, err = w.in.kafka.committed(ctx, w.topic, w.partition); err != nil {
			return err
		}
		first, end, err = w.in.kafka.bounds(ctx, w.topic, w.partition)
		return err
	})
	if err != nil {
		return err
	}
	w.status.sawEnd(end, w.in.cfg.Now())
	if committed < 0 {
		err = w.takeoverWithoutCommit(ctx, first, end)
	} else {
		err = w.takeoverCommitted(ctx, committed, metadata, first, end)
	}
	if err != nil {
		return err
	}
	w.next = w.done
	w.log.Info("partition taken over", "stored", w.done, "end", end, "planned_to_insert", len(w.replay), "epoch", w.plan.epoch)
	return w.restoreWindow(ctx)
}

// takeoverWithoutCommit starts a new partition, or rebuilds the position from the store when the group's offsets are
// gone (Kafka forgets those of a group that was away for offsets.retention.minutes, 7 days).
func (w *worker) takeoverWithoutCommit(ctx context.Context, first, end int64) error {
	w.plan = plan{epoch: 1, lastRow: -1}
	var last int64
	var found bool
	err := w.retry(ctx, "takeover", func(ctx context.Context) error {
		for epoch := 1; ; epoch++ {
			l, ok, err := w.in.cfg.Store.LastOffset(ctx, storedTopic(w.topic, epoch), w.partition)
			if err != nil || !ok {
				return err
			}
			last, found, w.plan.epoch = l, true, epoch
		}
	})
	if err != nil {
		return err
	}
	if !found {
		w.done = first
		return nil
	}
	w.plan.lastRow = last
	w.done = last + 1
	w.log.Warn("the group has no offset for the partition; position rebuilt from the store", "stored", w.done)
	if w.done > end {
		return w.recreated(ctx, first, end)
	}
	return w.resumeRekeying(ctx, first)
}

func (w *worker) takeoverCommitted(ctx context.Context, committed int64, metadata string, first, end int64) error {
	w.done = committed
	p, err := parsePlan(metadata, committed)
	if err != nil && metadata != "" {
		return fmt.Errorf("%w: %w: %q; is another program using consumer group %s?", errStopped, err, metadata, w.in.cfg.Group)
	}
	foreign := metadata == ""
	if foreign {
		p = plan{epoch: 1, lastRow: -1}
	}
	w.plan = p
	if committed > end {
		return w.recreated(ctx, first, end)
	}
	if err := w.checkRewound(ctx, foreign, first); err != nil {
		return err
	}
	return w.settle(ctx)
}

// recreated handles a log that ends before what is stored: the topic was deleted and made anew.
func (w *worker) recreated(ctx context.Context, first, end int64) error {
	msg := fmt.Sprintf("the log of %s/%d ends at %d, but offsets below %d were read from it: the topic was made anew, or this is another cluster", w.topic, w.partition, end, w.done)
	if w.in.cfg.OnGap != GapContinue {
		return fmt.Errorf("%w: %s; check kafka, then set on-gap to %q to read the new log from its start", errStopped, msg, GapContinue)
	}
	w.log.Warn("reading a recreated topic from its start", "reason", msg)
	gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: w.done, To: w.done, Reason: "topic_recreated", TimeMillis: w.in.cfg.Now().UnixMilli()}
	if err := w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) }); err != nil {
		return err
	}
	w.plan = plan{epoch: w.plan.epoch + 1, streamMillis: w.plan.streamMillis, lastRow: -1}
	w.done = first
	return nil
}

// checkRewound compares the committed position with what is stored. Records behind the plan mean that somebody moved the
// group's offsets back; storing them again would count them twice.
func (w *worker) checkRewound(ctx context.Context, foreign bool, first int64) error {
	var last int64
	var found bool
	err := w.retry(ctx, "takeover", func(ctx context.Context) (err error) {
		last, found, err = w.in.cfg.Store.LastOffset(ctx, w.stored(), w.partition)
		return err
	})
	if err != nil {
		return err
	}
	unread := first // where reading would go on if nobody had moved the offset
	if found {
		unread = last + 1
	}
	switch {
	case found && last >= w.plan.end(w.done):
		msg := fmt.Sprintf("the group's offset of %s/%d was moved back to %d, but records up to %d are stored", w.topic, w.partition, w.done, last)
		if !w.in.cfg.Replay {
			return fmt.Errorf("%w: %s; start with --replay to go on behind them, or delete those records first to read them anew", errStopped, msg)
		}
		w.log.Warn("going on behind what is stored", "reason", msg)
		w.done, w.plan.pending, w.plan.lastRow = last+1, nil, last
		return w.resumeRekeying(ctx, first)
	case w.in.target != nil: // what was re-keyed may be stored later
	case foreign && w.done > unread:
		w.log.Warn("the group's offset was moved forward by hand; the records between are not read", "from", unread, "to", w.done)
		gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: unread, To: w.done, Reason: "offset_moved_forward", TimeMillis: w.in.cfg.Now().UnixMilli()}
		return w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) })
	case !foreign && w.plan.lastRow >= 0 && (!found || last < w.plan.lastRow):
		// Rows older than their time to live are dropped, so this alone is no reason to stop; audit tells more.
		w.log.Warn("the store holds less than was stored; are rows missing, or past their time to live?", "last_stored", last, "expected", w.plan.lastRow)
	}
	return nil
}

// settle asks the store which planned blocks landed. Inserts go one after the other, so they are the first ones; the
// rest is replayed exactly as planned.
func (w *worker) settle(ctx context.Context) error {
	for len(w.plan.pending) > 0 {
		r := w.plan.pending[0]
		span := w.span(w.done, r.to, r.day)
		var landed bool
		err := w.retry(ctx, "landed", func(ctx context.Context) (err error) {
			landed, err = w.in.cfg.Store.Landed(ctx, span)
			return err
		})
		if err != nil {
			return err
		}
		if !landed {
			break
		}
		w.log.Info("planned block had landed", "from", w.done, "to", r.to)
		w.plan.lastRow = r.to - 1
		w.done, w.plan.pending = r.to, w.plan.pending[1:]
	}
	// The plan keeps them until they are stored: a dead owner's insert may still be under way.
	w.replay = slices.Clone(w.plan.pending)
	return nil
}

// restoreWindow fills the window of request ids with what earlier owners stored.
func (w *worker) restoreWindow(ctx context.Context) error {
	if err := w.restoreOrigins(ctx); err != nil {
		return err
	}
	win := w.pipe.window
	now := w.in.cfg.Now()
	stream := w.plan.streamMillis
	if stream == 0 {
		stream = now.UnixMilli()
	}
	if w.in.cfg.DedupWindow <= 0 || w.done == 0 {
		return nil
	}
	since := time.UnixMilli(stream).Add(-w.in.cfg.DedupWindow)
	return w.retryFor(ctx, "restore", rebuildTimeout, func(ctx context.Context) error {
		*win = *newWindow(w.in.cfg.DedupWindow, int64(win.maxSlots)*segments*slotBytes)
		win.advance(stream, now.UnixMilli())
		win.oldest = win.epoch - windowEpochs
		return w.in.cfg.Store.RecentRequestIDs(ctx, w.stored(), w.partition, since, func(at int64, source string, id []byte) {
			if at < since.UnixMilli() {
				at = stream // it came late, we do not know when: rather remember it too long
			}
			win.restore(at, source, id)
		})
	})
}

func (w *worker) stored() string { return storedTopic(w.topic, w.plan.epoch) }

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
