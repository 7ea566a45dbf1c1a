package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The queries below are answered from the projection `places` of the events, a few rows a part; only for parts that are
// older than it the columns are read. So they use its very expressions.
const lastOrigin = "max(toInt128(origin_offset) * 65536 + origin_sub)"

// Origins calls each with the last place of every origin partition of which records are stored under the topic.
func (db *DB) Origins(ctx context.Context, topic string, partition int32, each func(usage.Origin)) error {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT toString(name), toInt64(intDiv(last, 65536)), toUInt16(last % 65536) FROM (
SELECT origin AS name, `+lastOrigin+` AS last FROM events
WHERE topic = {topic:String} AND partition = {partition:UInt32} AND origin != '' GROUP BY origin)`,
		ch.Named("topic", topic), ch.Named("partition", uint32(partition)))
	if err != nil {
		return wrap("ask where re-keyed records came from", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var o usage.Origin
		if err := rows.Scan(&o.Partition, &o.Offset, &o.Sub); err != nil {
			return wrap("ask where re-keyed records came from", err)
		}
		each(o)
	}
	return wrap("ask where re-keyed records came from", rows.Err())
}

// RekeyedTwice returns, by origin partition, how many re-keyed records that count have a place in common with another one
// that counts: none. It reads the origins of all events whose plan day is in [from, to); zero times select all.
func (db *DB) RekeyedTwice(ctx context.Context, from, to time.Time) (map[string]int64, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT toString(origin) AS name, toInt64(count() - uniqExact(origin_offset, origin_sub)) AS twice FROM events
WHERE plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) AND origin != '' AND `+counted+`
GROUP BY name HAVING twice > 0`, ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)))
	if err != nil {
		return nil, wrap("audit re-keyed records", err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, wrap("audit re-keyed records", err)
		}
		all[name] = n
	}
	return all, wrap("audit re-keyed records", rows.Err())
}

// LastPlaces returns the greatest offset of a partition that reached events under its own topic, and the greatest that did
// so re-keyed; -1 when there is none.
func (db *DB) LastPlaces(ctx context.Context, topic string, partition int32) (direct, rekeyed int64, err error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	if err := db.conn.QueryRow(ctx, "SELECT if(count() = 0, toInt64(-1), max(offset)) FROM events WHERE topic = {topic:String} AND partition = {partition:UInt32}",
		ch.Named("topic", topic), ch.Named("partition", uint32(partition))).Scan(&direct); err != nil {
		return 0, 0, wrap("ask for the last offset", err)
	}
	if err := db.conn.QueryRow(ctx, "SELECT if(count() = 0, toInt64(-1), toInt64(intDiv("+lastOrigin+", 65536))) FROM events WHERE origin = {origin:String}",
		ch.Named("origin", usage.OriginPartition(topic, partition))).Scan(&rekeyed); err != nil {
		return 0, 0, wrap("ask for the last re-keyed offset", err)
	}
	return direct, rekeyed, nil
}

// Rekeyed calls each for the re-keyed records of a partition that count, from that offset on, with the partition that they
// are in now.
// It reads the origins of all events: ask when there is no other way.
func (db *DB) Rekeyed(ctx context.Context, topic string, partition int32, from int64, each func(now int32, keyID string, o usage.Origin)) error {
	ctx, cancel := withTimeout(ctx, 5*time.Minute)
	defer cancel()
	o := usage.Origin{Partition: usage.OriginPartition(topic, partition)}
	return db.stream(ctx, "read re-keyed records", `SELECT partition, key_id, origin_offset, origin_sub FROM events
WHERE origin = {origin:String} AND origin_offset >= {from:Int64} AND `+counted,
		[]any{ch.Named("origin", o.Partition), ch.Named("from", from)},
		func(r *rowReader) error {
			now, key := int32(r.uint32()), r.interned()
			o.Offset, o.Sub = r.int64(), r.uint16()
			if r.err == nil {
				each(now, key, o)
			}
			return r.err
		}, func(scan func(...any) error) error {
			var now uint32
			var key string
			if err := scan(&now, &key, &o.Offset, &o.Sub); err != nil {
				return err
			}
			each(int32(now), key, o)
			return nil
		})
}
