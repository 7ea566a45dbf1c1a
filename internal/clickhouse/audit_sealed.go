package clickhouse

import (
	"context"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// SealedDifference is an hour of a key whose seal is not what its events say.
type SealedDifference struct {
	Hour           time.Time
	KeyID          string
	SealedRequests uint64
	// Least are the events that the seal must count; Most are those of them and the ones that came so late that they may be
	// counted or not until their hour is sealed again.
	Least, Most uint64
}

// Text says it in words.
func (d SealedDifference) Text() string {
	switch {
	case d.SealedRequests >= d.Least && d.SealedRequests <= d.Most:
		return fmt.Sprintf("the sealed bytes, errors or units are not those of its %d events", d.Most)
	case d.Least == d.Most:
		return fmt.Sprintf("sealed %d calls, the events say %d", d.SealedRequests, d.Most)
	default:
		return fmt.Sprintf("sealed %d calls, the events say %d to %d", d.SealedRequests, d.Least, d.Most)
	}
}

// AuditSealed compares the sealed hours in [from, to) with their events and returns up to limit differences, in order.
//
// Events that came after an hour was sealed are no difference yet: their hour will be sealed again, see [DB.LateHours].
// Until then its sums must lie between those of the events that the seal covers and those of all; units are compared
// where the two are the same.
func (db *DB) AuditSealed(ctx context.Context, from, to time.Time, limit int) ([]SealedDifference, error) {
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `WITH sealed AS (
    SELECT hour, covers_until FROM usage_seals FINAL WHERE hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC'))
SELECT hour, key_id, sum(s0), sum(least0), sum(most0)
FROM (
    SELECT hour, key_id, requests AS s0, toUInt64(0) AS least0, toUInt64(0) AS most0, request_bytes AS s1, toUInt64(0) AS least1, toUInt64(0) AS most1,
        response_bytes AS s2, toUInt64(0) AS least2, toUInt64(0) AS most2, errors AS s3, toUInt64(0) AS least3, toUInt64(0) AS most3,
        units AS s4, CAST(map(), 'Map(LowCardinality(String), UInt64)') AS most4
    FROM usage_hourly FINAL WHERE hour GLOBAL IN (SELECT hour FROM sealed)
    UNION ALL
    SELECT hour, key_id, 0, countIf(covered), count(), 0, sumIf(request_bytes, covered), sum(request_bytes), 0, sumIf(response_bytes, covered), sum(response_bytes),
        0, countIf(failed AND covered), countIf(failed), CAST(map(), 'Map(LowCardinality(String), UInt64)'), sumMap(units)
    FROM (
        SELECT s.hour AS hour, e.key_id AS key_id, e.inserted_at <= s.covers_until AS covered, e.status >= 500 OR e.status = 0 AS failed,
            e.request_bytes AS request_bytes, e.response_bytes AS response_bytes, e.units AS units
        FROM (SELECT toStartOfHour(time) AS hour, key_id, status, request_bytes, response_bytes, units, inserted_at FROM events
            WHERE time >= toDateTime({from:Int64}, 'UTC') AND time < toDateTime({to:Int64}, 'UTC') AND `+counted+`) AS e
        GLOBAL INNER JOIN sealed AS s ON e.hour = s.hour)
    GROUP BY hour, key_id)
GROUP BY hour, key_id
HAVING sum(s0) < sum(least0) OR sum(s0) > sum(most0) OR sum(s1) < sum(least1) OR sum(s1) > sum(most1) OR sum(s2) < sum(least2) OR sum(s2) > sum(most2)
    OR sum(s3) < sum(least3) OR sum(s3) > sum(most3) OR (sum(least0) = sum(most0) AND toString(sumMap(s4)) != toString(sumMap(most4)))
ORDER BY hour, key_id LIMIT {limit:UInt64}`,
		ch.Named("from", seconds(from)), ch.Named("to", seconds(to)), ch.Named("limit", uint64(max(limit, 0))))
	if err != nil {
		return nil, wrap("compare sealed usage with events", err)
	}
	defer func() { _ = rows.Close() }()
	var all []SealedDifference
	for rows.Next() {
		var d SealedDifference
		if err := rows.Scan(&d.Hour, &d.KeyID, &d.SealedRequests, &d.Least, &d.Most); err != nil {
			return nil, wrap("compare sealed usage with events", err)
		}
		d.Hour = d.Hour.UTC()
		all = append(all, d)
	}
	return all, wrap("compare sealed usage with events", rows.Err())
}
