package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

var deadLetterColumns = []string{
	"plan_day", "time", "topic", "epoch", "partition", "offset", "sub", "source", "format", "reason", "detail", "line", "bytes",
}

// InsertDeadLetters inserts the rejected lines of a span. Repeating it changes nothing, however late: besides the token,
// rows of the same place in the log replace each other.
func (db *DB) InsertDeadLetters(ctx context.Context, span usage.Span, letters []usage.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	return db.insertOnce(ctx, "dead_letters", span, func(token string) error {
		if db.options.Protocol == ch.Native {
			return db.send(ctx, "dead_letters", span, len(letters), 0, func(ctx context.Context) error { return db.sendDeadLettersNative(ctx, span, token, letters) })
		}
		e := db.encoder()
		return db.insertBlock(ctx, insertion{"dead_letters", deadLetterColumns, span, token, len(letters)}, e, e.deadLetters(span, letters))
	})
}

func (e *encoder) deadLetters(span usage.Span, letters []usage.DeadLetter) []byte {
	n := len(letters)
	var times, offsets []int64
	var subs []uint16
	var bytes []uint32
	var source, format, reason usage.Dict
	var detail, line usage.Strings
	for i := range letters {
		l := &letters[i]
		times, offsets, subs = append(times, l.TimeMillis), append(offsets, l.Offset), append(subs, l.Sub)
		source.AppendString(l.Source)
		format.AppendString(l.Format)
		reason.AppendString(l.Reason)
		detail.Append([]byte(l.Detail))
		line.Append(l.Line)
		bytes = append(bytes, uint32(l.Bytes))
	}
	e.buf = e.buf[:0]
	e.uvarint(uint64(len(deadLetterColumns)))
	e.uvarint(uint64(n))
	e.header("plan_day", "Date")
	e.repeat16(uint16(span.Day), n)
	e.header("time", "DateTime64(3, 'UTC')")
	e.int64s(times)
	e.constant("topic", span.Topic, n)
	e.constant("epoch", span.Epoch, n)
	e.header("partition", "UInt32")
	e.repeat32(uint32(span.Partition), n)
	e.header("offset", "Int64")
	e.int64s(offsets)
	e.header("sub", "UInt16")
	e.uint16s(subs)
	e.lowCardinality("source", &source)
	e.lowCardinality("format", &format)
	e.lowCardinality("reason", &reason)
	e.strings("detail", &detail)
	e.strings("line", &line)
	e.header("bytes", "UInt32")
	e.uint32s(bytes)
	return e.buf
}

func (db *DB) sendDeadLettersNative(ctx context.Context, span usage.Span, token string, letters []usage.DeadLetter) error {
	ctx = ch.Context(ctx, ch.WithSettings(insertSettings(token, db.cfg)))
	batch, err := db.conn.PrepareBatch(ctx, insertStatement("dead_letters", deadLetterColumns))
	if err != nil {
		return err
	}
	defer func() { _ = batch.Close() }()
	day := time.Unix(int64(span.Day)*86400, 0).UTC()
	for _, l := range letters {
		if err := batch.Append(day, time.UnixMilli(l.TimeMillis), span.Topic, span.Epoch, uint32(span.Partition), l.Offset, l.Sub,
			l.Source, l.Format, l.Reason, l.Detail, string(l.Line), uint32(l.Bytes)); err != nil {
			return fmt.Errorf("dead letter at offset %d: %w", l.Offset, err)
		}
	}
	return batch.Send()
}

// StoredDeadLetter is a dead letter and where in the log its line is.
type StoredDeadLetter struct {
	usage.DeadLetter
	Topic     string
	Epoch     string
	Partition int32
}

// DeadLetterFilter selects dead letters; zero fields select all.
type DeadLetterFilter struct {
	Topic    string
	Reason   string
	Format   string
	From, To time.Time // of the rejection: [From, To)
}

// DeadLetterCursor is where a page ended; its zero value is before the first.
type DeadLetterCursor struct {
	TimeMillis int64
	Topic      string
	Partition  int32
	Offset     int64
	Sub        uint16
}

const deadLetterWhere = `
WHERE ({topic:String} = '' OR topic = {topic:String})
  AND ({reason:String} = '' OR reason = {reason:String})
  AND ({format:String} = '' OR format = {format:String})
  AND ({from:Int64} = 0 OR time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
  AND ({to:Int64} = 0 OR time < fromUnixTimestamp64Milli({to:Int64}, 'UTC'))`

