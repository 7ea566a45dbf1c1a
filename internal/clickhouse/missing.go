package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// OffsetRange is [From, To) of a partition.
type OffsetRange struct{ From, To int64 }

// MissingOffsets returns up to limit runs of offsets between the least and the greatest stored one of a partition of which
// neither an event nor a dead letter is stored, in order, looking at offsets below before only. Zero times select all, else
// the blocks whose plan day is in [from, to), and then what lies between two days is not looked at. Markers of a producer's transactions and compacted
// records are missing in this sense, too.
func (db *DB) MissingOffsets(ctx context.Context, topic string, partition int32, from, to time.Time, before int64, limit int) ([]OffsetRange, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT before + 1, offset FROM (
    SELECT offset, lagInFrame(offset, 1, offset - 1) OVER (ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before FROM (
        SELECT DISTINCT offset FROM events
        WHERE topic = {topic:String} AND partition = {partition:UInt32} AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) AND offset < {before:Int64}
        UNION DISTINCT
        SELECT DISTINCT offset FROM dead_letters
        WHERE topic = {topic:String} AND partition = {partition:UInt32} AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) AND offset < {before:Int64}))
WHERE offset > before + 1 ORDER BY offset LIMIT {limit:UInt64}`,
		ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)),
		ch.Named("before", before), ch.Named("limit", uint64(max(limit, 0))))
	if err != nil {
		return nil, wrap("look for missing offsets", err)
	}
	defer func() { _ = rows.Close() }()
	var all []OffsetRange
	for rows.Next() {
		var r OffsetRange
		if err := rows.Scan(&r.From, &r.To); err != nil {
			return nil, wrap("look for missing offsets", err)
		}
		all = append(all, r)
	}
	return all, wrap("look for missing offsets", rows.Err())
}

// BrokenLines is a partition's log lines of several records of which some are not stored.
type BrokenLines struct {
	Topic     string
	Partition int32
	OffsetRange
	Records int64 // that are missing, at least
}

// MissingRecords finds lines of several records of which not all are stored, by topic and partition. That the last ones are
// missing is told by the flag of the one before: how many they were, by nothing, so it counts as one. Zero times select all,
// else the blocks whose plan day is in [from, to). It takes memory for every line of several records.
func (db *DB) MissingRecords(ctx context.Context, from, to time.Time) ([]BrokenLines, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT topic_name, partition, min(offset), max(offset) + 1, toInt64(sum(missing)) FROM (
    SELECT toString(topic) AS topic_name, partition, offset, toInt64(max(sub)) + 1 - toInt64(uniqExact(sub)) + toInt64(bitAnd(argMax(flags, sub), 16) != 0) AS missing FROM events
    WHERE plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32})
      AND (topic, partition, offset) GLOBAL IN (SELECT topic, partition, offset FROM events WHERE (sub > 0 OR bitAnd(flags, 16) != 0) AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}))
    GROUP BY topic_name, partition, offset HAVING missing > 0)
GROUP BY topic_name, partition ORDER BY topic_name, partition`, ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)))
	if err != nil {
		return nil, wrap("look for missing records", err)
	}
	defer func() { _ = rows.Close() }()
	var all []BrokenLines
	for rows.Next() {
		var l BrokenLines
		var partition uint32
		if err := rows.Scan(&l.Topic, &partition, &l.From, &l.To, &l.Records); err != nil {
			return nil, wrap("look for missing records", err)
		}
		l.Partition = int32(partition)
		all = append(all, l)
	}
	return all, wrap("look for missing records", rows.Err())
}
