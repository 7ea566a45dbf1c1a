package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	fetchMinBytes = 64 << 10 // the broker waits up to FetchWait for this much
	fetchMaxBytes = 4 << 20
	lineBuffer    = usage.MaxLineBytes + 1
	maxLineBuffer = 256 << 20
	// handOffPatience is how long a fetch may stand open while the inserter is busy. Longer, and the connection is given
	// up and made anew when there is room again.
	handOffPatience = 5 * time.Second
)

// fetch reads lines from w.next on, decodes them where they arrive (no line is copied) and hands blocks to the inserter,
// until ctx ends.
func (w *worker) fetch(ctx context.Context) error {
	var conn *kafka.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	if err := w.open(ctx); err != nil {
		return err
	}
	buf := make([]byte, lineBuffer)
	var b backoffTimer
	for ctx.Err() == nil {
		if conn == nil {
			c, err := w.connect(ctx)
			if err != nil {
				w.fetchFailed(ctx, err, &b)
				continue
			}
			conn = c
		}
		err := w.fetchOnce(ctx, conn, buf)
		switch {
		case err == nil:
			b = backoffTimer{}
			if len(buf) > lineBuffer {
				buf = make([]byte, lineBuffer)
			}
			if err := w.flushIfDue(ctx); err != nil {
				return err
			}
			continue
		case errors.Is(err, io.ErrShortBuffer) && len(buf) < maxLineBuffer:
			buf = make([]byte, 4*len(buf))
			continue
		case errors.Is(err, kafka.OffsetOutOfRange):
			if err := w.outOfRange(ctx); err != nil {
				return err
			}
		case errors.Is(err, errStopped), errors.Is(err, errFenced):
			return err
		case errors.Is(err, errUnreadable):
			w.fetchFailed(ctx, err, &b)
			w.skipEmptied(ctx)
		case ctx.Err() == nil && !errors.Is(err, errSlow):
			w.fetchFailed(ctx, err, &b)
		}
		_ = conn.Close()
		conn = nil
	}
	return context.Cause(ctx)
}

func (w *worker) connect(ctx context.Context) (*kafka.Conn, error) {
	conn, err := w.in.kafka.dialPartition(ctx, w.topic, w.partition)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Seek(w.next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (w *worker) fetchFailed(ctx context.Context, err error, b *backoffTimer) {
	w.in.metrics.retries.WithLabelValues("fetch").Inc()
	w.status.waitFetch("Kafka: " + err.Error())
	w.log.Warn("waiting to fetch again", "offset", w.next, "error", err)
	sleep(ctx, b.next())
}

// errSlow gives up a fetch whose connection stood open too long.
var errSlow = errors.New("the inserter was busy")

// fetchOnce does one fetch request.
func (w *worker) fetchOnce(ctx context.Context, conn *kafka.Conn, buf []byte) error {
	_ = conn.SetReadDeadline(time.Now().Add(w.in.cfg.FetchWait + 2*handOffPatience))
	if _, err := conn.Seek(w.next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		return err
	}
	batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: fetchMinBytes, MaxBytes: fetchMaxBytes, MaxWait: w.in.cfg.FetchWait})
	w.nowMillis = w.in.cfg.Now().UnixMilli()
	readErr := w.drain(ctx, batch, buf)
	if errors.Is(readErr, errUnreadable) {
		w.finish()
		return readErr // the library holds its locks; the batch cannot even be closed
	}
	// The batch's own offset is behind records that compaction removed and behind transaction markers.
	if end := batch.Offset(); readErr == nil && end > w.next {
		w.next = end
	}
	high := batch.HighWaterMark()
	if err := batch.Close(); readErr == nil && err != nil && !errors.Is(err, kafka.RequestTimedOut) {
		readErr = err
	}
	if readErr != nil {
		w.finish()
		return readErr
	}
	w.status.waitFetch("")
	w.status.sawEnd(high, w.in.cfg.Now())
	w.finish()
	return nil
}

// errUnreadable is a record batch that the client library panics on: one that compaction has emptied.
var errUnreadable = errors.New("record batch cannot be read")

func readRecord(batch *kafka.Batch, buf []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errUnreadable, r)
		}
	}()
	return batch.Read(buf)
}

// skipEmptied moves behind record batches without records, which it asks the slower but thorough request for.
func (w *worker) skipEmptied(ctx context.Context) {
	res, err := w.in.kafka.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: w.topic, Partition: int(w.partition), Offset: w.next,
		MinBytes: 1, MaxBytes: fetchMaxBytes, MaxWait: w.in.cfg.FetchWait,
	})
	if err != nil || res.Error != nil {
		return
	}
	for {
		r, err := res.Records.ReadRecord()
		if err != nil {
			return
		}
		if r.Offset >= w.next {
			w.log.Warn("skipped record batches that compaction has emptied", "from", w.next, "to", r.Offset)
			w.next = r.Offset
			return
		}
	}
}

