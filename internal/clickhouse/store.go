package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Landed says whether the span's events are in the table. A block is atomic, so one row of it is all of it. Dead letters
// are not asked about: they are written before the events, so they alone prove nothing, and writing them again does no harm.
func (db *DB) Landed(ctx context.Context, span usage.Span) (bool, error) {
	landed, err := db.landed(ctx, "events", span)
	if err == nil && !landed {
		db.suspects.add(span.Token("events"))
		db.suspects.add(span.Token("dead_letters"))
		db.suspects.add(span.Token("holes"))
	}
	return landed, err
}

// LandedOffsets returns those of the offsets at which an event is stored that was planned on span.Day or on one of so many days before. It proves nothing about
// an insert that is under way: ask Landed before the same block is inserted again.
func (db *DB) LandedOffsets(ctx context.Context, span usage.Span, days int32, offsets []int64) (landed []int64, err error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT DISTINCT offset FROM events
WHERE plan_day BETWEEN toDate({day:Int32}) - {days:Int32} AND toDate({day:Int32}) AND topic = {topic:String} AND partition = {partition:UInt32}
  AND offset IN {offsets:Array(Int64)} AND epoch = {epoch:String}`, append(spanArgs(span), ch.Named("days", days), ch.Named("offsets", offsets))...)
	if err != nil {
		return nil, wrap("ask which lines have landed", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var offset int64
		if err := rows.Scan(&offset); err != nil {
			return nil, wrap("ask which lines have landed", err)
		}
		landed = append(landed, offset)
	}
	return landed, wrap("ask which lines have landed", rows.Err())
}

func (db *DB) landed(ctx context.Context, table string, span usage.Span) (bool, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	offset := "offset"
	if table == "holes" {
		offset = "from_offset"
	}
	var n uint64
	err := db.conn.QueryRow(ctx, `SELECT count() FROM (
SELECT 1 FROM `+table+`
WHERE plan_day = toDate({day:Int32}) AND topic = {topic:String} AND partition = {partition:UInt32}
  AND `+offset+` >= {from:Int64} AND `+offset+` < {to:Int64} AND epoch = {epoch:String}
LIMIT 1)`, spanArgs(span)...).Scan(&n)
	return n > 0, wrap("ask whether a block landed", err)
}

func spanArgs(span usage.Span) []any {
	return []any{
		ch.Named("day", span.Day), ch.Named("topic", span.Topic), ch.Named("partition", uint32(span.Partition)),
		ch.Named("from", span.From), ch.Named("to", span.To), ch.Named("epoch", span.Epoch),
	}
}

// LastOffset returns the greatest offset of the partition that reached events, under its own topic or re-keyed, or dead
// letters. It looks at the last two days of plans first and, only when they have none, at all.
func (db *DB) LastOffset(ctx context.Context, topic string, partition int32) (offset int64, found bool, err error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	for _, table := range []string{"events", "dead_letters"} {
		for _, since := range []string{"AND plan_day >= (SELECT max(plan_day) - 1 FROM " + table + ")", ""} {
			var n uint64
			var last int64
			if err := db.conn.QueryRow(ctx, "SELECT count(), max(offset) FROM "+table+" WHERE topic = {topic:String} AND partition = {partition:UInt32} "+since,
				ch.Named("topic", topic), ch.Named("partition", uint32(partition))).Scan(&n, &last); err != nil {
				return 0, false, wrap("ask for the last offset", err)
			}
			if n > 0 {
				if !found || last > offset {
					offset, found = last, true
				}
				break
			}
		}
	}
	_, rekeyed, err := db.LastPlaces(ctx, topic, partition)
	if err != nil {
		return 0, false, err
	}
	if rekeyed >= 0 && (!found || rekeyed > offset) {
		offset, found = rekeyed, true
	}
	return offset, found, nil
}

// RecentRequestIDs calls each, in no order, for every counted record that has a request id from the partition's first on
// that was made since then: so also for those made earlier that came later. The request id is valid during the call only.
func (db *DB) RecentRequestIDs(ctx context.Context, topic string, partition int32, since time.Time, each func(timeMillis int64, source string, requestID []byte)) error {
	ctx, cancel := withTimeout(ctx, 5*time.Minute)
	defer cancel()
	// A record is planned after it was made, give or take a clock: earlier days cannot hold it.
	return db.stream(ctx, "read recent request ids", `SELECT toUnixTimestamp64Milli(time), toString(source), request_id FROM events
WHERE plan_day >= toDate({day:Int32}) AND topic = {topic:String} AND partition = {partition:UInt32}
  AND offset >= (SELECT min(offset) FROM events
    WHERE plan_day >= toDate({day:Int32}) AND topic = {topic:String} AND partition = {partition:UInt32} AND time >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
    HAVING count() > 0)
  AND request_id != '' AND bitAnd(flags, 2) = 0`,
		[]any{ch.Named("day", planDay(since)), ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("since", millis(since))},
		func(r *rowReader) error {
			at, source, id := r.int64(), r.interned(), r.bytes()
			if r.err == nil {
				each(at, source, id)
			}
			return r.err
		}, func(scan func(...any) error) error {
			var at int64
			var source, id string
			if err := scan(&at, &source, &id); err != nil {
				return err
			}
			each(at, source, []byte(id))
			return nil
		})
}

// RecordGap notes offsets that were lost. Repeating it changes nothing.
func (db *DB) RecordGap(ctx context.Context, g usage.Gap) error {
	ctx, cancel := withTimeout(ctx, InsertTimeout)
	defer cancel()
	return wrap("record lost offsets", db.conn.Exec(ctx, `INSERT INTO gaps (time, topic, partition, from_offset, to_offset, reason)
SELECT fromUnixTimestamp64Milli({time:Int64}, 'UTC'), {topic:String}, {partition:UInt32}, {from:Int64}, {to:Int64}, {reason:String}`,
		ch.Named("time", g.TimeMillis), ch.Named("topic", g.Topic), ch.Named("partition", uint32(g.Partition)),
		ch.Named("from", g.From), ch.Named("to", g.To), ch.Named("reason", g.Reason)))
}

// Gaps returns the recorded gaps, oldest first.
func (db *DB) Gaps(ctx context.Context) ([]usage.Gap, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, "SELECT toUnixTimestamp64Milli(time) AS at, toString(topic), partition, from_offset, to_offset, reason FROM gaps FINAL ORDER BY at, topic, partition, from_offset")
	if err != nil {
		return nil, wrap("list gaps", err)
	}
	defer func() { _ = rows.Close() }()
	var gaps []usage.Gap
	for rows.Next() {
		var g usage.Gap
		var partition uint32
		if err := rows.Scan(&g.TimeMillis, &g.Topic, &partition, &g.From, &g.To, &g.Reason); err != nil {
			return nil, wrap("read a gap", err)
		}
		g.Partition = int32(partition)
		gaps = append(gaps, g)
	}
	return gaps, wrap("list gaps", rows.Err())
}
