package ingest

import (
	"context"
	"errors"
	"time"
)

// idleCommit is how long the inserter waits for the next block before it commits the last one alone. With blocks
// following each other one commit says both: this one is stored, the next is planned.
const idleCommit = 50 * time.Millisecond

// insertBlocks plans, inserts and commits one block after the other until ctx ends, then finishes the one in hand. It
// returns errFenced when the partition has another owner.
func (w *worker) insertBlocks(ctx context.Context) error {
	uncommitted := true // what takeover settled
	idle := time.NewTimer(idleCommit)
	defer idle.Stop()
	for {
		var b *block
		w.inserterFree.Store(true)
		select {
		case w.freed <- struct{}{}:
		default:
		}
		select {
		case b = <-w.full:
			w.inserterFree.Store(false)
		case <-idle.C:
			if uncommitted {
				switch err := w.commit(ctx, nil); {
				case errors.Is(err, errFenced):
					return err
				case err != nil: // ctx has ended meanwhile
					return w.lastCommit(ctx)
				}
				uncommitted = false
			}
			continue
		case <-ctx.Done():
			if uncommitted {
				return w.lastCommit(ctx)
			}
			return nil
		}
		if err := w.storeBlock(ctx, b); err != nil {
			return w.ended(ctx, err)
		}
		w.free <- b
		uncommitted = true
		if !idle.Stop() {
			select {
			case <-idle.C:
			default:
			}
		}
		idle.Reset(idleCommit)
	}
}

// ended keeps errFenced and turns the end of the context into nil.
func (w *worker) ended(ctx context.Context, err error) error {
	if errors.Is(err, errFenced) {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// storeBlock is the exactly-once step. Nothing is sent to the store before the commit that names the block was accepted.
func (w *worker) storeBlock(ctx context.Context, b *block) error {
	if b.empty() {
		return w.passOver(ctx, b)
	}
	if err := w.spread(ctx, b); err != nil {
		return err
	}
	r := plannedRange{to: b.to, day: b.day, targets: b.targets}
	if err := w.commit(ctx, &r); err != nil {
		return err
	}
	fencedAt := time.Now()
	span := w.span(b.from, b.to, b.day)
	span.Targets = b.targets
	started := time.Now()
	insert := func(name string, op func(context.Context) error) error {
		var wait backoffTimer
		for {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			select {
			case w.in.inserts <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			// Whoever was stopped for longer than the session (a zombie) must ask again whether it still owns the
			// partition, before anything more is sent. Both clocks: one stands still while the machine sleeps.
			if silent := max(time.Since(fencedAt), time.Now().Round(0).Sub(fencedAt.Round(0))); silent > w.in.cfg.SessionTimeout/2 {
				<-w.in.inserts
				if err := w.commit(ctx, &r); err != nil {
					return err
				}
				fencedAt = time.Now()
				continue
			}
			// The running insert may outlive ctx, but not the time-out: at a rebalance the group waits for it.
			try, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.in.cfg.InsertTimeout)
			err := op(try)
			cancel()
			<-w.in.inserts
			if err == nil {
				return nil
			}
			w.in.metrics.retries.WithLabelValues(name).Inc()
			w.status.waitStore("store: " + err.Error())
			w.log.Warn("the store refused a block; the same block is tried again", "operation", name, "from", b.from, "to", b.to, "error", err)
			sleep(ctx, wait.next())
		}
	}
	if holes := b.withoutEvents(); len(holes) > 0 && w.in.target == nil {
		if err := insert("insert_holes", func(ctx context.Context) error {
			return w.in.cfg.Store.InsertHoles(ctx, span, holes)
		}); err != nil {
			return err
		}
	}
	// Dead letters first, so that the position never passes a line that is in neither table.
	if len(b.letters) > 0 {
		if err := insert("insert_dead_letters", func(ctx context.Context) error {
			return w.in.cfg.Store.InsertDeadLetters(ctx, span, b.letters)
		}); err != nil {
			return err
		}
	}
	if b.batch.Len() > 0 {
		if err := insert("insert_events", func(ctx context.Context) error {
			return w.in.cfg.Store.InsertEvents(ctx, span, &b.batch)
		}); err != nil {
			return err
		}
	}
	w.in.metrics.insertSeconds.Observe(time.Since(started).Seconds())
	w.in.metrics.blockRows.Observe(float64(b.batch.Len()))
	w.in.metrics.blocks.Inc()
	w.status.waitStore("")
	w.moveBehind(b)
	return nil
}

// passOver moves behind a block of no lines. Its holes need no plan: whoever notes them, and how often, they are what the log is.
func (w *worker) passOver(ctx context.Context, b *block) error {
	if len(b.holes) > 0 {
		if err := w.retry(ctx, "insert_holes", func(ctx context.Context) error {
			return w.in.cfg.Store.InsertHoles(ctx, w.span(b.from, b.to, b.day), b.holes)
		}); err != nil {
			return err
		}
		w.status.waitStore("")
	}
	w.moveBehind(b)
	return nil
}

// spread fixes over how many partitions a block is spread that is re-keyed: written again it must go to the same ones.
func (w *worker) spread(ctx context.Context, b *block) error {
	if w.in.target == nil || b.targets > 0 {
		return nil
	}
	return w.retry(ctx, "target", func(ctx context.Context) (err error) {
		b.targets, err = w.in.target.partitions(ctx)
		return err
	})
}

// moveBehind moves the position behind the block.
func (w *worker) moveBehind(b *block) {
	w.done = b.to
	for len(w.plan.pending) > 0 && w.plan.pending[0].to <= b.to {
		w.plan.pending = w.plan.pending[1:]
	}
	if b.streamMillis > w.plan.streamMillis {
		w.plan.streamMillis = b.streamMillis
	}
	if b.lastRow >= 0 {
		w.plan.lastRow = b.lastRow
	}
	w.status.advance(w.done, w.in.cfg.Now())
}

// commit tells the group the position, and with r the block that is inserted next. What was taken over and is not stored
// yet stays planned; then r is the first of it.
func (w *worker) commit(ctx context.Context, r *plannedRange) error {
	p := w.plan
	if r != nil {
		p.pending = append([]plannedRange{*r}, p.pending[min(1, len(p.pending)):]...)
	}
	var wait backoffTimer
	for {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := w.in.kafka.commit(try, w.gen, w.topic, w.partition, w.done, p.String())
		cancel()
		if err == nil || errors.Is(err, errFenced) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.in.metrics.retries.WithLabelValues("commit").Inc()
		w.status.waitStore("Kafka: " + err.Error())
		w.log.Warn("waiting to commit", "offset", w.done, "error", err)
		sleep(ctx, wait.next())
	}
}

// lastCommit is tried once when the generation ends; without it the next owner asks the store.
func (w *worker) lastCommit(ctx context.Context) error {
	try, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := w.in.kafka.commit(try, w.gen, w.topic, w.partition, w.done, w.plan.String()); err != nil {
		w.log.Info("the last commit was not accepted; the next owner asks the store", "offset", w.done, "error", err)
	}
	return nil
}
