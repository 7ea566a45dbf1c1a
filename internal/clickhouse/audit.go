package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// PartitionAudit is what is stored of one partition of a topic.
type PartitionAudit struct {
	Topic      string
	Partition  int32
	Rows       int64 // events
	Places     int64 // distinct (offset, sub) of events: as many as rows, or some are stored twice
	Duplicates int64 // events that are a gateway's own retry and do not count
	// Unprotected are events without a request id: a gateway's own retry of one could not be told and would count.
	Unprotected int64
	// MinOffset and MaxOffset are those of events and dead letters; DeadLetters counts the latter.
	MinOffset, MaxOffset int64
	FirstDay             int32 // the earliest day on which any of it was planned, in days since 1970
	DeadLetters          int64
	RequestBytes         uint64 // of all rows, as are the two below
	ResponseBytes        uint64
}

// Audit counts what is stored, by topic and partition, exactly: places are counted as offset * 65536 + sub, which is exact
// up to 2^47 records in a partition. It takes about 4 s and a few GB of ClickHouse's memory for a hundred million rows; ask for
// a long history by days. Zero times select all, else the records whose plan day is in [from, to).
func (db *DB) Audit(ctx context.Context, from, to time.Time) ([]PartitionAudit, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT topic_name, partition, toInt64(sum(n)), toInt64(sum(places)), toInt64(sum(duplicates)), toInt64(sum(unprotected)), min(least_offset), max(most_offset), toInt64(sum(letters)), sum(request_sum), sum(response_sum), toInt32(min(first_day))
FROM (
    SELECT toString(topic) AS topic_name, partition, count() AS n, uniqExact(toUInt64(offset) * 65536 + sub) AS places, countIf(bitAnd(flags, 2) != 0) AS duplicates, countIf(bitAnd(flags, 6) = 4) AS unprotected,
        min(offset) AS least_offset, max(offset) AS most_offset, toUInt64(0) AS letters, sum(request_bytes) AS request_sum, sum(response_bytes) AS response_sum, toUInt16(min(plan_day)) AS first_day
    FROM events WHERE plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) GROUP BY topic_name, partition, epoch
    UNION ALL
    SELECT toString(topic) AS topic_name, partition, 0, 0, 0, 0, min(offset), max(offset), count(), 0, 0, toUInt16(min(plan_day))
    FROM dead_letters FINAL WHERE plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) GROUP BY topic_name, partition)
GROUP BY topic_name, partition ORDER BY topic_name, partition`, ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)))
	if err != nil {
		return nil, wrap("audit what is stored", err)
	}
	defer func() { _ = rows.Close() }()
	var all []PartitionAudit
	for rows.Next() {
		var a PartitionAudit
		var partition uint32
		if err := rows.Scan(&a.Topic, &partition, &a.Rows, &a.Places, &a.Duplicates, &a.Unprotected, &a.MinOffset, &a.MaxOffset, &a.DeadLetters, &a.RequestBytes, &a.ResponseBytes, &a.FirstDay); err != nil {
			return nil, wrap("audit what is stored", err)
		}
		a.Partition = int32(partition)
		all = append(all, a)
	}
	return all, wrap("audit what is stored", rows.Err())
}

// StatusTotals returns how many records that count there are by status, those of one topic or, with "", of all.
func (db *DB) StatusTotals(ctx context.Context, topic string) (map[uint16]int64, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, "SELECT status, toInt64(count()) FROM events WHERE ({topic:String} = '' OR topic = {topic:String}) AND "+counted+" GROUP BY status",
		ch.Named("topic", topic))
	if err != nil {
		return nil, wrap("count by status", err)
	}
	defer func() { _ = rows.Close() }()
	totals := map[uint16]int64{}
	for rows.Next() {
		var status uint16
		var n int64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, wrap("count by status", err)
		}
		totals[status] = n
	}
	return totals, wrap("count by status", rows.Err())
}

// Rate is how many calls were made in one step of time.
type Rate struct {
	Start    time.Time // UTC
	Requests int64
	Errors   int64
	Refused  int64 // by the gateway, for their key: 401, 403 and 429
}

// Rates returns the calls in [from, to) by steps of at least a second, without those that had none; of one key or, with
// "", of all.
func (db *DB) Rates(ctx context.Context, keyID string, from, to time.Time, step time.Duration) ([]Rate, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT toInt64(intDiv(toUnixTimestamp(time), {step:Int64}) * {step:Int64}) AS start, toInt64(count()), toInt64(countIf(status >= 500 OR status = 0)), toInt64(countIf(status IN (401, 403, 429)))
FROM events
WHERE ({key:String} = '' OR key_id = {key:String}) AND time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND plan_day >= toDate({day:Int32}) AND `+counted+`
GROUP BY start ORDER BY start`,
		ch.Named("step", max(int64(step/time.Second), 1)), ch.Named("key", keyID), ch.Named("from", millis(from)), ch.Named("to", millis(to)),
		ch.Named("day", planDay(from)))
	if err != nil {
		return nil, wrap("read request rates", err)
	}
	defer func() { _ = rows.Close() }()
	var rates []Rate
	for rows.Next() {
		var r Rate
		var start int64
		if err := rows.Scan(&start, &r.Requests, &r.Errors, &r.Refused); err != nil {
			return nil, wrap("read request rates", err)
		}
		r.Start = time.Unix(start, 0).UTC()
		rates = append(rates, r)
	}
	return rates, wrap("read request rates", rows.Err())
}
