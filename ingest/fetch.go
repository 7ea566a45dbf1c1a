package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/kafkalog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	fetchMinBytes = 64 << 10 // the broker waits up to FetchWait for this much
	fetchMaxBytes = 1 << 20  // of an answer; more costs more than it saves, for it falls out of the processor's caches
	// answerPatience is how much longer than FetchWait an answer may take.
	answerPatience = 10 * time.Second
	// restShare of a full block is worth an insert of its own when the log has nothing more for now.
	restShare = 8
	// behindPatience is how many times FlushInterval a block may be filled where a whole one is waiting in the log.
	behindPatience = 4
	// rampUp is how many of the first blocks are smaller where much is waiting, each a quarter of the next and the last of them half of a whole one: the
	// store need not stand by until there is a whole one, and while it takes a block four times as many rows are read as it has, so early in a run.
	rampUp = 3
)

// fetch reads lines from w.next on, decodes them where they lie (no line is copied) and hands blocks to the inserter, until
// ctx ends.
func (w *worker) fetch(ctx context.Context) error {
	var s *stream
	w.records.Keep, w.records.Longest = w.memory.unpacked(), usage.MaxLineBytes
	w.records.Room = w.in.largeBatches.to(ctx, func() {})
	defer func() {
		w.records.Close()
		if s != nil {
			s.stop()
		}
	}()
	if err := w.open(ctx); err != nil {
		return err
	}
	var b backoffTimer
	for ctx.Err() == nil {
		if s == nil {
			conn, err := w.connect(ctx)
			switch {
			case errors.Is(err, errStopped):
				return err
			case err != nil:
				if err := w.fetchFailed(ctx, err, &b); err != nil {
					return err
				}
				continue
			}
			s = w.startStream(conn)
		}
		err := w.fetchOnce(ctx, s)
		switch {
		case err == nil:
			b = backoffTimer{}
			if err := w.flushIfDue(ctx); err != nil {
				return err
			}
			continue
		case errors.Is(err, kafka.OffsetOutOfRange):
			if err := w.outOfRange(ctx); err != nil {
				return err
			}
		case errors.Is(err, errStopped), errors.Is(err, errFenced):
			return err
		case ctx.Err() == nil:
			if err := w.fetchFailed(ctx, err, &b); err != nil {
				return err
			}
		}
		s.stop()
		s = nil
	}
	return context.Cause(ctx)
}

