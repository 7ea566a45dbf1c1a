package clickhouse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// rekeyed is a record at an offset of the target topic that was first written elsewhere.
func rekeyed(offset int64, key, from string, at int64, sub uint16) usage.Record {
	return usage.Record{Offset: offset, KeyID: key, Status: 200, TimeMillis: 1_700_000_000_000, Origin: usage.Origin{Partition: from, Offset: at, Sub: sub}}
}

func insertRecords(t *testing.T, db *DB, span usage.Span, records ...usage.Record) {
	t.Helper()
	var b usage.Batch
	for i := range records {
		b.Append(&records[i])
	}
	if err := db.InsertEvents(t.Context(), span, &b); err != nil {
		t.Fatal(err)
	}
}

func originsOf(t *testing.T, db *DB, topic string, partition int32) []usage.Origin {
	t.Helper()
	var got []usage.Origin
	if err := db.Origins(t.Context(), topic, partition, func(o usage.Origin) { got = append(got, o) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWhereRekeyedRecordsCameFromIsKnown(t *testing.T) {
	db := openTest(t)
	span := func(p int32, from, to int64) usage.Span {
		return usage.Span{Topic: "keyed", Partition: p, From: from, To: to, Day: 20_000, Epoch: "1"}
	}
	insertRecords(t, db, span(0, 0, 4), rekeyed(0, "a", "raw/0", 7, 0), rekeyed(1, "a", "raw/1", 9, 0), rekeyed(2, "a", "raw/0", 9, 2), rekeyed(3, "a", "raw/0", 9, 1))
	insertRecords(t, db, span(1, 0, 2), rekeyed(0, "b", "raw/0", 12, 0), rekeyed(1, "b", "raw/0", 3, 7))
	insertRecords(t, db, span(2, 0, 1), usage.Record{KeyID: "c", Status: 200, TimeMillis: 1_700_000_000_000})
	insertRecords(t, db, usage.Span{Topic: "raw", From: 40, To: 42, Day: 20_001, Epoch: "1"}, usage.Record{Offset: 41, KeyID: "a", Status: 200})

	byPartition := cmpopts.SortSlices(func(a, b usage.Origin) bool { return a.Partition < b.Partition })
	if d := cmp.Diff([]usage.Origin{{Partition: "raw/0", Offset: 9, Sub: 2}, {Partition: "raw/1", Offset: 9}}, originsOf(t, db, "keyed", 0), byPartition); d != "" {
		t.Error(d)
	}
	if got := originsOf(t, db, "keyed", 2); len(got) != 0 {
		t.Errorf("records that were not re-keyed have origins %v", got)
	}
	for _, c := range []struct {
		topic           string
		partition       int32
		direct, rekeyed int64
	}{{"raw", 0, 41, 12}, {"raw", 1, -1, 9}, {"raw", 2, -1, -1}, {"keyed", 0, 3, -1}} {
		if direct, rekeyed, err := db.LastPlaces(t.Context(), c.topic, c.partition); err != nil || direct != c.direct || rekeyed != c.rekeyed {
			t.Errorf("last places of %s/%d: %d and %d, %v; want %d and %d", c.topic, c.partition, direct, rekeyed, err, c.direct, c.rekeyed)
		}
	}
	// A topic that was re-keyed and is now read as it is goes on behind what has landed.
	if last, found, err := db.LastOffset(t.Context(), "raw", 1); err != nil || !found || last != 9 {
		t.Errorf("last offset of raw/1: %d, %v, %v; want 9", last, found, err)
	}
	places := map[int32]int64{}
	if err := db.Rekeyed(t.Context(), "raw", 0, 7, func(now int32, key string, o usage.Origin) {
		if (key == "a") != (now == 0) || o.Partition != "raw/0" {
			t.Errorf("key %s of %+v in partition %d", key, o, now)
		}
		places[now]++
	}); err != nil || places[0] != 3 || places[1] != 1 {
		t.Errorf("re-keyed records by partition: %v, %v", places, err)
	}
}

func TestOriginsAreAnsweredFromAFewRowsAPart(t *testing.T) {
	db := openTest(t)
	insertRecords(t, db, usage.Span{Topic: "keyed", To: 1, Day: 20_000, Epoch: "1"}, rekeyed(0, "a", "raw/0", 7, 0))
	rows, err := db.conn.Query(t.Context(), "EXPLAIN SELECT origin AS name, "+lastOrigin+" FROM events WHERE topic = 'keyed' AND partition = 0 AND origin != '' GROUP BY origin")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if !strings.Contains(plan.String(), "places") {
		t.Errorf("the projection is not used:\n%s", plan.String())
	}
}

func TestADatabaseOfBeforeOriginsIsMigrated(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"ALTER TABLE events DROP PROJECTION places", "ALTER TABLE events DROP COLUMN origin, DROP COLUMN origin_offset, DROP COLUMN origin_sub",
		"ALTER TABLE schema_migrations DELETE WHERE version > 2 SETTINGS mutations_sync = 1",
	} {
		if err := db.conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	insertRecords(t, db, usage.Span{Topic: "keyed", To: 5, Day: 20_000, Epoch: "1"}, usage.Record{Offset: 4, KeyID: "old", Status: 200})
	_ = db.Close()
	if db, err = Open(t.Context(), testConfig(t, dir)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	insertRecords(t, db, usage.Span{Topic: "keyed", From: 5, To: 6, Day: 20_000, Epoch: "1"}, rekeyed(5, "new", "raw/0", 7, 0))
	if d := cmp.Diff([]usage.Origin{{Partition: "raw/0", Offset: 7}}, originsOf(t, db, "keyed", 0)); d != "" {
		t.Error(d)
	}
	if last, found, err := db.LastOffset(t.Context(), "keyed", 0); err != nil || !found || last != 5 {
		t.Errorf("last offset %d, %v, %v", last, found, err)
	}
	if n := db.count(t, "SELECT count() FROM events"); n != 2 {
		t.Errorf("%d events, want the old and the new one", n)
	}
}
