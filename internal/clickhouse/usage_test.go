package clickhouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// insertAt inserts records for the tests of usage; each call is a block.
func insertAt(t testing.TB, db *DB, from int64, records ...usage.Record) {
	t.Helper()
	var b usage.Batch
	for i := range records {
		records[i].Offset = from + int64(i)
		b.Append(&records[i])
	}
	span := testSpan(from, from+int64(len(records)))
	span.Day = int32(noon.Unix() / 86400)
	if err := db.InsertEvents(t.Context(), span, &b); err != nil {
		t.Fatal(err)
	}
}

func call(key string, at time.Time, status uint16, tokens int64) usage.Record {
	return usage.Record{KeyID: key, TimeMillis: at.UnixMilli(), Status: status, RequestBytes: 10, ResponseBytes: 100, Units: []usage.Unit{{Name: "tokens", Value: tokens}}}
}

func (db *DB) usageOf(t testing.TB, g Granularity, keys ...string) []KeyUsage {
	t.Helper()
	u, err := db.UsageByKey(t.Context(), keys, noon.Add(-48*time.Hour), noon.Add(24*time.Hour), g)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUsageIsTheSameSealedOrNotAndLateRecordsReopenTheirHour(t *testing.T) {
	db := openTest(t)
	duplicate := call("a", noon, 200, 1000)
	duplicate.Flags = usage.FlagDuplicate
	insertAt(t, db, 0, call("a", noon, 200, 5), call("a", noon.Add(time.Minute), 500, 7), duplicate, call("b", noon, 0, 1), call("a", noon.Add(time.Hour), 200, 1<<62), call("a", noon.Add(time.Hour), 200, 1<<62))
	want := []KeyUsage{
		{"a", noon, Usage{2, 1, 20, 200, map[string]uint64{"tokens": 12}}},
		{"a", noon.Add(time.Hour), Usage{2, 0, 20, 200, map[string]uint64{"tokens": 1 << 63}}},
		{"b", noon, Usage{1, 1, 10, 100, map[string]uint64{"tokens": 1}}},
	}
	check := func(when string) {
		t.Helper()
		if d := cmp.Diff(want, db.usageOf(t, Hourly, "a", "b", "nobody's", "it's \\ \n \x00 {x:String}")); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
		if d, err := db.AuditSealed(t.Context(), noon.Add(-time.Hour), noon.Add(5*time.Hour), 10); err != nil || len(d) != 0 {
			t.Errorf("%s: sealed usage differs from events: %v, %v", when, d, err)
		}
	}
	check("nothing sealed")
	for range 2 { // sealing again changes nothing
		r, err := db.SealHours(t.Context(), noon.Add(-time.Hour), noon.Add(time.Hour))
		if err != nil || r != (SealResult{Hours: 2, Rows: 2}) {
			t.Fatalf("SealHours = %+v, %v", r, err)
		}
	}
	check("one hour sealed, the other not")
	sealed, err := db.SealedHours(t.Context(), noon.Add(-24*time.Hour), noon.Add(24*time.Hour))
	if d := cmp.Diff([]time.Time{noon.Add(-time.Hour), noon}, sealed); d != "" || err != nil {
		t.Errorf("sealed hours: %v\n%s", err, d)
	}

	unsealed, err := db.UnsealedHours(t.Context(), noon.Add(24*time.Hour), 10)
	if d := cmp.Diff([]time.Time{noon.Add(time.Hour)}, unsealed); d != "" || err != nil {
		t.Errorf("unsealed hours: %v\n%s", err, d)
	}
	if hours, err := db.UnsealedHours(t.Context(), noon.Add(time.Hour), 10); err != nil || len(hours) != 0 {
		t.Errorf("unsealed hours before the open one: %v, %v", hours, err)
	}

	// A late record into a sealed hour: seen as late, counted once the hour is sealed again.
	insertAt(t, db, 100, call("b", noon.Add(time.Second), 200, 40))
	late, err := db.LateHours(t.Context(), time.Now().Add(-time.Hour))
	if d := cmp.Diff([]time.Time{noon}, late); d != "" || err != nil {
		t.Fatalf("late hours: %v\n%s", err, d)
	}
	if d, err := db.AuditSealed(t.Context(), noon, noon.Add(time.Hour), 10); err != nil || len(d) != 0 {
		t.Errorf("a late record is no difference while its hour waits to be sealed again: %v, %v", d, err)
	}
	// What the audit must see, late record or not: a seal that says too little, too much, or something of nobody.
	for _, tampered := range []struct {
		sql  string
		want string
	}{
		{"INSERT INTO usage_hourly SELECT hour, key_id, requests + 7, errors, request_bytes, response_bytes, units, version + 1 FROM usage_hourly FINAL WHERE key_id = 'b' AND hour = '2026-11-24 12:00:00'", "sealed 8 calls, the events say"},
		{"INSERT INTO usage_hourly SELECT hour, key_id, requests - 7, errors, request_bytes + 1000, response_bytes, units, version + 1 FROM usage_hourly FINAL WHERE key_id = 'b' AND hour = '2026-11-24 12:00:00'", "sealed bytes, errors or units"},
		{"INSERT INTO usage_hourly SELECT hour, 'a stranger', requests, errors, request_bytes, response_bytes, units, version FROM usage_hourly FINAL WHERE key_id = 'b' AND hour = '2026-11-24 12:00:00'", "sealed 1 calls, the events say 0"},
	} {
		if err := db.conn.Exec(t.Context(), tampered.sql); err != nil {
			t.Fatal(err)
		}
		d, err := db.AuditSealed(t.Context(), noon, noon.Add(time.Hour), 10)
		if err != nil || !slices.ContainsFunc(d, func(d SealedDifference) bool { return strings.Contains(d.Text(), tampered.want) }) {
			t.Errorf("after %s: %v, %v, want %q", tampered.sql, d, err, tampered.want)
		}
	}
	if err := db.conn.Exec(t.Context(), "ALTER TABLE usage_hourly DELETE WHERE key_id = 'a stranger' SETTINGS mutations_sync = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SealHours(t.Context(), noon, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want[2].Usage = Usage{2, 1, 20, 200, map[string]uint64{"tokens": 41}}
	check("sealed again")

	daily := db.usageOf(t, Daily, "a")
	if len(daily) != 1 || daily[0].Requests != 4 || !daily[0].Start.Equal(noon.Truncate(24*time.Hour)) {
		t.Errorf("daily: %+v", daily)
	}
	monthly := db.usageOf(t, Monthly, "a", "b")
	if len(monthly) != 2 || monthly[1].Requests != 2 || !monthly[0].Start.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("monthly: %+v", monthly)
	}
	var keys []string
	if err := db.EachKeyUsage(t.Context(), noon.Add(-48*time.Hour), noon.Add(48*time.Hour), func(u KeyUsage) error {
		keys = append(keys, u.KeyID)
		if u.KeyID == "b" && (u.Requests != 2 || u.Units["tokens"] != 41) {
			t.Errorf("usage of b: %+v", u)
		}
		return nil
	}); err != nil || !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("usage of every key: %v, %v", keys, err)
	}
	if total := db.usageOf(t, Total, "a"); len(total) != 1 || total[0].Requests != 4 || total[0].Units["tokens"] != 1<<63+12 {
		t.Errorf("total: %+v", total)
	}
}

