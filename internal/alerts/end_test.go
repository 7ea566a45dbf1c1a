package alerts_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

func TestTheEndOfAnEpisodeEndsTheTimelineAndHidesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx, f := context.Background(), finding("key_1")
		first := raise(t, s, f)
		end := f
		end.ID, end.Ended, end.Sentence, end.Evidence, end.EventTime = "end", true, "Nothing more was found.", json.RawMessage(`[]`), f.EventTime.Add(6*time.Hour)
		r := raise(t, s, end)
		if r.Opened || r.Alert.Sentence != f.Sentence || string(r.Alert.Evidence) != string(f.Evidence) || r.Alert.Findings != 1 || !r.Alert.EndedAt.Equal(end.EventTime) {
			t.Errorf("ended: %+v", r)
		}
		if r := raise(t, s, end); !r.Duplicate {
			t.Error("told twice")
		}
		wantTimeline(t, s, first.Alert.ID, "opened", "ended")
		if r := raise(t, s, f); r.Alert.ID != first.Alert.ID || !r.Alert.EndedAt.IsZero() {
			t.Errorf("it goes on: %+v", r.Alert)
		}
		if _, err := s.Close(ctx, first.Alert.ID, ada); err != nil {
			t.Fatal(err)
		}
		end.ID = "another end"
		if r := raise(t, s, end); r.Opened || r.Alert.ID != "" {
			t.Errorf("the end of a closed alert made one: %+v", r)
		}
		if list, _, err := s.List(ctx, alerts.Filter{KeyID: "key_1"}); err != nil || len(list) != 1 {
			t.Errorf("%d alerts, %v", len(list), err)
		}
	})
}

// A backlog is judged long after it happened: the timeline says both when it was and when it was told.
func TestATimelineSaysWhenThingsWereByTheAccessLogsClock(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		f := finding("key_1")
		id := raise(t, s, f).Alert.ID
		if _, err := s.Comment(context.Background(), id, "looks odd", ada); err != nil {
			t.Fatal(err)
		}
		end := f
		end.ID, end.Ended, end.EventTime = "end", true, f.EventTime.Add(6*time.Hour)
		raise(t, s, end)
		events, err := s.Timeline(context.Background(), id)
		if err != nil || len(events) != 3 {
			t.Fatalf("%d entries, %v", len(events), err)
		}
		for i, want := range []time.Time{f.EventTime, {}, end.EventTime} {
			if got := events[i]; !got.EventTime.Equal(want) || got.At.IsZero() {
				t.Errorf("%s was at %v and told at %v, want it at %v", got.Kind, got.EventTime, got.At, want)
			}
		}
	})
}

func TestAVerdictOutlivesTheClosingAndMayBeTakenBack(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx, id := context.Background(), raise(t, s, finding("key_1")).Alert.ID
		judged := func() int {
			list, _, err := s.List(ctx, alerts.Filter{Judged: true})
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		must := func(do func(context.Context, string, alerts.By) (alerts.Alert, error)) alerts.Alert {
			t.Helper()
			a, err := do(ctx, id, ada)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		must(s.Dismiss)
		if a := must(s.Close); a.Verdict != alerts.Dismissed || a.Feedback != ada.Reason || judged() != 1 {
			t.Errorf("closed: %+v", a)
		}
		if a := must(s.Reopen); a.Status != alerts.Open || a.Verdict != "" || a.Feedback != "" || !a.ClosedAt.IsZero() || judged() != 0 {
			t.Errorf("reopened: %+v", a)
		}
		must(s.Close)
		raise(t, s, finding("key_1"))
		if _, err := s.Reopen(ctx, id, ada); !errors.Is(err, alerts.ErrState) {
			t.Errorf("two alerts of one episode: %v", err)
		}
	})
}
