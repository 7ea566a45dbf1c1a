package alerts_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestFindingsOfAnEpisodeJoinOneAlert(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx, f := context.Background(), finding("key_1")
		first := raise(t, s, f)
		want := alerts.Alert{
			ID: first.Alert.ID, KeyID: "key_1", AccountID: "acme", Episode: "ep1", Status: alerts.Open, Severity: alerts.High, Action: alerts.Observe,
			Title: f.Title, Sentence: f.Sentence, PolicyID: "default", Evidence: f.Evidence, Actor: f.Actor, Findings: 1,
			OpenedAt: c.Now(), UpdatedAt: c.Now(), EventTime: f.EventTime, Version: 1, Seq: 1,
		}
		if d := cmp.Diff(want, first.Alert); d != "" || !first.Opened {
			t.Errorf("opened: %v (-want +got)\n%s", first.Opened, d)
		}
		c.Advance(time.Minute)
		f.Severity, f.Action, f.Title, f.Evidence = alerts.Critical, alerts.Suspend, "And it empties the catalogue", json.RawMessage(`[1]`)
		f.EventTime = f.EventTime.Add(time.Minute)
		if r := raise(t, s, f); r.Opened || r.Alert.ID != first.Alert.ID || r.Alert.Findings != 2 || r.Alert.Severity != alerts.Critical || r.Alert.Action != alerts.Suspend {
			t.Errorf("a worse one: %+v", r)
		}
		f.Severity, f.Action, f.Title = alerts.Low, alerts.Flag, "a mild one"
		f.EventTime = f.EventTime.Add(-time.Hour)
		r := raise(t, s, f)
		if r.Alert.Severity != alerts.Critical || r.Alert.Action != alerts.Suspend || r.Alert.Title != "And it empties the catalogue" || r.Alert.Findings != 3 {
			t.Errorf("a mild one hides the worst: %+v", r.Alert)
		}
		got, err := s.Get(ctx, r.Alert.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r.Alert, got); d != "" {
			t.Errorf("read back (-raised +read):\n%s", d)
		}
		other := finding("key_1")
		other.Episode = "ep2"
		if r := raise(t, s, other); !r.Opened {
			t.Error("another episode joined")
		}
		if r := raise(t, s, finding("key_2")); !r.Opened {
			t.Error("another key joined")
		}
		wantTimeline(t, s, r.Alert.ID, "opened", "finding", "finding")
	})
}

// Who tries keys that do not exist uses none: there is an alert all the same.
func TestAFindingAboutNoKeyIsAnAlertByItsEpisode(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		guesser, other := finding(""), finding("")
		guesser.AccountID, guesser.Episode, other.AccountID, other.Episode = "", "ep_guesser", "", "ep_other"
		other.ASNs, other.Agents, other.Families = []uint32{64501}, []string{"wget"}, nil
		first := raise(t, s, guesser)
		if again := raise(t, s, guesser); again.Opened || again.Alert.ID != first.Alert.ID || again.Alert.Findings != 2 {
			t.Errorf("the same guesser again: %+v", again)
		}
		if r := raise(t, s, other); !r.Opened {
			t.Error("another guesser joined")
		}
		if similar, err := s.Similar(context.Background(), first.Alert.ID, 10); err != nil || len(similar) != 0 {
			t.Errorf("two guessers have no key in common: %+v, %v", similar, err)
		}
	})
}

func TestAFindingToldTwiceCountsOnce(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		f := finding("key_1")
		f.ID = "topic/0/17"
		first := raise(t, s, f)
		again := raise(t, s, f)
		if !again.Duplicate || again.Opened || again.Alert.ID != first.Alert.ID || again.Alert.Findings != 1 {
			t.Errorf("again: %+v", again)
		}
		if _, err := s.Close(context.Background(), first.Alert.ID, ada); err != nil {
			t.Fatal(err)
		}
		if again = raise(t, s, f); !again.Duplicate {
			t.Error("told again after the alert was closed it opens another")
		}
		f.ID = "topic/0/18"
		if r := raise(t, s, f); !r.Opened || r.Alert.ID == first.Alert.ID {
			t.Errorf("a new finding after the alert was closed: %+v", r)
		}
	})
}

func TestManyProcessesRaisingAtOnceMakeOneAlert(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		c := newClock()
		var opened atomic.Int64
		var running sync.WaitGroup
		for range 3 {
			s := newStore(open(t), c.Now)
			running.Go(func() {
				for range 5 {
					r, err := s.Raise(context.Background(), finding("key_1"))
					if err != nil {
						t.Error(err)
						return
					}
					if r.Opened {
						opened.Add(1)
					}
				}
			})
		}
		running.Wait()
		list, _, err := newStore(open(t), c.Now).List(context.Background(), alerts.Filter{})
		if err != nil || len(list) != 1 || list[0].Findings != 15 || opened.Load() != 1 {
			t.Errorf("%d opened, list %+v, %v", opened.Load(), list, err)
		}
	})
}