func TestSealingRefusesWhatItCannotRecompute(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.EventsTTLDays = 30
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := time.Now().UTC().Truncate(time.Hour)
	for name, span := range map[string][2]time.Time{
		"half hours":            {now, now.Add(90 * time.Minute)},
		"backwards":             {now, now.Add(-time.Hour)},
		"older than the events": {now.AddDate(0, 0, -31), now},
	} {
		if _, err := db.SealHours(t.Context(), span[0], span[1]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := db.SealHours(t.Context(), now.Add(-time.Hour), now); err != nil {
		t.Error(err)
	}
}

// Whatever is inserted, sealed, sealed again and added late, usage after sealing the late hours is the sum of the records.
func TestUsageEqualsTheSumOfTheRecords(t *testing.T) {
	db := openTest(t)
	offset, run := int64(0), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		want := map[string]map[time.Time]Usage{}
		key := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("run%d-%d", run, rapid.IntRange(0, 2).Draw(t, "key")) })
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "seal") {
				from := noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "hour")) * time.Hour)
				if _, err := db.SealHours(t.Context(), from, from.Add(2*time.Hour)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			var b usage.Batch
			from := offset
			for range rapid.IntRange(1, 20).Draw(t, "n") {
				r := call(key.Draw(t, "key"), noon.Add(time.Duration(rapid.IntRange(0, 4*3600-1).Draw(t, "second"))*time.Second),
					rapid.SampledFrom([]uint16{0, 200, 404, 500}).Draw(t, "status"), rapid.Int64Range(0, 1<<50).Draw(t, "tokens"))
				if rapid.IntRange(0, 9).Draw(t, "duplicate") == 0 {
					r.Flags = usage.FlagDuplicate
				}
				r.Offset, offset = offset, offset+1
				b.Append(&r)
				if r.Flags&usage.FlagDuplicate == 0 {
					hour := r.Time().Truncate(time.Hour)
					if want[r.KeyID] == nil {
						want[r.KeyID] = map[time.Time]Usage{}
					}
					u := want[r.KeyID][hour]
					u.Requests++
					if r.Status == 0 || r.Status >= 500 {
						u.Errors++
					}
					u.RequestBytes, u.ResponseBytes = u.RequestBytes+10, u.ResponseBytes+100
					u.Units = map[string]uint64{"tokens": u.Units["tokens"] + uint64(r.Units[0].Value)}
					want[r.KeyID][hour] = u
				}
			}
			span := testSpan(from, offset)
			span.Day = int32(noon.Unix() / 86400)
			if err := db.InsertEvents(t.Context(), span, &b); err != nil {
				t.Fatal(err)
			}
		}
		late, err := db.LateHours(t.Context(), time.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range late {
			if _, err := db.SealHours(t.Context(), h, h.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if len(want) == 0 {
			return
		}
		all, err := db.UsageByKey(t.Context(), keysOf(want), noon, noon.Add(4*time.Hour), Hourly)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]map[time.Time]Usage{}
		for _, u := range all {
			if got[u.KeyID] == nil {
				got[u.KeyID] = map[time.Time]Usage{}
			}
			got[u.KeyID][u.Start] = u.Usage
		}
		dropZeroUnits(want)
		dropZeroUnits(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("(-records +usage):\n%s", d)
		}
	})
}

func keysOf(m map[string]map[time.Time]Usage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// dropZeroUnits makes units that add up to nothing and units that are not there the same.
func dropZeroUnits(m map[string]map[time.Time]Usage) {
	for _, hours := range m {
		for h, u := range hours {
			maps.DeleteFunc(u.Units, func(_ string, v uint64) bool { return v == 0 })
			if len(u.Units) == 0 {
				u.Units = nil
			}
			hours[h] = u
		}
	}
}

// Sealing asks every minute which hours there are events of; that must not read the events.
func TestHoursAreReadFromTheirProjection(t *testing.T) {
	db := openTest(t)
	insertAt(t, db, 0, call("a", noon, 200, 1))
	ctx := ch.Context(t.Context(), ch.WithSettings(ch.Settings{"force_optimize_projection": 1}))
	if hours, err := db.UnsealedHours(ctx, noon.Add(time.Hour), 1); err != nil || len(hours) != 1 {
		t.Errorf("unsealed hours %v, %v", hours, err)
	}
	if _, err := db.LateHours(ctx, noon); err != nil {
		t.Error(err)
	}
}
