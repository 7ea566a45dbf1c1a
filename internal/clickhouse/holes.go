package clickhouse

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

var holeColumns = []string{"plan_day", "topic", "epoch", "partition", "from_offset", "to_offset", "refused"}

// InsertHoles notes offsets of a span at which no event is stored. Repeating it changes nothing, however late and however the
// offsets are cut: it is what the log has there.
func (db *DB) InsertHoles(ctx context.Context, span usage.Span, holes []usage.Hole) error {
	if len(holes) == 0 {
		return nil
	}
	return db.insertOnce(ctx, "holes", span, func(token string) error {
		if db.options.Protocol == ch.Native {
			return db.send(ctx, "holes", span, len(holes), 0, func(ctx context.Context) error { return db.sendHolesNative(ctx, span, token, holes) })
		}
		e := db.encoder()
		return db.insertBlock(ctx, insertion{"holes", holeColumns, span, token, len(holes)}, e, e.holes(span, holes))
	})
}

func (e *encoder) holes(span usage.Span, holes []usage.Hole) []byte {
	n := len(holes)
	from, to := make([]int64, n), make([]int64, n)
	refused := make([]byte, n)
	for i, h := range holes {
		from[i], to[i] = h.From, h.To
		if h.Refused {
			refused[i] = 1
		}
	}
	e.buf = e.buf[:0]
	e.uvarint(uint64(len(holeColumns)))
	e.uvarint(uint64(n))
	e.header("plan_day", "Date")
	e.repeat16(uint16(span.Day), n)
	e.constant("topic", span.Topic, n)
	e.constant("epoch", span.Epoch, n)
	e.header("partition", "UInt32")
	e.repeat32(uint32(span.Partition), n)
	e.header("from_offset", "Int64")
	e.int64s(from)
	e.header("to_offset", "Int64")
	e.int64s(to)
	e.header("refused", "UInt8")
	e.buf = append(e.buf, refused...)
	return e.buf
}

func (db *DB) sendHolesNative(ctx context.Context, span usage.Span, token string, holes []usage.Hole) error {
	ctx = ch.Context(ctx, ch.WithSettings(insertSettings(token, db.cfg)))
	batch, err := db.conn.PrepareBatch(ctx, insertStatement("holes", holeColumns))
	if err != nil {
		return err
	}
	defer func() { _ = batch.Close() }()
	day := time.Unix(int64(span.Day)*86400, 0).UTC()
	for _, h := range holes {
		refused := uint8(0)
		if h.Refused {
			refused = 1
		}
		if err := batch.Append(day, span.Topic, span.Epoch, uint32(span.Partition), h.From, h.To, refused); err != nil {
			return fmt.Errorf("offsets %d to %d: %w", h.From, h.To, err)
		}
	}
	return batch.Send()
}

// Holes are what a partition's log was found to have no record at.
type Holes struct {
	Topic     string
	Partition int32
	Offsets   int64
}

// CountHoles counts, by topic and partition, the offsets at which the log had no record that counts. Zero times select all,
// else those whose plan day is in [from, to).
func (db *DB) CountHoles(ctx context.Context, from, to time.Time) ([]Holes, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT name, partition, toInt64(sum(greatest(to_offset - greatest(from_offset, before), 0))) FROM (
    SELECT toString(topic) AS name, partition, from_offset, to_offset,
        max(to_offset) OVER (PARTITION BY name, partition ORDER BY from_offset, to_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM holes WHERE refused = 0 AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}))
GROUP BY name, partition ORDER BY name, partition`, ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)))
	if err != nil {
		return nil, wrap("count offsets without a record", err)
	}
	defer func() { _ = rows.Close() }()
	var all []Holes
	for rows.Next() {
		var h Holes
		var partition uint32
		if err := rows.Scan(&h.Topic, &partition, &h.Offsets); err != nil {
			return nil, wrap("count offsets without a record", err)
		}
		h.Partition = int32(partition)
		all = append(all, h)
	}
	return all, wrap("count offsets without a record", rows.Err())
}