// drain decodes what the fetch brought.
func (w *worker) drain(ctx context.Context, batch *kafka.Batch, buf []byte) error {
	bytes := 0
	defer func() { w.in.metrics.bytes.Add(float64(bytes)) }()
	for {
		n, err := readRecord(batch, buf)
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, kafka.RequestTimedOut) {
				return nil
			}
			return err
		}
		offset := batch.Offset() - 1
		if offset < w.next {
			continue // a compressed batch starts before the offset that was asked for
		}
		for len(w.replay) > 0 && offset >= w.replay[0].to {
			if err := w.handOver(ctx); err != nil {
				return err
			}
		}
		if w.in.target != nil && len(w.replay) == 0 && offset-w.cur.from >= maxRekeySpan && w.cur.lines > 0 {
			if err := w.handOver(ctx); err != nil {
				return err
			}
		}
		w.next = offset + 1
		if n == 6 && buf[0] == 0 && buf[1] == 0 {
			w.in.metrics.control.Inc()
			continue
		}
		bytes += n
		if w.cur.lines == 0 {
			w.cur.opened = time.Now()
		}
		w.pipe.add(w.cur, buf[:n], offset, w.nowMillis)
		if w.isFull() {
			if err := w.handOver(ctx); err != nil {
				return err
			}
		}
	}
}

// finish enriches, marks and shows what was decoded since.
func (w *worker) finish() {
	from := w.pipe.finish(w.cur, w.nowMillis)
	to := w.cur.batch.Len()
	if to == from {
		return
	}
	for _, o := range w.eager {
		o.ObserveRange(w.topic, w.partition, &w.cur.batch, from, to)
	}
}

// isFull is asked after each line; the size is looked at now and then only. A planned block ends where the plan says.
func (w *worker) isFull() bool {
	if len(w.replay) > 0 {
		return w.next >= w.replay[0].to
	}
	return w.cur.batch.Len() >= w.in.cfg.MaxBlockRows || w.cur.lines%16 == 0 && w.cur.size() >= w.maxBytes
}

// flushIfDue hands the block over when it is old enough and the inserter is free: when the store is the slower part,
// blocks grow instead of queueing.
func (w *worker) flushIfDue(ctx context.Context) error {
	if len(w.replay) > 0 {
		if w.next >= w.replay[0].to {
			return w.handOver(ctx)
		}
		return nil
	}
	if w.next == w.cur.from || !w.inserterFree.Load() || (w.cur.lines > 0 && time.Since(w.cur.opened) < w.flush) {
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

func (w *worker) observe(b *block) {
	if b.batch.Len() == 0 {
		return
	}
	for _, o := range w.observers {
		o.Observe(w.topic, w.partition, &b.batch)
	}
}

// handOver gives the block to the inserter, waiting until it is free, and opens the next.
func (w *worker) handOver(ctx context.Context) error {
	w.finish()
	w.seal()
	w.observe(w.cur)
	w.in.metrics.dedupSpan.WithLabelValues(w.topic, w.label).Set(w.pipe.window.span().Seconds())
	w.in.metrics.dedupBytes.WithLabelValues(w.topic, w.label).Set(float64(w.pipe.window.bytes()))
	started := time.Now()
	select {
	case w.full <- w.cur:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if len(w.replay) > 0 {
		w.replay = w.replay[1:]
	}
	if err := w.open(ctx); err != nil {
		return err
	}
	if time.Since(started) > handOffPatience {
		return errSlow
	}
	return nil
}

// open takes an empty block, waiting until the inserter has given one back.
func (w *worker) open(ctx context.Context) error {
	from := w.next
	if w.cur != nil {
		from = w.cur.to
	}
	select {
	case w.cur = <-w.free:
		w.cur.reset(from)
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
		return fmt.Errorf("%w: the log of %s/%d ends at %d, before offset %d that was read from it; it was truncated by an unclean leader election or made anew", errStopped, w.topic, w.partition, end, w.next)
	}
	lost := fmt.Sprintf("offsets %d to %d of %s/%d were dropped by the log's retention before they were read", w.next, first-1, w.topic, w.partition)
	if w.in.cfg.OnGap != GapContinue {
		return fmt.Errorf("%w: %s; set ingest.on_gap to %q to note the gap and go on", errStopped, lost, GapContinue)
	}
	w.log.Error("gap", "reason", lost)
	gap := usage.Gap{Topic: w.stored(), Partition: w.partition, From: w.next, To: first, Reason: "retention", TimeMillis: w.in.cfg.Now().UnixMilli()}
	if err := w.retry(ctx, "record_gap", func(ctx context.Context) error { return w.in.cfg.Store.RecordGap(ctx, gap) }); err != nil {
		return err
	}
	w.in.metrics.gapOffsets.Add(float64(first - w.next))
	for len(w.replay) > 0 && first >= w.replay[0].to {
		w.next = w.replay[0].to
		if err := w.handOver(ctx); err != nil && !errors.Is(err, errSlow) {
			return err
		}
	}
	w.next = max(w.next, first)
	return nil
}
