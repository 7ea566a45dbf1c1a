package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// sealGrace is how long an insert may take from when ClickHouse gave it its time to when its rows can be seen. Events
// that were inserted so shortly before a seal may be missing from it, so their hour is sealed once more.
const sealGrace = 2 * time.Minute

// counted selects the records that count: a gateway's own retry (usage.FlagDuplicate) does not.
const counted = "bitAnd(flags, 2) = 0"

// Usage is what was used. All sums are exact; units of records are added by name.
type Usage struct {
	Requests      uint64
	Errors        uint64 // status 500 and above, or no answer
	RequestBytes  uint64
	ResponseBytes uint64
	Units         map[string]uint64
}

// KeyUsage is the usage of a key in one step of time.
type KeyUsage struct {
	KeyID string
	Start time.Time // UTC
	Usage
}

// aggregates turn events into usage. isError is one place for what counts as an error.
const aggregates = `
    count() AS requests,
    countIf(status >= 500 OR status = 0) AS errors,
    sum(request_bytes) AS request_bytes_sum,
    sum(response_bytes) AS response_bytes_sum,
    sumMap(units) AS units_sum`

// SealResult says what a seal covered.
type SealResult struct {
	Hours int64 // hours that were sealed, empty ones included
	Rows  int64 // key-hours that were written
}

