package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// ReplayResult says what became of the dead letters that were tried.
type ReplayResult struct {
	Tried    int64 `json:"tried"`
	Replayed int64 `json:"replayed"` // now events; with a dry run: would be
	Refused  int64 `json:"refused"`  // still cannot be read
	Gone     int64 `json:"gone"`     // no longer in the log, or from an imported file: import that again
}

// ReplayDeadLetters reads the original lines of dead letters again, from the log, with today's settings, and moves those that
// can be read now to the events. It may be broken off and repeated: a line that was moved counts once. With dryRun nothing
// is changed.
func (a *App) ReplayDeadLetters(ctx context.Context, filter clickhouse.DeadLetterFilter, dryRun bool) (ReplayResult, error) {
	var res ReplayResult
	var cursor clickhouse.DeadLetterCursor
	for {
		letters, next, err := a.Events.DeadLetters(ctx, filter, cursor, 500)
		if err != nil {
			return res, err
		}
		for i := range letters {
			if err := a.replayOne(ctx, &letters[i], dryRun, &res); err != nil {
				return res, err
			}
		}
		if cursor = next; next == (clickhouse.DeadLetterCursor{}) {
			return res, nil
		}
	}
}

func (a *App) replayOne(ctx context.Context, l *clickhouse.StoredDeadLetter, dryRun bool, res *ReplayResult) error {
	res.Tried++
	m, err := a.message(ctx, l)
	if err != nil {
		return err
	}
	if m == nil {
		res.Gone++
		return nil
	}
	decoder, err := a.Decoder()
	if err != nil {
		return err
	}
	var b usage.Batch
	var reject *accesslog.Reject
	err = decoder.Decode(m.Value, ingest.Origin{Offset: l.Offset, ReceivedMillis: m.Time.UnixMilli(), Source: l.Topic, KafkaKey: m.Key}, &b)
	if errors.As(err, &reject) {
		res.Refused++
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s/%d@%d again: %w", l.Topic, l.Partition, l.Offset, err)
	}
	res.Replayed++
	if dryRun {
		return nil
	}
	a.Enricher.Fill(&b, 0)
	span := usage.Span{
		Topic: l.Topic, Partition: l.Partition, From: l.Offset, To: l.Offset + 1, Epoch: l.Epoch,
		Day: int32(a.now().Unix() / int64(24*time.Hour/time.Second)),
	}
	// The events first: broken off in between, the next run finds them there and only removes the letter.
	landed, err := a.Events.OffsetLanded(ctx, l.Topic, l.Partition, l.Offset, l.Epoch)
	if err != nil {
		return err
	}
	if !landed {
		if err := a.Events.InsertEvents(ctx, span, &b); err != nil {
			return err
		}
	}
	return a.Events.DeleteDeadLetters(ctx, l.Topic, l.Partition, []int64{l.Offset})
}

// message reads a dead letter's line from the log; nil when it is no longer there.
func (a *App) message(ctx context.Context, l *clickhouse.StoredDeadLetter) (*kafka.Message, error) {
	if strings.HasPrefix(l.Topic, "import:") {
		return nil, nil //nolint:nilnil // documented above
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	dialer := &kafka.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialLeader(ctx, "tcp", a.brokers[0], l.Topic, int(l.Partition))
	if err != nil {
		return nil, fmt.Errorf("read %s/%d from Kafka: %w", l.Topic, l.Partition, err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	first, last, err := conn.ReadOffsets()
	if err != nil {
		return nil, fmt.Errorf("read offsets of %s/%d: %w", l.Topic, l.Partition, err)
	}
	if l.Offset < first || l.Offset >= last {
		return nil, nil //nolint:nilnil // documented above
	}
	if _, err := conn.Seek(l.Offset, kafka.SeekAbsolute); err != nil {
		return nil, fmt.Errorf("seek %s/%d@%d: %w", l.Topic, l.Partition, l.Offset, err)
	}
	m, err := conn.ReadMessage(16 << 20)
	if err != nil {
		return nil, fmt.Errorf("read %s/%d@%d: %w", l.Topic, l.Partition, l.Offset, err)
	}
	if m.Offset != l.Offset {
		return nil, nil //nolint:nilnil // compacted away
	}
	return &m, nil
}
