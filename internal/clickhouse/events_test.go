package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestEventsOfAKeyArePagedNewestFirst(t *testing.T) {
	db := openTest(t)
	var records []usage.Record
	for i := range 50 {
		r := call([]string{"a", "b"}[i%2], noon.Add(time.Duration(i/4)*time.Second), 200, int64(i)) // several at the same time
		r.Path, r.RequestID = fmt.Appendf(nil, "/p/%d", i), fmt.Appendf(nil, "r%d", i)
		records = append(records, r)
	}
	insertAt(t, db, 0, records...)
	for _, page := range []int{1, 3, 24, 25, 100} {
		var offsets []int64
		cursor := EventCursor{}
		for {
			events, next, err := db.EventsForKey(t.Context(), "a", noon, noon.Add(time.Hour), page, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.KeyID != "a" || string(e.Path) != fmt.Sprintf("/p/%d", e.Offset) || e.Units[0].Value != e.Offset || e.Topic != "logs" || e.Partition != 3 {
					t.Errorf("page of %d: event %+v", page, e)
				}
				offsets = append(offsets, e.Offset)
			}
			if next == (EventCursor{}) {
				break
			}
			cursor = next
		}
		want := make([]int64, 0, 25)
		for i := int64(48); i >= 0; i -= 2 {
			want = append(want, i)
		}
		if d := cmp.Diff(want, offsets); d != "" {
			t.Errorf("page of %d (-want +got):\n%s", page, d)
		}
	}
	if events, _, err := db.EventsForKey(t.Context(), "a", noon.Add(2*time.Second), noon.Add(3*time.Second), 10, EventCursor{}); err != nil || len(events) != 2 {
		t.Errorf("%d events in one second, %v; want 2", len(events), err)
	}
}

