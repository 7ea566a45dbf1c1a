package ingest

import (
	"context"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// OriginStore is a Store that can be asked for re-keyed records by the place where they were first written.
type OriginStore interface {
	Store
	// Origins calls each with the last place of every origin partition of which records are stored under the topic.
	Origins(ctx context.Context, topic string, partition int32, each func(usage.Origin)) error
	// LastPlaces returns the highest offset of a partition that left an event, and the highest that did so re-keyed; -1 when
	// there is none. Dead letters are not asked about.
	LastPlaces(ctx context.Context, topic string, partition int32) (direct, rekeyed int64, err error)
	// Rekeyed calls each for the re-keyed records of a partition that count, from that offset on, with the partition that they
	// are in now.
	Rekeyed(ctx context.Context, topic string, partition int32, from int64, each func(now int32, keyID string, o usage.Origin)) error
}

// originMarks say by origin partition up to where its records have been seen in one partition of a re-keyed topic. A record
// that is not behind its mark was written twice.
//
// That this is exact, however late the second time is, rests on the order of writing: a Rekeyer writes the records of an
// origin partition that go into one target partition in the order of their offsets, and none of them before the one ahead of
// it is acknowledged. So at any moment what the log holds of them is all up to some offset, perhaps more than once: also
// when a block is written again by the next owner, and when a process that was thought dead wakes up and writes the rest of
// the block that it had in hand. A later block it cannot write, that needs a commit.
//
// The marks are a function of the partition's records below an offset, so they are taken from those that are stored when the
// partition gets a new owner.
type originMarks map[string]*usage.Origin

// restore takes a stored mark in.
func (m originMarks) restore(o usage.Origin) {
	if have := m[o.Partition]; have == nil || o.After(*have) {
		m[o.Partition] = &o
	}
}

// mark flags the rows from `from` on that were seen before.
func (m originMarks) mark(b *usage.Batch, from int) {
	if m == nil || len(b.OriginSub) == 0 {
		return
	}
	var last uint32
	var seen *usage.Origin
	for i := from; i < b.Len(); i++ {
		n := b.Origin.Index[i]
		if seen == nil || n != last {
			name := b.Origin.Values[n]
			if name == "" {
				continue
			}
			if seen = m[name]; seen == nil {
				seen = &usage.Origin{Partition: name, Offset: -1}
				m[name] = seen
			}
			last = n
		}
		if o := (usage.Origin{Offset: b.OriginOffset[i], Sub: b.OriginSub[i]}); o.After(*seen) {
			seen.Offset, seen.Sub = o.Offset, o.Sub
		} else {
			b.Flags[i] |= usage.FlagDuplicate
		}
	}
}

// restoreOrigins reads up to where re-keyed records have been seen, also by owners before the topic was made anew.
func (w *worker) restoreOrigins(ctx context.Context) error {
	if w.pipe.origins == nil {
		return nil
	}
	store := w.in.cfg.Store.(OriginStore)
	return w.retryFor(ctx, "restore", rebuildTimeout, func(ctx context.Context) error {
		clear(w.pipe.origins)
		for epoch := 1; epoch <= w.plan.epoch; epoch++ {
			if err := store.Origins(ctx, usage.StoredTopic(w.topic, epoch), w.partition, w.pipe.origins.restore); err != nil {
				return err
			}
		}
		return nil
	})
}
