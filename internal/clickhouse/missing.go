package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// OffsetRange is [From, To) of a partition.
type OffsetRange struct{ From, To int64 }

// MissingOffsets returns up to limit runs of offsets of a partition of which neither an event nor a dead letter is stored, nor
// noted that there is none, in order: those between the least and the greatest that something is known of and, where first is
// not negative, those from it on. It looks at offsets below before only. That a line was refused is believed once its dead
// letter may be past its time to live. Zero times select all, else the blocks whose plan day is in [from, to), and then what
// lies between two days is not looked at.
func (db *DB) MissingOffsets(ctx context.Context, topic string, partition int32, from, to time.Time, first, before int64, limit int) ([]OffsetRange, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	const known = " WHERE topic = {topic:String} AND partition = {partition:UInt32} AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32})"
	forgotten := db.cfg.Now().AddDate(0, 0, 1-db.cfg.DeadLettersTTLDays) // dead letters of blocks before that day may be
	rows, err := db.conn.Query(ctx, `SELECT known, at FROM (
    SELECT at, max(until) OVER earlier AS known, count() OVER earlier AS n FROM (
        SELECT DISTINCT offset AS at, offset + 1 AS until FROM events`+known+` AND offset < {before:Int64}
        UNION DISTINCT
        SELECT DISTINCT offset AS at, offset + 1 AS until FROM dead_letters`+known+` AND offset < {before:Int64}
        UNION ALL
        SELECT from_offset AS at, to_offset AS until FROM holes`+known+` AND from_offset < {before:Int64} AND (refused = 0 OR plan_day <= toDate({forgotten:Int32}))
        UNION ALL
        SELECT {first:Int64} AS at, {first:Int64} AS until WHERE {first:Int64} >= 0)
    WINDOW earlier AS (ORDER BY at, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
WHERE n > 0 AND at > known ORDER BY at LIMIT {limit:UInt64}`,
		ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)),
		ch.Named("first", first), ch.Named("before", before), ch.Named("forgotten", dayOf(forgotten, 0)), ch.Named("limit", uint64(max(limit, 0))))
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
