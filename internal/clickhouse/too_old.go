package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// TooOld are records that came when their hour could not be sealed any more.
type TooOld struct {
	Records, Hours int64     // all of them
	First          []OldHour // the oldest
}

// OldHour is an hour with such records.
type OldHour struct {
	Hour    time.Time // UTC
	Records int64
	// Sealed says that the hour was sealed without them, so that they do not count. Otherwise they count until they are dropped.
	Sealed bool
}

// TooOld counts the records that count and are in no seal, of hours that are too old for [DB.SealHours], and returns the oldest
// of those hours, at most limit. Zero times select all, else the records whose plan day is in [from, to).
func (db *DB) TooOld(ctx context.Context, from, to time.Time, limit int) (TooOld, error) {
	var all TooOld
	oldest := db.oldestSealable()
	if oldest.IsZero() {
		return all, nil
	}
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT hour, n, sealed, toInt64(sum(n) OVER ()), toInt64(count() OVER ()) FROM (
    SELECT e.hour AS hour, toInt64(count()) AS n, s.sealed AS sealed
    FROM (SELECT toStartOfHour(time) AS hour, inserted_at FROM events
        WHERE time < toDateTime({oldest:Int64}, 'UTC') AND plan_day >= toDate({from:Int32}) AND plan_day < toDate({to:Int32}) AND `+counted+`) AS e
    GLOBAL LEFT JOIN (SELECT hour, covers_until, true AS sealed FROM usage_seals FINAL WHERE hour < toDateTime({oldest:Int64}, 'UTC')) AS s ON e.hour = s.hour
    WHERE NOT s.sealed OR e.inserted_at > s.covers_until
    GROUP BY hour, sealed)
ORDER BY hour LIMIT {limit:UInt64}`,
		ch.Named("oldest", seconds(oldest)), ch.Named("from", dayOf(from, 0)), ch.Named("to", dayOf(to, 65535)), ch.Named("limit", uint64(max(limit, 0))))
	if err != nil {
		return all, wrap("look for records that are too old to be sealed", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var h OldHour
		if err := rows.Scan(&h.Hour, &h.Records, &h.Sealed, &all.Records, &all.Hours); err != nil {
			return all, wrap("look for records that are too old to be sealed", err)
		}
		h.Hour = h.Hour.UTC()
		all.First = append(all.First, h)
	}
	return all, wrap("look for records that are too old to be sealed", rows.Err())
}