// connect dials the partition's leader and makes sure that its log is still the one that was taken over.
func (w *worker) connect(ctx context.Context) (net.Conn, error) {
	conn, err := w.in.kafka.dialPartition(ctx, w.topic, w.partition)
	if err != nil {
		return nil, err
	}
	if err := w.sameTopic(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// fetchFailed waits before the next try. What was fetched before goes on to the store meanwhile.
func (w *worker) fetchFailed(ctx context.Context, err error, b *backoffTimer) error {
	w.in.metrics.retries.WithLabelValues("fetch").Inc()
	w.status.waitFetch("Kafka: " + err.Error())
	w.log.Warn("waiting to fetch again", "offset", w.next, "error", err)
	sleep(ctx, b.next())
	return w.flushIfDue(ctx)
}

// stream asks for a partition's log, one answer ahead of who decodes it: the broker and the network work meanwhile. Its two
// answers take turns, so who does not decode stops it.
type stream struct {
	conn    net.Conn
	both    [2]kafkalog.Answer
	answers chan fetched
	free    chan *kafkalog.Answer
	stopped <-chan struct{}
	cancel  context.CancelFunc
	ended   sync.WaitGroup
}

type fetched struct {
	*kafkalog.Answer
	offset int64 // that was asked for
	err    error
}

func (w *worker) startStream(conn net.Conn) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{conn: conn, answers: make(chan fetched), free: make(chan *kafkalog.Answer, 2), stopped: ctx.Done(), cancel: cancel}
	s.free <- &s.both[0]
	s.free <- &s.both[1]
	patience := w.in.cfg.FetchWait + answerPatience
	f := kafkalog.NewFetcher(conn, kafkalog.Config{
		ClientID: w.in.kafka.transport.ClientID, Topic: w.topic, Partition: w.partition,
		MinBytes: fetchMinBytes, MaxBytes: w.memory.answerBytes(), MaxWait: w.in.cfg.FetchWait,
		Keep: w.memory.keptAnswer(), Room: w.in.largeAnswers.to(ctx, func() { _ = conn.SetDeadline(time.Now().Add(patience)) }),
	})
	offset := w.next
	s.ended.Go(func() {
		for {
			var a *kafkalog.Answer
			select {
			case a = <-s.free:
			case <-s.stopped:
				return
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			got := fetched{a, offset, f.Fetch(offset, a)}
			next := offset
			if got.err == nil {
				next = a.Next(offset) // before it is given away: who has decoded it empties it
			}
			select {
			case s.answers <- got:
			case <-s.stopped:
				return
			}
			if got.err != nil {
				return
			}
			offset = next
		}
	})
	return s
}

// stop cuts the connection and waits until the stream has ended. The answers must not be in use any more.
func (s *stream) stop() {
	s.cancel()
	_ = s.conn.Close()
	s.ended.Wait()
	s.both[0].Free()
	s.both[1].Free()
}

// fetchOnce decodes one answer, unless the inserter asks for a block before it has come.
func (w *worker) fetchOnce(ctx context.Context, s *stream) error {
	var a fetched
	select {
	case a = <-s.answers:
	case <-w.freed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if a.err != nil {
		return a.err
	}
	w.nowMillis = w.in.cfg.Now().UnixMilli()
	if err := errors.Join(w.drain(ctx, a), w.finish(ctx)); err != nil {
		return err
	}
	w.status.waitFetch("")
	w.status.sawEnd(a.End, a.Stable, w.in.cfg.Now())
	w.atRest = w.next >= a.Stable && a.Size() < fetchMinBytes
	w.behind = a.Stable-w.next >= int64(w.in.cfg.MaxBlockRows)
	a.Free()
	s.free <- a.Answer
	return nil
}

// drain decodes what the fetch brought.
func (w *worker) drain(ctx context.Context, a fetched) error {
	bytes := 0
	defer func() {
		w.in.metrics.bytes.Add(float64(bytes))
		w.in.metrics.control.Add(float64(w.records.Skipped))
	}()
	w.records.Over(a.Answer, a.offset)
	for w.records.Next() {
		offset := w.records.Offset
		if offset < w.next {
			continue // where a gap was passed by
		}
		if err := w.endPlanned(ctx, offset); err != nil {
			return err
		}
		if w.in.target != nil && len(w.replay) == 0 && offset-w.cur.from >= maxRekeySpan && w.cur.lines > 0 {
			if err := w.handOver(ctx); err != nil {
				return err
			}
		}
		w.pass(offset)
		w.next = offset + 1
		bytes += len(w.records.Value)
		w.cur.begin()
		w.cur.reserve(w.in.cfg.MaxBlockRows, w.memory.block)
		w.pipe.add(w.cur, w.records.Value, offset, w.nowMillis)
		if w.isFull() {
			if err := w.handOver(ctx); err != nil {
				return err
			}
		}
	}
	// What compaction removed, transaction markers and aborted records leave no line.
	if err := w.endPlanned(ctx, w.records.After()); err != nil {
		return err
	}
	w.pass(w.records.After())
	if err := w.records.Err(); err != nil {
		return err
	}
	if a.Cut() {
		return fmt.Errorf("%w: the broker sent only a part of the one at offset %d", kafkalog.ErrCorrupt, w.next)
	}
	return nil
}

// endPlanned hands over the planned blocks that end at that offset or before it, which is the next that the log has a record at.
func (w *worker) endPlanned(ctx context.Context, offset int64) error {
	for len(w.replay) > 0 && offset >= w.replay[0].to {
		w.pass(w.replay[0].to)
		if err := w.handOver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pass goes on to that offset: the log has no record that counts before it.
func (w *worker) pass(to int64) {
	if to <= w.next {
		return
	}
	if w.in.target == nil { // what a Rekeyer leaves out is not audited
		w.cur.begin()
		w.cur.pass(w.next, to)
	}
	w.next = to
}

// finish enriches, marks and shows what was decoded since.
func (w *worker) finish(ctx context.Context) error {
	from := w.pipe.finish(w.cur, w.nowMillis)
	to := w.cur.batch.Len()
	if to == from || len(w.eager) == 0 {
		return nil
	}
	return w.show(ctx, observation{rows: w.cur.batch, from: from, to: to})
}

// isFull is asked after each line; the size is looked at now and then only, and before the columns grow. A planned block ends where the plan says.
func (w *worker) isFull() bool {
	if len(w.replay) > 0 {
		return w.next >= w.replay[0].to
	}
	n := w.cur.batch.Len()
	return n >= w.in.cfg.MaxBlockRows || (w.cur.lines%16 == 0 || n == w.cur.batch.Room()) && w.cur.full(w.memory.block)
}

// flushIfDue hands the block over when the inserter is free, and the block old enough, or the log at rest and the block not small:
// when the store is the slower part, blocks grow instead of queueing. Where there is more to catch up with than a block can hold, it may
// grow older: its rows are late anyway, and few large inserts cost less than many small ones.
func (w *worker) flushIfDue(ctx context.Context) error {
	if len(w.replay) > 0 {
		if w.next >= w.replay[0].to {
			return w.handOver(ctx)
		}
		return nil
	}
	if w.next == w.cur.from || !w.inserterFree.Load() {
		return nil
	}
	patience := w.flush
	if w.behind {
		patience *= behindPatience
	}
	rest := w.atRest && w.cur.batch.Len() >= w.in.cfg.MaxBlockRows/restShare
	early := w.behind && w.handed < rampUp && w.flush == w.in.cfg.FlushInterval && w.cur.batch.Len() >= w.in.cfg.MaxBlockRows>>(2*(rampUp-w.handed)-1)
	if old := w.cur.opened.IsZero() || time.Since(w.cur.opened) >= patience; !old && !rest && !early {
		return nil
	}
	return w.handOver(ctx)
}

// seal fixes the block's end and its day.
func (w *worker) seal() {
	w.cur.to = w.next
	if len(w.replay) > 0 {
		w.cur.to, w.cur.day, w.cur.planned, w.cur.targets = w.replay[0].to, w.replay[0].day, true, w.replay[0].targets
		return
	}
	w.cur.day = dayOf(w.in.cfg.Now())
}

// handOver gives the block to the observers, who give it to the inserter, and opens the next.
func (w *worker) handOver(ctx context.Context) error {
	w.handed++
	if err := w.finish(ctx); err != nil {
		return err
	}
	w.seal()
	w.in.metrics.dedupSpan.WithLabelValues(w.topic, w.label).Set(w.pipe.window.span().Seconds())
	w.in.metrics.dedupBytes.WithLabelValues(w.topic, w.label).Set(float64(w.pipe.window.bytes()))
	w.inserterFree.Store(false) // not before it has had this block
	if err := w.show(ctx, observation{block: w.cur}); err != nil {
		return err
	}
	if len(w.replay) > 0 {
		w.replay = w.replay[1:]
	}
	return w.open(ctx)
}

// open takes an empty block, waiting until the inserter has given one back.
func (w *worker) open(ctx context.Context) error {
	from := w.next
	if w.cur != nil {
		from = w.cur.to
	}
	select {
	case w.cur = <-w.free:
		w.cur.recycle(from, w.memory.block)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// outOfRange is called when the log no longer holds w.next, or ends before it.
func (w *worker) outOfRange(ctx context.Context) error {
	var first, end int64
	if err := w.retry(ctx, "bounds", func(ctx context.Context) (err error) {
		first, end, err = w.in.kafka.bounds(ctx, w.topic, w.partition)
		return err
	}); err != nil {
		return err
	}
	switch {
	case w.next >= first && w.next <= end:
		return nil // the leader moved, or the log was just cut; ask again
	case w.next > end:
		if err := w.noteCut(ctx, end, w.next); err != nil {
			return err
		}
		return fmt.Errorf("%w: the log of %s/%d ends at %d, before offset %d that was read from it; it was truncated by an unclean leader election or made anew", errStopped, w.topic, w.partition, end, w.next)
	}
	lost := fmt.Sprintf("offsets %d to %d of %s/%d were dropped by the log's retention before they were read", w.next, first-1, w.topic, w.partition)
	if w.in.cfg.OnGap != GapContinue {
		return fmt.Errorf("%w: %s; set on-gap to %q to note the gap and go on", errStopped, lost, GapContinue)
	}
	w.log.Error("gap", "reason", lost)
	gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: w.next, To: first, Reason: "retention", TimeMillis: w.in.cfg.Now().UnixMilli()}
	if err := w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) }); err != nil {
		return err
	}
	w.in.metrics.gapOffsets.Add(float64(first - w.next))
	for len(w.replay) > 0 && first >= w.replay[0].to {
		w.next = w.replay[0].to
		if err := w.handOver(ctx); err != nil {
			return err
		}
	}
	w.next = max(w.next, first)
	return nil
}
