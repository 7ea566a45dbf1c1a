package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// takeover finds out what earlier owners left, per the design in the package comment, and where to go on.
func (w *worker) takeover(ctx context.Context) error {
	var committed, first, end int64
	var metadata string
	err := w.retry(ctx, "takeover", func(ctx context.Context) (err error) {
		if committed, metadata, err = w.in.kafka.committed(ctx, w.topic, w.partition); err != nil {
			return err
		}
		if w.topicID, err = w.in.kafka.topicID(ctx, w.topic, w.partition); err != nil {
			return err
		}
		first, end, err = w.in.kafka.bounds(ctx, w.topic, w.partition)
		return err
	})
	if err != nil {
		return err
	}
	w.status.sawEnd(end, -1, w.in.cfg.Now())
	if committed < 0 {
		err = w.takeoverWithoutCommit(ctx, first, end)
	} else {
		err = w.takeoverCommitted(ctx, committed, metadata, first, end)
	}
	if err == nil {
		err = w.noteTopicID(ctx)
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
			l, ok, err := w.in.cfg.Store.LastOffset(ctx, usage.StoredTopic(w.topic, epoch), w.partition)
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
	epoch, known, err := w.epochNow(ctx)
	switch {
	case err != nil:
		return err
	case !known:
		return w.recreated(ctx, epoch, first, end)
	case epoch != w.plan.epoch:
		return w.beginNoted(ctx, epoch, first)
	}
	if cut, err := w.goOnFromCut(ctx, epoch+1, first, end); cut || err != nil {
		return err
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
	epoch, known, err := w.epochNow(ctx)
	switch {
	case err != nil:
		return err
	case !known:
		return w.recreated(ctx, epoch, first, end)
	case epoch != p.epoch && !foreign: // an owner that had begun with it died before it committed that
		return w.beginNoted(ctx, epoch, first)
	}
	w.plan.epoch = epoch
	if cut, err := w.goOnFromCut(ctx, epoch+1, first, end); cut || err != nil {
		return err
	}
	if err := w.checkRewound(ctx, foreign, first); err != nil {
		return err
	}
	return w.settle(ctx)
}

// recreated handles a log that is not the one of which rows are stored: the topic was deleted and made anew. Its rows get
// the names of that epoch.
func (w *worker) recreated(ctx context.Context, epoch int, first, end int64) error {
	msg := fmt.Sprintf("topic %s was deleted and made anew since offsets below %d of %s/%d were read: its id is another", w.topic, w.done, w.topic, w.partition)
	if w.done > end {
		msg = fmt.Sprintf("the log of %s/%d ends at %d, but offsets below %d were read from it: the topic was made anew, or this is another cluster", w.topic, w.partition, end, w.done)
	}
	if w.in.cfg.OnGap != GapContinue {
		return fmt.Errorf("%w: %s; check kafka, then set on-gap to %q to read the new log from its start", errStopped, msg, GapContinue)
	}
	w.log.Warn("reading a recreated topic from its start", "reason", msg)
	gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: w.done, To: w.done, Reason: "topic_recreated", TimeMillis: w.in.cfg.Now().UnixMilli()}
	if err := w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) }); err != nil {
		return err
	}
	return w.begin(epoch, first)
}

// begin starts with a log of which nothing is stored.
func (w *worker) begin(epoch int, first int64) error {
	w.plan = plan{epoch: epoch, streamMillis: w.plan.streamMillis, lastRow: -1}
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
		w.in.metrics.gapOffsets.Add(float64(w.done - unread))
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
