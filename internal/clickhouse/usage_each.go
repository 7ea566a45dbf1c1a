package clickhouse

import (
	"context"
	"errors"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// EachKeyUsage calls each with the usage of every key that has any in [from, to), which must be whole hours, and stops at
// its error. Sealed hours come from their seal, all others from the events. Start is from.
func (db *DB) EachKeyUsage(ctx context.Context, from, to time.Time, each func(KeyUsage) error) error {
	from, to = from.UTC(), to.UTC()
	if !from.Equal(from.Truncate(time.Hour)) || !to.Equal(to.Truncate(time.Hour)) {
		return errors.New("usage is asked for in whole hours")
	}
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `WITH sealed AS (
    SELECT hour FROM usage_seals FINAL WHERE hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC'))
SELECT key_id, sum(requests), sum(errors), sum(request_bytes_sum), sum(response_bytes_sum), sumMap(units_sum)
FROM (
    SELECT key_id, requests, errors, request_bytes AS request_bytes_sum, response_bytes AS response_bytes_sum, units AS units_sum
    FROM usage_hourly FINAL
    WHERE hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC') AND hour IN (SELECT hour FROM sealed)
    UNION ALL
    SELECT key_id,`+aggregates+`
    FROM events
    WHERE time >= toDateTime({from:Int64}, 'UTC') AND time < toDateTime({to:Int64}, 'UTC')
      AND plan_day >= toDate({day:Int32}) AND `+counted+` AND toStartOfHour(time) NOT IN (SELECT hour FROM sealed)
    GROUP BY key_id)
WHERE key_id != ''
GROUP BY key_id`,
		ch.Named("from", seconds(from)), ch.Named("to", seconds(to)), ch.Named("day", planDay(from)))
	if err != nil {
		return wrap("read the usage of all keys", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		u := KeyUsage{Start: from}
		if err := rows.Scan(&u.KeyID, &u.Requests, &u.Errors, &u.RequestBytes, &u.ResponseBytes, &u.Units); err != nil {
			return wrap("read the usage of all keys", err)
		}
		if err := each(u); err != nil {
			return err
		}
	}
	return wrap("read the usage of all keys", rows.Err())
}

// SealedThrough returns the end of the last sealed hour, the zero time when nothing is sealed. Hours are sealed in order.
func (db *DB) SealedThrough(ctx context.Context) (time.Time, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	var n uint64
	var last time.Time
	if err := db.conn.QueryRow(ctx, "SELECT count(), max(hour) FROM usage_seals").Scan(&n, &last); err != nil {
		return time.Time{}, wrap("look for the last sealed hour", err)
	}
	if n == 0 {
		return time.Time{}, nil
	}
	return last.UTC().Add(time.Hour), nil
}

// UnsealedHours returns the hours before the given time that have events which count and no seal, in order, at most limit.
func (db *DB) UnsealedHours(ctx context.Context, before time.Time, limit int) ([]time.Time, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT DISTINCT toStartOfHour(time) AS hour FROM events
WHERE time < toDateTime({before:Int64}, 'UTC') AND hour NOT IN (SELECT hour FROM usage_seals FINAL)
ORDER BY hour LIMIT {limit:UInt64}`, ch.Named("before", seconds(before)), ch.Named("limit", uint64(limit)))
	if err != nil {
		return nil, wrap("look for unsealed hours", err)
	}
	defer func() { _ = rows.Close() }()
	var hours []time.Time
	for rows.Next() {
		var h time.Time
		if err := rows.Scan(&h); err != nil {
			return nil, wrap("look for unsealed hours", err)
		}
		hours = append(hours, h.UTC())
	}
	return hours, wrap("look for unsealed hours", rows.Err())
}
