package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// ReplayResult says what became of the dead letters that were to be replayed.
type ReplayResult struct {
	Stored   []int64 // offsets whose records are stored now, or were already: their dead letters may be deleted
	Repeats  []int64 // of those that were not stored before, the ones of which nothing counts: their requests were counted under other lines
	Rejected []int64 // still refused by the decoder
	Gone     []int64 // the log no longer holds the line
	Waiting  []int64 // the block that the line is of is not stored yet; try again later
}

// ReplayDeadLetters reads the lines of a partition's dead letters again from Kafka, decodes them with the decoder of today and
// stores their records at the offset where they belong. It may be repeated, and broken off, at any time: a line whose
// records are stored is not stored again. topic is as in the dead letters. Observers do not see the records: their time has
// passed; sealed hours are reopened by them as by any late record. With dry set nothing is stored: the result says what
// would be. Two calls at once must not be given the same dead letters.
func (in *Ingester) ReplayDeadLetters(ctx context.Context, topic string, partition int32, offsets []int64, dry bool) (ReplayResult, error) {
	var res ReplayResult
	kafkaTopic, epoch := usage.KafkaTopic(topic)
	offsets = slices.Compact(slices.Sorted(slices.Values(offsets)))
	group := in.cfg.Group
	if slices.Contains(in.cfg.Rekeying, kafkaTopic) {
		group = in.cfg.RekeyGroup
	}
	committed, metadata, err := in.kafka.committedBy(ctx, group, kafkaTopic, partition)
	if err != nil {
		return res, err
	}
	there, err := in.stillThere(ctx, kafkaTopic, partition, epoch, committed, metadata)
	if err != nil {
		return res, err
	}
	if !there {
		res.Gone = offsets // of a topic that has been deleted
		return res, nil
	}
	dec, err := in.cfg.NewDecoder(kafkaTopic)
	if err != nil {
		return res, err
	}
	source := in.cfg.Source(kafkaTopic)
	var b usage.Batch
	for _, offset := range offsets {
		// A row of a block that has not landed would make it look as if it had; and a block that is re-keyed again may take
		// the line. A group without commits has forgotten them: what is written again is known by its place.
		if committed >= 0 && offset >= committed {
			res.Waiting = append(res.Waiting, offset)
			continue
		}
		line, err := in.kafka.lineAt(ctx, kafkaTopic, partition, offset)
		if errors.Is(err, errGone) {
			res.Gone = append(res.Gone, offset)
			continue
		}
		if err != nil {
			return res, err
		}
		if decode(dec, line, Origin{Offset: offset, ReceivedMillis: in.cfg.Now().UnixMilli(), Source: source}, &b) != nil {
			res.Rejected = append(res.Rejected, offset)
		}
	}
	if b.Len() == 0 {
		return res, nil
	}
	if err := in.markReplayed(ctx, topic, partition, &b); err != nil {
		return res, err
	}
	elsewhere, err := in.countRekeyed(ctx, topic, partition, &b)
	if err != nil {
		return res, err
	}
	return res, in.storeReplayed(ctx, topic, partition, epoch, &b, &res, elsewhere, dry)
}

// stillThere says whether the log is the one that was read in that epoch. It may have been deleted and made anew, which its id
// tells also while the new one is not read yet; or the group reads it under another name since, which its plan tells, or without one
// the ids that were noted. Where nothing is known, of the broker, the group or the store, it is taken for the first.
func (in *Ingester) stillThere(ctx context.Context, kafkaTopic string, partition int32, epoch int, committed int64, metadata string) (bool, error) {
	noted, err := in.cfg.Store.TopicID(ctx, usage.StoredTopic(kafkaTopic, epoch), partition)
	if err != nil {
		return false, err
	}
	id := ""
	if noted != "" {
		if id, err = in.kafka.topicID(ctx, kafkaTopic, partition); err != nil {
			return false, err
		}
	}
	p, planned := parsePlan(metadata, committed)
	switch {
	case id != "" && id != noted:
		return false, nil
	case planned == nil:
		return p.epoch == epoch, nil
	case id == "":
		return epoch == 1, nil
	}
	next, err := in.cfg.Store.TopicID(ctx, usage.StoredTopic(kafkaTopic, epoch+1), partition)
	return next != id, err // else it was cut back, and goes on under the next name
}

