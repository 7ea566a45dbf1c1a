package clickhouse

import (
	"context"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// eventColumnsRead are the columns of a record, in the order in which eventRow and scanEvent read them.
const eventColumnsRead = `toUnixTimestamp64Milli(time) AS at, key_id, toString(source), request_id, toString(method), toString(host),
toString(route), path, status, latency_us, request_bytes, response_bytes, client_ip, toString(country), asn, toString(user_agent),
toString(agent), mapKeys(units), mapValues(units), flags, toString(topic), partition, offset, sub`

// Event is a stored record and where in the log its line is.
type Event struct {
	usage.Record
	Topic     string
	Partition int32
}

// EventCursor is where a page ended; its zero value is before the first.
type EventCursor struct {
	TimeMillis int64
	Topic      string
	Partition  int32
	Offset     int64
	Sub        uint16
}

// EventsForKey returns up to limit records of the key in [from, to), newest first, after the cursor, and the cursor of
// the next page; it is the zero cursor on the last page. Records that do not count are among them, with their flag.
func (db *DB) EventsForKey(ctx context.Context, keyID string, from, to time.Time, limit int, after EventCursor) ([]Event, EventCursor, error) {
	if limit <= 0 {
		return nil, after, nil
	}
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	var events []Event
	err := db.events(ctx, "list events of a key", `
WHERE key_id = {key:String} AND time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND ({at:Int64} = 0 OR (toUnixTimestamp64Milli(time), toString(topic), partition, offset, sub) < ({at:Int64}, {atTopic:String}, {atPartition:UInt32}, {atOffset:Int64}, {atSub:UInt16}))
  AND ({at:Int64} = 0 OR time <= fromUnixTimestamp64Milli({at:Int64}, 'UTC'))
ORDER BY time DESC, topic DESC, partition DESC, offset DESC, sub DESC LIMIT {limit:UInt64}`,
		[]any{
			ch.Named("key", keyID), ch.Named("from", millis(from)), ch.Named("to", millis(to)), ch.Named("limit", uint64(limit)+1),
			ch.Named("at", after.TimeMillis), ch.Named("atTopic", after.Topic), ch.Named("atPartition", uint32(after.Partition)),
			ch.Named("atOffset", after.Offset), ch.Named("atSub", after.Sub),
		}, func(e *Event) error {
			kept := *e
			kept.RequestID, kept.Path = append([]byte(nil), e.RequestID...), append([]byte(nil), e.Path...)
			kept.Units = append([]usage.Unit(nil), e.Units...)
			events = append(events, kept)
			return nil
		})
	if err != nil {
		return nil, EventCursor{}, err
	}
	if len(events) <= limit {
		return events, EventCursor{}, nil
	}
	events = events[:limit]
	last := events[limit-1]
	return events, EventCursor{last.TimeMillis, last.Topic, last.Partition, last.Offset, last.Sub}, nil
}

// WarmStart calls each with the records of the keys since then, in order of time, so that detection can learn anew what
// it knew. Records that do not count are among them, with their flag. With no keys it gives those of all keys. The record
// and its byte slices are valid during the call only; an error from each ends the reading and is returned.
func (db *DB) WarmStart(ctx context.Context, keyIDs []string, since time.Time, each func(r *usage.Record) error) error {
	ctx, cancel := withTimeout(ctx, 30*time.Minute)
	defer cancel()
	if len(keyIDs) > maxBoundValues { // read them all and pass on those asked for
		wanted := make(map[string]bool, len(keyIDs))
		for _, id := range keyIDs {
			wanted[id] = true
		}
		keyIDs, each = nil, onlyKeys(wanted, each)
	}
	return db.events(ctx, "read the history of keys", `
WHERE ({all:UInt8} = 1 OR key_id IN {keys:Array(String)}) AND time >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND plan_day >= toDate({day:Int32})
ORDER BY time, topic, partition, offset, sub`,
		[]any{ch.Named("all", boolNumber(len(keyIDs) == 0)), ch.Named("keys", append([]string{}, keyIDs...)), ch.Named("since", millis(since)), ch.Named("day", planDay(since))},
		func(e *Event) error { return each(&e.Record) })
}

// LastRecords says when the last record of each of at most maxBoundValues keys was made that was made before a day after
// now: what a wrong clock dates later says nothing. A key of which there are only such is at the beginning of time, one
// without records is not among the answers.
func (db *DB) LastRecords(ctx context.Context, keyIDs []string, now time.Time) (map[string]time.Time, error) {
	ctx, cancel := withTimeout(ctx, QueryTimeout)
	defer cancel()
	rows, err := db.conn.Query(ctx, `SELECT key_id, toUnixTimestamp64Milli(maxIf(time, time < fromUnixTimestamp64Milli({until:Int64}, 'UTC'))) FROM events
WHERE key_id IN {keys:Array(String)} GROUP BY key_id`, ch.Named("until", millis(now.AddDate(0, 0, 1))), ch.Named("keys", append([]string{}, keyIDs...)))
	if err != nil {
		return nil, wrap("find the last records of keys", err)
	}
	defer func() { _ = rows.Close() }()
	last := map[string]time.Time{}
	for rows.Next() {
		var id string
		var at int64
		if err := rows.Scan(&id, &at); err != nil {
			return nil, wrap("find the last records of keys", err)
		}
		last[id] = time.UnixMilli(at).UTC()
	}
	return last, wrap("find the last records of keys", rows.Err())
}

func onlyKeys(wanted map[string]bool, each func(r *usage.Record) error) func(r *usage.Record) error {
	return func(r *usage.Record) error {
		if !wanted[r.KeyID] {
			return nil
		}
		return each(r)
	}
}

// ReadSpan calls each with the stored records of offsets [from, to) of a partition, in the order of the log.
func (db *DB) ReadSpan(ctx context.Context, topic string, partition int32, from, to int64, each func(r *usage.Record) error) error {
	ctx, cancel := withTimeout(ctx, 30*time.Minute)
	defer cancel()
	return db.events(ctx, "read a part of the log", `
WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset >= {from:Int64} AND offset < {to:Int64}
ORDER BY offset, sub`,
		[]any{ch.Named("topic", topic), ch.Named("partition", uint32(partition)), ch.Named("from", from), ch.Named("to", to)},
		func(e *Event) error { return each(&e.Record) })
}

func boolNumber(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// events streams records. The event is reused from row to row.
func (db *DB) events(ctx context.Context, doing, where string, args []any, each func(*Event) error) error {
	var e Event
	return db.stream(ctx, doing, "SELECT "+eventColumnsRead+" FROM events"+where, args,
		func(r *rowReader) error {
			r.event(&e)
			if r.err != nil {
				return r.err
			}
			return each(&e)
		},
		func(scan func(...any) error) error {
			if err := scanEvent(scan, &e); err != nil {
				return err
			}
			return each(&e)
		})
}

// event reads the columns of eventColumnsRead.
func (r *rowReader) event(e *Event) {
	units := e.Units[:0]
	e.TimeMillis = r.int64()
	e.KeyID, e.Source = r.interned(), r.interned()
	e.RequestID = append(e.RequestID[:0], r.bytes()...)
	e.Method, e.Host, e.Route = r.interned(), r.interned(), r.interned()
	e.Path = append(e.Path[:0], r.bytes()...)
	e.Status = r.uint16()
	e.LatencyMicros = int64(r.uint32())
	e.RequestBytes, e.ResponseBytes = int64(r.uint64()), int64(r.uint64())
	e.ClientIP = usage.Addr([16]byte(r.fixed(16)))
	e.Country = r.interned()
	e.ASN = r.uint32()
	e.UserAgent, e.Agent = r.interned(), r.interned()
	for range r.length() {
		units = append(units, usage.Unit{Name: r.interned()})
	}
	for i := range r.length() {
		if value := int64(r.uint64()); i < len(units) {
			units[i].Value = value
		}
	}
	e.Units = units
	e.Flags = usage.Flags(r.uint8())
	e.Topic = r.interned()
	e.Partition = int32(r.uint32())
	e.Offset = r.int64()
	e.Sub = r.uint16()
}

func scanEvent(scan func(...any) error, e *Event) error {
	var requestID, path string
	var address [16]byte
	var latency, partition uint32
	var requestBytes, responseBytes uint64
	var names []string
	var values []uint64
	var flags uint8
	if err := scan(&e.TimeMillis, &e.KeyID, &e.Source, &requestID, &e.Method, &e.Host, &e.Route, &path, &e.Status, &latency,
		&requestBytes, &responseBytes, &address, &e.Country, &e.ASN, &e.UserAgent, &e.Agent, &names, &values, &flags,
		&e.Topic, &partition, &e.Offset, &e.Sub); err != nil {
		return err
	}
	e.RequestID, e.Path = []byte(requestID), []byte(path)
	e.LatencyMicros, e.RequestBytes, e.ResponseBytes = int64(latency), int64(requestBytes), int64(responseBytes)
	e.ClientIP, e.Flags, e.Partition = usage.Addr(address), usage.Flags(flags), int32(partition)
	e.Units = e.Units[:0]
	for i, name := range names {
		e.Units = append(e.Units, usage.Unit{Name: name, Value: int64(values[i])})
	}
	return nil
}
