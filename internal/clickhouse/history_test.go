package clickhouse

import (
	"slices"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestHistoryIsReadWindowByWindowInOrderOfTime(t *testing.T) {
	db := openTest(t)
	insertAt(t, db, 10, call("a", noon.Add(90*time.Minute), 200, 7), call("b", noon, 200, 1))
	insertAt(t, db, 20, call("a", noon.Add(time.Second), 200, 1), call("a", noon.Add(-time.Hour), 200, 1))
	read := func(since, until time.Time) (offsets []int64) {
		t.Helper()
		windows, err := db.HistoryWindows(t.Context(), since, until)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range windows {
			if err := db.History(t.Context(), w, func(r *usage.Record) error {
				if r.Offset == 10 && (r.KeyID != "a" || r.Status != 200 || r.Units[0].Value != 7 || len(r.RequestID) > 0 || r.UserAgent != "") {
					t.Errorf("record %+v", r)
				}
				offsets = append(offsets, r.Offset)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return offsets
	}
	if got := read(time.Time{}, time.Time{}); !slices.Equal(got, []int64{21, 11, 20, 10}) {
		t.Errorf("all: %v", got)
	}
	if got := read(noon, noon.Add(time.Second)); !slices.Equal(got, []int64{11}) {
		t.Errorf("one second: %v", got)
	}
	if got := read(noon.Add(10*time.Hour), time.Time{}); len(got) != 0 {
		t.Errorf("none: %v", got)
	}
}

func TestWindowsAreOfBoundedSizeAndLeaveNothingOut(t *testing.T) {
	var list []Window
	for i, n := range []int64{10, 20, historyRows, 3*historyRows + 1, 5} {
		h := noon.Add(time.Duration(i) * time.Hour)
		list = addHour(list, h, h.Add(time.Hour), n)
	}
	total, at := int64(0), noon
	for _, w := range list {
		if !w.From.Equal(at) || !w.From.Before(w.To) || w.Records > historyRows {
			t.Errorf("window %+v, want one from %s", w, at)
		}
		total, at = total+w.Records, w.To
	}
	if len(list) != 6 || !at.Equal(noon.Add(5*time.Hour)) || total < 4*historyRows {
		t.Errorf("%d windows up to %s with %d records", len(list), at, total)
	}
}