// countRekeyed finds lines whose records count already because they were re-keyed: a block that is written again, after the
// decoder's settings were mended, takes lines that were refused the first time. One that came behind its origin's mark then
// does not count, but by its dead letter.
func (in *Ingester) countRekeyed(ctx context.Context, topic string, partition int32, b *usage.Batch) (map[int64]bool, error) {
	store, ok := in.cfg.Store.(OriginStore)
	if !ok || len(in.cfg.Rekeyed) == 0 {
		return nil, nil
	}
	elsewhere := map[int64]bool{}
	err := store.Rekeyed(ctx, topic, partition, slices.Min(b.Offset), func(_ int32, _ string, o usage.Origin) { elsewhere[o.Offset] = true })
	return elsewhere, err
}

// markReplayed finds records that were counted under another line, by what is stored around their time.
func (in *Ingester) markReplayed(ctx context.Context, topic string, partition int32, b *usage.Batch) error {
	win := newWindow(in.cfg.DedupWindow, importDedupBytes)
	first, last := slices.Min(b.TimeMillis), slices.Max(b.TimeMillis)
	win.advance(last, in.cfg.Now().UnixMilli())
	win.oldest = win.epoch - windowEpochs
	if in.cfg.DedupWindow > 0 {
		since := time.UnixMilli(first).Add(-in.cfg.DedupWindow)
		if err := in.cfg.Store.RecentRequestIDs(ctx, topic, partition, since, win.restore); err != nil {
			return err
		}
	}
	if in.cfg.Enrich != nil {
		in.cfg.Enrich(b, 0)
	}
	if in.cfg.ShortenIPs {
		b.ShortenIPs(0)
	}
	win.mark(b, 0, &sourceSeeds{}, in.cfg.Now().UnixMilli())
	return nil
}

// storeReplayed stores each line's records as a block of its own, unless they are there, or this is only to be tried.
func (in *Ingester) storeReplayed(ctx context.Context, topic string, partition int32, epoch int, b *usage.Batch, res *ReplayResult, elsewhere map[int64]bool, dry bool) error {
	var one usage.Batch
	var r usage.Record
	day := dayOf(in.cfg.Now())
	// An earlier replay, that was broken off before the dead letter was deleted, may have been yesterday's.
	stored, err := in.cfg.Store.LandedOffsets(ctx, usage.Span{Topic: topic, Partition: partition, Day: day, Epoch: strconv.Itoa(epoch)}, maxReplayDays-1, slices.Compact(slices.Clone(b.Offset)))
	if err != nil {
		return err
	}
	for from := 0; from < b.Len(); {
		offset := b.Offset[from]
		to := from
		counts := false
		one.Reset()
		for to < b.Len() && b.Offset[to] == offset {
			b.At(to, &r)
			one.Append(&r)
			counts = counts || r.Flags&usage.FlagDuplicate == 0
			to++
		}
		from = to
		span := usage.Span{Topic: topic, Partition: partition, From: offset, To: offset + 1, Day: day, Epoch: strconv.Itoa(epoch)}
		landed := elsewhere[offset] || slices.Contains(stored, offset)
		if !landed && !dry {
			// Asked for itself, so that a row of an insert which is still under way is not a second one.
			if landed, err = in.cfg.Store.Landed(ctx, span); err != nil {
				return err
			}
		}
		if !landed && !dry {
			if err := in.cfg.Store.InsertEvents(ctx, span, &one); err != nil {
				return err
			}
		}
		res.Stored = append(res.Stored, offset)
		if !counts && !landed {
			res.Repeats = append(res.Repeats, offset)
		}
	}
	return nil
}

// maxReplayDays is how long a dead letter is kept by default, and so how long ago its replay can have been broken off.
const maxReplayDays = 15

// errGone is a line that the log does not hold any more.
var errGone = errors.New("the log no longer holds the line")

// lineAt reads one message.
func (k *kafkaClient) lineAt(ctx context.Context, topic string, partition int32, offset int64) ([]byte, error) {
	first, end, err := k.bounds(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	if offset < first || offset >= end {
		return nil, errGone
	}
	res, err := k.client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Partition: int(partition), Offset: offset, MinBytes: 1, MaxBytes: 1, MaxWait: time.Second})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, fmt.Errorf("read offset %d of %s/%d: %w", offset, topic, partition, err)
	}
	for {
		rec, err := res.Records.ReadRecord()
		if err != nil || rec.Offset > offset {
			return nil, errGone // compacted away
		}
		if rec.Offset < offset {
			continue
		}
		if rec.Value == nil {
			return nil, nil
		}
		line, err := kafka.ReadAll(rec.Value)
		if err != nil {
			return nil, fmt.Errorf("read offset %d of %s/%d: %w", offset, topic, partition, err)
		}
		return line, nil
	}
}