// SealHours recomputes the usage of the hours in [from, to), which must be whole hours, from the events and replaces what
// was sealed for them. It may be repeated at any time. Hours older than events are kept cannot be recomputed: an error.
func (db *DB) SealHours(ctx context.Context, from, to time.Time) (SealResult, error) {
	from, to = from.UTC(), to.UTC()
	if !from.Equal(from.Truncate(time.Hour)) || !to.Equal(to.Truncate(time.Hour)) || to.Before(from) {
		return SealResult{}, fmt.Errorf("cannot seal [%s, %s): not whole hours in order", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if from.Equal(to) {
		return SealResult{}, nil
	}
	now := db.cfg.Now().UTC()
	if oldest := db.oldestSealable(); from.Before(oldest) {
		return SealResult{}, fmt.Errorf("cannot seal %s: events are kept for %d days, so what was sealed before %s stays as it is",
			from.Format(time.RFC3339), db.cfg.EventsTTLDays, oldest.Format(time.DateOnly))
	}
	ctx, cancel := withTimeout(ctx, 10*time.Minute)
	defer cancel()
	version := uint64(now.UnixNano())
	// ClickHouse's clock gives events their inserted_at, so it says until when the seal covers them, too.
	var covers time.Time
	if err := db.conn.QueryRow(ctx, "SELECT now64(3, 'UTC')").Scan(&covers); err != nil {
		return SealResult{}, wrap("seal usage", err)
	}
	args := []any{
		ch.Named("from", seconds(from)), ch.Named("to", seconds(to)), ch.Named("day", planDay(from)),
		ch.Named("version", version), ch.Named("covers", covers.Add(-sealGrace).UnixMilli()),
	}
	if err := db.conn.Exec(ctx, `INSERT INTO usage_hourly (hour, key_id, requests, errors, request_bytes, response_bytes, units, version)
SELECT hour, key_id, requests, errors, request_bytes_sum, response_bytes_sum, units_sum, {version:UInt64} FROM (
SELECT toStartOfHour(time) AS hour, key_id,`+aggregates+`
FROM events
WHERE time >= toDateTime({from:Int64}, 'UTC') AND time < toDateTime({to:Int64}, 'UTC') AND plan_day >= toDate({day:Int32}) AND `+counted+`
GROUP BY hour, key_id)`, args...); err != nil {
		return SealResult{}, wrap("seal usage", err)
	}
	// Written last: a seal that died half way is not one, and is made again.
	if err := db.conn.Exec(ctx, `INSERT INTO usage_seals (hour, covers_until, version)
SELECT toDateTime({from:Int64} + 3600 * number, 'UTC'), fromUnixTimestamp64Milli({covers:Int64}, 'UTC'), {version:UInt64}
FROM numbers(intDiv({to:Int64} - {from:Int64}, 3600))`, args...); err != nil {
		return SealResult{}, wrap("note sealed hours", err)
	}
	result := SealResult{Hours: int64(to.Sub(from) / time.Hour)}
	var rows uint64
	if err := db.conn.QueryRow(ctx, "SELECT count() FROM usage_hourly WHERE version = {version:UInt64} AND hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC')",
		args...).Scan(&rows); err != nil {
		return SealResult{}, wrap("seal usage", err)
	}
	result.Rows = int64(rows)
	return result, nil
}

// SealedHours returns the sealed hours in [from, to), in order.
func (db *DB) SealedHours(ctx context.Context, from, to time.Time) ([]time.Time, error) {
	return db.hours(ctx, "list sealed hours", `SELECT hour FROM usage_seals FINAL
WHERE hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC') ORDER BY hour`, from, to)
}

// oldestSealable is the first hour that can be sealed; of those before it events may have been dropped. Zero when events are kept
// for ever.
func (db *DB) oldestSealable() time.Time {
	if db.cfg.EventsTTLDays <= 0 {
		return time.Time{}
	}
	// The day on which rows of that age are dropped, less one for clocks and one because days are dropped whole.
	return db.cfg.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 2-db.cfg.EventsTTLDays)
}

// sealable leaves out of hours in order those that are too old to be sealed.
func (db *DB) sealable(hours []time.Time) []time.Time {
	n, _ := slices.BinarySearchFunc(hours, db.oldestSealable(), time.Time.Compare)
	return hours[n:]
}

// LateHours returns the sealed hours whose seal does not cover all events that were inserted since then, in order: those
// to seal again. Hours that were never sealed are not among them, see [DB.UnsealedHours], nor those that are too old for
// [DB.SealHours]. It reads a few rows a part.
func (db *DB) LateHours(ctx context.Context, since time.Time) ([]time.Time, error) {
	hours, err := db.hours(ctx, "look for late events", `SELECT hour FROM (
SELECT toStartOfHour(time) AS hour, max(inserted_at) AS last FROM events
GROUP BY hour HAVING last >= toDateTime({from:Int64}, 'UTC')) AS e
INNER JOIN (SELECT hour, covers_until FROM usage_seals FINAL) AS s ON e.hour = s.hour
WHERE last > covers_until ORDER BY hour`, since, time.Time{})
	return db.sealable(hours), err
}

// UnsealedHours returns the hours before the given time that have events and no seal, in order, at most limit. Hours that are
// too old for [DB.SealHours], such as those of a gateway with a wrong clock, are not among them: nothing is to wait for them. It
// reads a few rows a part.
func (db *DB) UnsealedHours(ctx context.Context, before time.Time, limit int) ([]time.Time, error) {
	hours, err := db.hours(ctx, "look for unsealed hours", `SELECT hour FROM (
SELECT toStartOfHour(time) AS hour, count() AS n FROM events GROUP BY hour)
WHERE hour < toDateTime({to:Int64}, 'UTC') AND hour GLOBAL NOT IN (SELECT hour FROM usage_seals FINAL)
ORDER BY hour`, time.Time{}, before)
	fit := db.sealable(hours)
	if old := int64(len(hours) - len(fit)); db.tooOld.Swap(old) != old && old > 0 {
		db.cfg.Logger.Warn("records are older than events are kept: their hours are not sealed, and count only while the records are there; tollkeeper audit lists them",
			"hours", old, "first", hours[0], "days", db.cfg.EventsTTLDays)
	}
	return fit[:min(len(fit), max(limit, 0))], err
}

func (db *DB) hours(ctx context.Context, doing, sql string, from, to time.Time) ([]time.Time, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, sql, ch.Named("from", seconds(from)), ch.Named("to", seconds(to)))
	if err != nil {
		return nil, wrap(doing, err)
	}
	defer func() { _ = rows.Close() }()
	var hours []time.Time
	for rows.Next() {
		var h time.Time
		if err := rows.Scan(&h); err != nil {
			return nil, wrap(doing, err)
		}
		hours = append(hours, h.UTC())
	}
	return hours, wrap(doing, rows.Err())
}