func (f DeadLetterFilter) args() []any {
	return []any{
		ch.Named("topic", f.Topic), ch.Named("reason", f.Reason), ch.Named("format", f.Format),
		ch.Named("from", millis(f.From)), ch.Named("to", millis(f.To)),
	}
}

// DeadLetters returns up to limit dead letters, newest first, after the cursor, and the cursor of the next page; it is
// the zero cursor on the last page.
func (db *DB) DeadLetters(ctx context.Context, f DeadLetterFilter, after DeadLetterCursor, limit int) ([]StoredDeadLetter, DeadLetterCursor, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	args := append(f.args(), ch.Named("limit", uint64(max(limit, 0))+1), ch.Named("at", after.TimeMillis), ch.Named("atTopic", after.Topic),
		ch.Named("atPartition", uint32(after.Partition)), ch.Named("atOffset", after.Offset), ch.Named("atSub", after.Sub))
	rows, err := db.conn.Query(ctx, `SELECT toUnixTimestamp64Milli(time), topic, epoch, partition, offset, sub, source, format, reason, detail, line, bytes
FROM dead_letters FINAL`+deadLetterWhere+`
  AND ({at:Int64} = 0 OR (toUnixTimestamp64Milli(time), toString(topic), partition, offset, sub) < ({at:Int64}, {atTopic:String}, {atPartition:UInt32}, {atOffset:Int64}, {atSub:UInt16}))
ORDER BY time DESC, topic DESC, partition DESC, offset DESC, sub DESC LIMIT {limit:UInt64}`, args...)
	if err != nil {
		return nil, DeadLetterCursor{}, wrap("list dead letters", err)
	}
	defer func() { _ = rows.Close() }()
	var letters []StoredDeadLetter
	for rows.Next() {
		var l StoredDeadLetter
		var partition, size uint32
		var line string
		if err := rows.Scan(&l.TimeMillis, &l.Topic, &l.Epoch, &partition, &l.Offset, &l.Sub, &l.Source, &l.Format, &l.Reason, &l.Detail, &line, &size); err != nil {
			return nil, DeadLetterCursor{}, wrap("read a dead letter", err)
		}
		l.Partition, l.Line, l.Bytes = int32(partition), []byte(line), int(size)
		letters = append(letters, l)
	}
	if err := rows.Err(); err != nil {
		return nil, DeadLetterCursor{}, wrap("list dead letters", err)
	}
	if len(letters) <= limit {
		return letters, DeadLetterCursor{}, nil
	}
	letters = letters[:limit]
	if limit == 0 {
		return nil, after, nil
	}
	last := letters[limit-1]
	return letters, DeadLetterCursor{last.TimeMillis, last.Topic, last.Partition, last.Offset, last.Sub}, nil
}

// CountDeadLetters returns how many dead letters the filter selects, by reason.
func (db *DB) CountDeadLetters(ctx context.Context, f DeadLetterFilter) (map[string]int64, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, "SELECT toString(reason), toInt64(count()) FROM dead_letters FINAL"+deadLetterWhere+" GROUP BY reason", f.args()...)
	if err != nil {
		return nil, wrap("count dead letters", err)
	}
	defer func() { _ = rows.Close() }()
	counts := map[string]int64{}
	for rows.Next() {
		var reason string
		var n int64
		if err := rows.Scan(&reason, &n); err != nil {
			return nil, wrap("read a count of dead letters", err)
		}
		counts[reason] = n
	}
	return counts, wrap("count dead letters", rows.Err())
}

// DeleteDeadLetters removes the dead letters of the given offsets, once their lines were replayed. It returns when they
// can no longer be seen.
func (db *DB) DeleteDeadLetters(ctx context.Context, topic string, partition int32, offsets []int64) error {
	for some := range slices.Chunk(offsets, maxBoundValues) {
		if err := db.deleteDeadLetters(ctx, topic, partition, some); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) deleteDeadLetters(ctx context.Context, topic string, partition int32, offsets []int64) error {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	return wrap("delete replayed dead letters", db.conn.Exec(ctx, "DELETE FROM "+db.localTable("dead_letters")+db.onCluster()+
		" WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset IN {offsets:Array(Int64)}",
		ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("offsets", offsets)))
}