func TestHistoryComesInOrderOfTimeAndStopsWhenTold(t *testing.T) {
	db := openTest(t)
	insertAt(t, db, 10, call("a", noon.Add(time.Minute), 200, 1), call("b", noon, 200, 1))
	insertAt(t, db, 20, call("a", noon.Add(time.Second), 200, 1), call("a", noon.Add(-time.Hour), 200, 1))
	read := func(keys ...string) (offsets []int64) {
		t.Helper()
		if err := db.WarmStart(t.Context(), keys, noon, func(r *usage.Record) error { offsets = append(offsets, r.Offset); return nil }); err != nil {
			t.Fatal(err)
		}
		return offsets
	}
	if got := read("a"); !slices.Equal(got, []int64{20, 10}) {
		t.Errorf("history of a: %v", got)
	}
	if got := read(); !slices.Equal(got, []int64{11, 20, 10}) {
		t.Errorf("history of all: %v", got)
	}
	calls := 0
	err := db.WarmStart(t.Context(), nil, noon, func(*usage.Record) error { calls++; return errTest })
	if !errors.Is(err, errTest) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

func TestTheLastRecordOfAKeyIsNotOneOfAWrongClock(t *testing.T) {
	db := openTest(t)
	insertAt(t, db, 0, call("a", noon.Add(-60*24*time.Hour), 200, 1), call("a", noon.Add(-61*24*time.Hour), 200, 1), call("a", noon.AddDate(50, 0, 0), 200, 1),
		call("b", noon.Add(time.Minute), 200, 1), call("c", noon.AddDate(50, 0, 0), 200, 1))
	last, err := db.LastRecords(t.Context(), []string{"a", "b", "c", "d"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Time{"a": noon.Add(-60 * 24 * time.Hour), "b": noon.Add(time.Minute), "c": time.UnixMilli(0).UTC()}
	if d := cmp.Diff(want, last); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestRecentRequestIDsAreThoseThatCount(t *testing.T) {
	db := openTest(t)
	record := func(id string, at time.Time, flags usage.Flags) usage.Record {
		r := call("a", at, 200, 0)
		r.RequestID, r.Source, r.Flags = []byte(id), "edge\xff", flags
		return r
	}
	insertAt(t, db, 0, record("old", noon.Add(-time.Second), 0), record("a\x00b", noon, 0), record("retry", noon, usage.FlagDuplicate), record("", noon, usage.FlagNoRequestID), record("c", noon.Add(time.Hour), 0),
		record("late", noon.Add(-2*time.Hour), 0))
	got := map[string]int64{}
	if err := db.RecentRequestIDs(t.Context(), "logs", 3, noon, func(at int64, source string, id []byte) {
		got[source+"|"+string(id)] = at
	}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"edge\xff|a\x00b": noon.UnixMilli(), "edge\xff|c": noon.Add(time.Hour).UnixMilli(), "edge\xff|late": noon.Add(-2 * time.Hour).UnixMilli()}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := db.RecentRequestIDs(t.Context(), "logs", 4, noon, func(int64, string, []byte) { t.Error("a request id of another partition") }); err != nil {
		t.Fatal(err)
	}
	if err := db.RecentRequestIDs(t.Context(), "logs", 3, noon.Add(2*time.Hour), func(int64, string, []byte) { t.Error("nothing was made since then") }); err != nil {
		t.Fatal(err)
	}
}

func TestTotalsRatesAndAuditAgreeWithTheRecords(t *testing.T) {
	db := openTest(t)
	duplicate := call("a", noon, 200, 0)
	duplicate.Flags = usage.FlagDuplicate
	nameless := call("a", noon.Add(time.Second), 0, 0)
	nameless.RequestID, nameless.Flags = nil, usage.FlagNoRequestID
	insertAt(t, db, 5, call("a", noon, 200, 0), nameless, call("b", noon.Add(1500*time.Millisecond), 503, 0), duplicate)
	if err := db.InsertDeadLetters(t.Context(), testSpan(0, 5), []usage.DeadLetter{letter(2, "bad_json")}); err != nil {
		t.Fatal(err)
	}
	totals, err := db.StatusTotals(t.Context(), "")
	if d := cmp.Diff(map[uint16]int64{0: 1, 200: 1, 503: 1}, totals); d != "" || err != nil {
		t.Errorf("totals: %v\n%s", err, d)
	}
	if totals, err := db.StatusTotals(t.Context(), "another"); err != nil || len(totals) != 0 {
		t.Errorf("totals of another topic: %v, %v", totals, err)
	}
	rates, err := db.Rates(t.Context(), "", noon, noon.Add(time.Minute), time.Second)
	if d := cmp.Diff([]Rate{{noon, 1, 0, 0}, {noon.Add(time.Second), 2, 2, 0}}, rates); d != "" || err != nil {
		t.Errorf("rates: %v\n%s", err, d)
	}
	rates, err = db.Rates(t.Context(), "b", time.Time{}, noon.Add(time.Hour), time.Minute)
	if d := cmp.Diff([]Rate{{noon, 1, 1, 0}}, rates); d != "" || err != nil {
		t.Errorf("rates of a key: %v\n%s", err, d)
	}
	audit, err := db.Audit(t.Context(), time.Time{}, time.Time{})
	if d := cmp.Diff([]PartitionAudit{{Topic: "logs", Partition: 3, Rows: 4, Places: 4, Duplicates: 1, Unprotected: 1, MinOffset: 2, MaxOffset: 8, FirstDay: 20780, DeadLetters: 1, RequestBytes: 40, ResponseBytes: 400}}, audit); d != "" || err != nil {
		t.Errorf("audit: %v\n%s", err, d)
	}
}

func TestListsOfKeysMayBeLong(t *testing.T) {
	db := openTest(t)
	const n = 3*maxBoundValues + 7
	ids := make([]string, n)
	records := make([]usage.Record, 0, n+1)
	for i := range ids {
		ids[i] = fmt.Sprintf("key_with_a_name_of_usual_length_%08d", n-i)
		records = append(records, call(ids[i], noon.Add(time.Duration(i)*time.Millisecond), 200, 1))
	}
	insertAt(t, db, 0, append(records, call("another", noon, 200, 1))...)
	all, err := db.UsageByKey(t.Context(), append(ids, ids[0]), noon, noon.Add(time.Hour), Total)
	if err != nil || len(all) != n || !slices.IsSortedFunc(all, func(a, b KeyUsage) int { return strings.Compare(a.KeyID, b.KeyID) }) {
		t.Errorf("usage of %d keys, %v; want %d, sorted", len(all), err, n)
	}
	read := 0
	if err := db.WarmStart(t.Context(), ids, noon, func(r *usage.Record) error {
		if r.KeyID != ids[read] {
			t.Errorf("record %d is of %s", read, r.KeyID)
		}
		read++
		return nil
	}); err != nil || read != n {
		t.Errorf("%d records of history, %v; want %d", read, err, n)
	}
}
