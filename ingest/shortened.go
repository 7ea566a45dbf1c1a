package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/tollkeeper/tollkeeper/ingest/audit"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A log may lose its last records: by an unclean leader election, or by a broker that had not written them to its disk. Their offsets
// are then given to others. That can be seen only while the log ends before what was read of it, so it is noted where it ended as
// soon as somebody sees that: an operator may take a day to decide, and it has grown past that place by then. What lies between the
// noted end and the read offset has been written since.

// noteCut notes that the log ends at end although everything below read was read from it. A log with another id is no such log.
func (w *worker) noteCut(ctx context.Context, end, read int64) error {
	if w.topicID == "" {
		return nil
	}
	gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: end, To: read, Reason: audit.GapCutBack, TimeMillis: w.in.cfg.Now().UnixMilli()}
	return w.retry(ctx, "record_gap", func(ctx context.Context) error {
		id, err := w.in.kafka.topicID(ctx, w.topic, w.partition)
		if err != nil || id != w.topicID {
			return err
		}
		return w.in.cfg.Store.RecordGap(ctx, gap)
	})
}

// goOnFromCut says whether the log ends before what was read of it, or did so once, and if so goes on with names of that epoch.
func (w *worker) goOnFromCut(ctx context.Context, epoch int, first, end int64) (cut bool, err error) {
	gaps, err := w.gaps(ctx, w.stored(), audit.GapCutBack)
	if err != nil {
		return false, err
	}
	at := end
	for _, g := range gaps {
		at = min(at, g.From)
	}
	if at >= w.done {
		return false, nil
	}
	return true, w.shortened(ctx, epoch, first, at, end)
}

// beginNoted begins with an epoch that somebody noted and stored nothing of. After a log was cut back its name holds what was written since; what lies before is
// stored under the earlier name, as its gap says.
func (w *worker) beginNoted(ctx context.Context, epoch int, first int64) error {
	gaps, err := w.gaps(ctx, usage.StoredTopic(w.topic, epoch), audit.GapEarlierName)
	if err != nil {
		return err
	}
	for _, g := range gaps {
		first = max(first, g.To)
	}
	return w.begin(epoch, first)
}

// gaps returns what was noted of the partition under a name, for that reason.
func (w *worker) gaps(ctx context.Context, stored, reason string) (noted []usage.Gap, err error) {
	err = w.retry(ctx, "takeover", func(ctx context.Context) (err error) {
		noted, err = w.in.cfg.Store.Gaps(ctx)
		return err
	})
	return slices.DeleteFunc(noted, func(g usage.Gap) bool {
		return g.Topic != stored || g.Partition != w.partition || g.Reason != reason
	}), err
}

// shortened handles a log that was cut back to an offset. If it has the id of the log that is stored, what it holds up to there is
// stored, so nothing of that may be read again, under whatever name. Newer records are given offsets that are taken, so they get
// names of that epoch.
func (w *worker) shortened(ctx context.Context, epoch int, first, at, end int64) error {
	var id string
	if err := w.retry(ctx, "takeover", func(ctx context.Context) (err error) {
		id, err = w.in.cfg.Store.TopicID(ctx, w.stored(), w.partition)
		return err
	}); err != nil {
		return err
	}
	if w.topicID == "" || id != w.topicID {
		return w.recreated(ctx, epoch, first, end)
	}
	if err := w.noteCut(ctx, at, w.done); err != nil {
		return err
	}
	msg := fmt.Sprintf("the log of %s/%d ended at %d, but offsets below %d were read from it: it was cut back, by an unclean leader election or a broker that lost what was not on its disk", w.topic, w.partition, at, w.done)
	if w.in.cfg.OnGap != GapContinue {
		return fmt.Errorf("%w: %s; check kafka, then set on-gap to %q to read what was written from offset %d on since", errStopped, msg, GapContinue, at)
	}
	w.log.Error("gap", "reason", msg)
	gap := usage.Gap{Topic: usage.StoredTopic(w.topic, epoch), Partition: w.partition, From: first, To: at, Reason: audit.GapEarlierName, TimeMillis: w.in.cfg.Now().UnixMilli()}
	if first > at {
		gap.From, gap.To, gap.Reason = at, first, "retention"
	}
	if gap.From < gap.To {
		if err := w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) }); err != nil {
			return err
		}
	}
	w.in.metrics.gapOffsets.Add(float64(w.done - at))
	if err := w.begin(epoch, max(at, first)); err != nil {
		return err
	}
	// Before the epoch's id is noted: from that alone the next owner would take it for one to be read from its start.
	return w.commit(ctx, nil)
}
