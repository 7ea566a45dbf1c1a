package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// historyRows is about how many records are sorted at once when history is read: the memory that it takes in ClickHouse.
const historyRows = 500_000

// historyColumns are those of eventColumnsRead that detection looks at; the others are left empty, and not read.
const historyColumns = `toUnixTimestamp64Milli(time) AS at, key_id, '' AS no_source, '' AS no_id, toString(method), '' AS no_host,
toString(route), path, status, toUInt32(0) AS no_latency, request_bytes, response_bytes, client_ip, toString(country), asn, '' AS no_user_agent,
toString(agent), mapKeys(units), mapValues(units), flags, '' AS no_topic, partition, offset, sub`

// Window is a stretch of history, [From, To), and how many records it holds.
type Window struct {
	From, To time.Time
	Records  int64
}

// HistoryWindows cuts the records of [since, until) into stretches of about historyRows records, in order of time. Zero
// times are without bound.
func (db *DB) HistoryWindows(ctx context.Context, since, until time.Time) ([]Window, error) {
	if until.IsZero() {
		until = time.Unix(lastSecond, 0)
	}
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT toStartOfHour(time) AS hour, count() FROM events
WHERE toStartOfHour(time) >= toStartOfHour(toDateTime({since:Int64}, 'UTC')) AND toStartOfHour(time) < toDateTime({until:Int64}, 'UTC') GROUP BY hour ORDER BY hour`,
		ch.Named("since", seconds(since)), ch.Named("until", seconds(until)))
	if err != nil {
		return nil, wrap("survey the history", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Window
	for rows.Next() {
		var hour time.Time
		var n uint64
		if err := rows.Scan(&hour, &n); err != nil {
			return nil, wrap("survey the history", err)
		}
		out = addHour(out, later(hour.UTC(), since), earlier(hour.UTC().Add(time.Hour), until), int64(n))
	}
	return out, wrap("survey the history", rows.Err())
}

// addHour adds n records of an hour to the last window, or as windows of their own when there are too many.
func addHour(list []Window, from, to time.Time, n int64) []Window {
	if !from.Before(to) {
		return list
	}
	if last := len(list) - 1; last >= 0 && list[last].Records+n <= historyRows {
		list[last].To, list[last].Records = to, list[last].Records+n
		return list
	}
	parts := (n + historyRows - 1) / historyRows
	step := (to.Sub(from) / time.Duration(parts)).Truncate(time.Second)
	for i := range parts {
		w := Window{From: from.Add(time.Duration(i) * step), To: from.Add(time.Duration(i+1) * step), Records: n / parts}
		if i == parts-1 {
			w.To = to
		}
		list = append(list, w)
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// History calls each with the records of a window in order of time, with what detection looks at: the others of their
// fields are empty. Records that do not count are among them, with their flag. The record and its byte slices are valid
// during the call only; an error from each ends the reading and is returned.
func (db *DB) History(ctx context.Context, w Window, each func(r *usage.Record) error) error {
	ctx, cancel := withTimeout(ctx, 30*time.Minute)
	defer cancel()
	var e Event
	return db.stream(ctx, "read the history", `SELECT `+historyColumns+` FROM events
WHERE time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND plan_day >= toDate({day:Int32})
ORDER BY time, topic, partition, offset, sub`,
		[]any{ch.Named("from", millis(w.From)), ch.Named("to", millis(w.To)), ch.Named("day", planDay(w.From))},
		func(r *rowReader) error {
			if r.event(&e); r.err != nil {
				return r.err
			}
			return each(&e.Record)
		},
		func(scan func(...any) error) error {
			if err := scanEvent(scan, &e); err != nil {
				return err
			}
			return each(&e.Record)
		})
}