func TestVerdictsAndTheirTimeline(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		id := raise(t, s, finding("key_1")).Alert.ID
		step := func(name string, do func(context.Context, string, alerts.By) (alerts.Alert, error), want alerts.Status) alerts.Alert {
			t.Helper()
			c.Advance(time.Second)
			a, err := do(ctx, id, ada)
			if err != nil || a.Status != want {
				t.Fatalf("%s: %s, %v", name, a.Status, err)
			}
			return a
		}
		step("acknowledge", s.Acknowledge, alerts.Acknowledged)
		if a := step("acknowledge twice", s.Acknowledge, alerts.Acknowledged); a.Version != 2 {
			t.Errorf("twice made version %d", a.Version)
		}
		if _, err := s.RecordAction(ctx, id, alerts.Suspend, "suspended for an hour", json.RawMessage(`{"until":1}`), alerts.By{Actor: "detector:network"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Assign(ctx, id, "bob", ada); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Comment(ctx, id, "called the customer", ada); err != nil {
			t.Fatal(err)
		}
		a := step("dismiss", s.Dismiss, alerts.Dismissed)
		if a.Feedback != ada.Reason || a.FeedbackBy != ada.Actor || !a.ClosedAt.Equal(c.Now()) || a.Assignee != "bob" || a.Action != alerts.Suspend {
			t.Errorf("dismissed: %+v", a)
		}
		if r := raise(t, s, finding("key_1")); r.Opened || r.Alert.Status != alerts.Dismissed {
			t.Errorf("a finding of what was dismissed: %+v", r)
		}
		worse := finding("key_1")
		worse.Severity = alerts.Critical
		if r := raise(t, s, worse); !r.Opened || r.Alert.Status != alerts.Open || !r.Alert.ClosedAt.IsZero() {
			t.Errorf("a worse one: %+v", r)
		}
		step("confirm", s.Confirm, alerts.Confirmed)
		if _, err := s.Acknowledge(ctx, id, ada); !errors.Is(err, alerts.ErrState) {
			t.Errorf("acknowledged after the verdict: %v", err)
		}
		step("changed mind", s.Dismiss, alerts.Dismissed)
		step("close", s.Close, alerts.Closed)
		if _, err := s.Confirm(ctx, id, ada); !errors.Is(err, alerts.ErrState) {
			t.Errorf("confirmed after it was closed: %v", err)
		}
		stale := ada
		stale.IfVersion = 1
		if _, err := s.Close(ctx, id, stale); !errors.Is(err, alerts.ErrVersion) {
			t.Errorf("with an old version: %v", err)
		}
		if _, err := s.Close(ctx, "alrt_none", ada); !errors.Is(err, alerts.ErrNotFound) {
			t.Errorf("nothing: %v", err)
		}
		wantTimeline(t, s, id, "opened", "acknowledged", "action", "assigned", "comment", "dismissed", "finding", "reopened", "confirmed", "dismissed", "closed")
		if got, err := audit.New(secret).Verify(ctx, db.Read()); got.Rows != 10 || err != nil {
			t.Errorf("audit trail: %+v, %v", got, err)
		}
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	s := newStore(sqltest.New(t, sqlstore.SQLite)(t), nil)
	for name, change := range map[string]func(*alerts.Finding){
		"no key, no episode": func(f *alerts.Finding) { f.KeyID, f.Episode = "", "" },
		"no title":           func(f *alerts.Finding) { f.Title = "" },
		"nobody":             func(f *alerts.Finding) { f.By = "" },
		"severity":           func(f *alerts.Finding) { f.Severity = "awful" },
		"action":             func(f *alerts.Finding) { f.Action = "shoot" },
		"evidence":           func(f *alerts.Finding) { f.Evidence = json.RawMessage("{") },
		"evidence too large": func(f *alerts.Finding) { f.Evidence = json.RawMessage(`"` + strings.Repeat("x", 1<<18) + `"`) },
	} {
		f := finding("key_1")
		change(&f)
		if _, err := s.Raise(context.Background(), f); !errors.Is(err, alerts.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := finding("key_1")
	f.Sentence = strings.Repeat("ä", 5000) + "\x00\xff"
	if r, err := s.Raise(context.Background(), f); err != nil || len(r.Alert.Sentence) > 4000 || strings.ContainsRune(r.Alert.Sentence, 0) {
		t.Errorf("long text: %d bytes, %v", len(r.Alert.Sentence), err)
	}
}
