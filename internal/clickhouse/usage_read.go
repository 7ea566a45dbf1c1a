package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// Granularity is the step in which usage is asked for.
type Granularity int

// Steps of time. Days and months are those of UTC. Total is one step for the whole time.
const (
	Hourly Granularity = iota
	Daily
	Monthly
	Total
)

var granularityFunctions = map[Granularity]string{
	Hourly: "hour", Daily: "toStartOfDay(hour, 'UTC')", Monthly: "toDateTime(toStartOfMonth(hour, 'UTC'), 'UTC')",
	Total: "toDateTime({from:Int64}, 'UTC')",
}

// UsageByKey returns the usage of the keys in [from, to), which must be whole hours, per step, ordered by key and time:
// sealed hours from their seal, all others from the events. Steps without usage are left out. Events that came late into a
// sealed hour are in it once it is sealed again, see [DB.LateHours].
func (db *DB) UsageByKey(ctx context.Context, keyIDs []string, from, to time.Time, g Granularity) ([]KeyUsage, error) {
	step, ok := granularityFunctions[g]
	if !ok {
		return nil, fmt.Errorf("there is no granularity %d", g)
	}
	if len(keyIDs) == 0 {
		return nil, nil
	}
	var all []KeyUsage
	for keys := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(keyIDs))), maxBoundValues) {
		if err := db.usage(ctx, step, "key_id IN {keys:Array(String)}", keys, from, to, func(u KeyUsage) error {
			all = append(all, u)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// EachKeyUsage calls each with the usage in all of [from, to), which must be whole hours, of every key that has any, ordered
// by key, and stops at its error. Calls without a key are left out.
func (db *DB) EachKeyUsage(ctx context.Context, from, to time.Time, each func(KeyUsage) error) error {
	return db.usage(ctx, granularityFunctions[Total], "key_id != ''", nil, from, to, each)
}

// usage adds up sealed hours from their seal and all others from the events.
func (db *DB) usage(ctx context.Context, step, keys string, keyIDs []string, from, to time.Time, each func(KeyUsage) error) error {
	from, to = from.UTC(), to.UTC()
	if !from.Equal(from.Truncate(time.Hour)) || !to.Equal(to.Truncate(time.Hour)) {
		return errors.New("usage is asked for in whole hours")
	}
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `WITH sealed AS (
    SELECT hour FROM usage_seals FINAL WHERE hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC'))
SELECT key_id, `+step+` AS start, sum(requests), sum(errors), sum(request_bytes_sum), sum(response_bytes_sum), sumMap(units_sum)
FROM (
    SELECT hour, key_id, requests, errors, request_bytes AS request_bytes_sum, response_bytes AS response_bytes_sum, units AS units_sum
    FROM usage_hourly FINAL
    WHERE `+keys+` AND hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC') AND hour GLOBAL IN (SELECT hour FROM sealed)
    UNION ALL
    SELECT toStartOfHour(time) AS hour, key_id,`+aggregates+`
    FROM events
    WHERE `+keys+` AND time >= toDateTime({from:Int64}, 'UTC') AND time < toDateTime({to:Int64}, 'UTC')
      AND plan_day >= toDate({day:Int32}) AND `+counted+` AND toStartOfHour(time) GLOBAL NOT IN (SELECT hour FROM sealed)
    GROUP BY hour, key_id)
GROUP BY key_id, start ORDER BY key_id, start`,
		ch.Named("keys", append([]string{}, keyIDs...)), ch.Named("from", seconds(from)), ch.Named("to", seconds(to)), ch.Named("day", planDay(from)))
	if err != nil {
		return wrap("read usage", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var u KeyUsage
		if err := rows.Scan(&u.KeyID, &u.Start, &u.Requests, &u.Errors, &u.RequestBytes, &u.ResponseBytes, &u.Units); err != nil {
			return wrap("read usage", err)
		}
		u.Start = u.Start.UTC()
		if err := each(u); err != nil {
			return err
		}
	}
	return wrap("read usage", rows.Err())
}
