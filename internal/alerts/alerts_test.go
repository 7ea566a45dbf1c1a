package alerts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/feed"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

type feedEvent = feed.Event[alerts.Change]

type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_700_000_000_000)
	return c
}
func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

var secret = []byte("for tests")

func newStore(db *sqlstore.DB, now func() time.Time) *alerts.Store {
	return alerts.NewStore(db, alerts.Config{Audit: audit.New(secret), Now: now, Poll: 20 * time.Millisecond})
}

// each runs a test on both engines.
func each(t *testing.T, test func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		c, db := newClock(), open(t)
		test(t, newStore(db, c.Now), db, c)
	})
}

var ada = alerts.By{Actor: "user:ada", Reason: "looked at it", RequestID: "req-1"}

func finding(key string) alerts.Finding {
	return alerts.Finding{
		KeyID: key, AccountID: "acme", Episode: "ep1", Severity: alerts.High, Title: "Used from a new network", Sentence: "AS64500 was never seen.",
		PolicyID: "default", Evidence: json.RawMessage(`{"families": ["network"]}`), Actor: json.RawMessage(`{"asn": 64500}`),
		EventTime: time.UnixMilli(1_699_999_999_000).UTC(), By: "detector:network", ASNs: []uint32{64500}, Agents: []string{"curl"}, Families: []string{"network", "agent"},
	}
}

func raise(t *testing.T, s *alerts.Store, f alerts.Finding) alerts.Raised {
	t.Helper()
	r, err := s.Raise(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

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

func wantTimeline(t *testing.T, s *alerts.Store, id string, want ...string) {
	t.Helper()
	events, err := s.Timeline(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, e := range events {
		got = append(got, e.Kind)
		if e.N != int64(i+1) || e.Actor == "" || e.At.IsZero() {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("timeline (-want +got):\n%s", d)
	}
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
		if n, err := audit.New(secret).Verify(ctx, db.Read()); n != 10 || err != nil {
			t.Errorf("audit trail: %d, %v", n, err)
		}
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	s := newStore(sqltest.New(t, sqlstore.SQLite)(t), nil)
	for name, change := range map[string]func(*alerts.Finding){
		"no key":             func(f *alerts.Finding) { f.KeyID = "" },
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

func TestListFiltersAndPages(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		var ids []string
		for i := range 6 {
			f := finding(fmt.Sprintf("key_%d", i))
			f.Severity = []alerts.Severity{alerts.Low, alerts.Medium, alerts.Critical}[i%3]
			f.AccountID = []string{"acme", "globex"}[i%2]
			f.Title = fmt.Sprintf("Title %d", i)
			ids = append(ids, raise(t, s, f).Alert.ID)
			c.Advance(time.Duration(i%2) * time.Second)
		}
		if _, err := s.Dismiss(ctx, ids[5], ada); err != nil {
			t.Fatal(err)
		}
		for _, cse := range []struct {
			name string
			f    alerts.Filter
			want []int
		}{
			{"all", alerts.Filter{}, []int{0, 1, 2, 3, 4, 5}},
			{"open", alerts.Filter{Statuses: []alerts.Status{alerts.Open, alerts.Acknowledged}}, []int{0, 1, 2, 3, 4}},
			{"severity", alerts.Filter{MinSeverity: alerts.Medium}, []int{1, 2, 4, 5}},
			{"account", alerts.Filter{AccountID: "globex"}, []int{1, 3, 5}},
			{"key", alerts.Filter{KeyID: "key_3"}, []int{3}},
			{"text", alerts.Filter{Text: "TITLE 4"}, []int{4}},
			{"time", alerts.Filter{Since: time.UnixMilli(1_700_000_001_000), Until: time.UnixMilli(1_700_000_002_000)}, []int{2, 3}},
			{"nothing", alerts.Filter{PolicyID: "other"}, nil},
		} {
			var got []int
			for cursor := ""; ; {
				f := cse.f
				f.Cursor, f.Limit = cursor, 2
				page, next, err := s.List(ctx, f)
				if err != nil {
					t.Fatalf("%s: %v", cse.name, err)
				}
				for _, a := range page {
					got = append(got, slices.Index(ids, a.ID))
				}
				if cursor = next; next == "" {
					break
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, cse.want) {
				t.Errorf("%s: %v, want %v", cse.name, got, cse.want)
			}
		}
		if n, err := s.Counts(ctx); err != nil || n[alerts.Open] != 5 || n[alerts.Dismissed] != 1 {
			t.Errorf("counts: %v, %v", n, err)
		}
		for name, f := range map[string]alerts.Filter{"status": {Statuses: []alerts.Status{"x"}}, "severity": {MinSeverity: "x"}, "cursor": {Cursor: "x"}, "limit": {Limit: 1000}} {
			if _, _, err := s.List(ctx, f); !errors.Is(err, alerts.ErrInput) {
				t.Errorf("bad %s: %v", name, err)
			}
		}
		c.Advance(time.Hour)
		if n, err := s.CloseIdle(ctx, time.Hour-time.Millisecond, 100); n != 5 || err != nil {
			t.Errorf("closed %d idle ones, %v", n, err)
		}
	})
}

func TestSimilarAlertsSayWhatTheyShare(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		make := func(key, episode string, asn uint32, agent string, families ...string) string {
			f := finding(key)
			f.Episode, f.ASNs, f.Agents, f.Families = episode, []uint32{asn}, []string{agent}, families
			c.Advance(time.Second)
			return raise(t, s, f).Alert.ID
		}
		it := make("key_1", "a", 64500, "curl", "network", "volume")
		sameKey := make("key_1", "b", 1, "x", "routes")
		sameThief := make("key_2", "a", 64500, "curl", "network")
		sameFamilies := make("key_3", "a", 2, "y", "network", "volume")
		make("key_4", "a", 3, "z", "network") // one family alone is too common
		got, err := s.Similar(ctx, it, 10)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, x := range got {
			ids = append(ids, x.Alert.ID)
		}
		if d := cmp.Diff([]string{sameThief, sameKey, sameFamilies}, ids); d != "" {
			t.Fatalf("similar (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"network AS64500", "client curl", "evidence of network"}, got[0].Because); d != "" {
			t.Errorf("because (-want +got):\n%s", d)
		}
		if got, err := s.Similar(ctx, it, 1); err != nil || len(got) != 1 {
			t.Errorf("limited: %d, %v", len(got), err)
		}
		if _, err := s.Similar(ctx, "alrt_none", 1); !errors.Is(err, alerts.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func TestEverySubscriberHearsEveryChangeOnce(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, c := context.Background(), newClock()
		here, there := newStore(open(t), c.Now), newStore(open(t), c.Now)
		running, stop := context.WithCancel(ctx)
		var ended sync.WaitGroup
		for _, s := range []*alerts.Store{here, there} {
			ended.Go(func() {
				if err := s.Run(running); err != nil {
					t.Error(err)
				}
			})
		}
		defer ended.Wait()
		defer stop()
		near, far := here.Subscribe(100), there.Subscribe(100)
		defer near.Close()
		defer far.Close()
		time.Sleep(100 * time.Millisecond) // both have begun to follow
		a := raise(t, here, finding("key_1")).Alert
		next := func(name string, sub interface {
			C() <-chan feedEvent
		}, want alerts.Status,
		) alerts.Change {
			t.Helper()
			select {
			case e := <-sub.C():
				if e.Resync || e.Value.Alert.ID != a.ID || e.Value.Alert.Status != want {
					t.Fatalf("%s: %+v", name, e)
				}
				return e.Value
			case <-time.After(10 * time.Second):
				t.Fatalf("%s hears nothing", name)
			}
			panic("unreachable")
		}
		if got := next("near", near, alerts.Open); got.Kind != "opened" {
			t.Errorf("kind %q", got.Kind)
		}
		next("far", far, alerts.Open)
		if _, err := there.Dismiss(ctx, a.ID, ada); err != nil {
			t.Fatal(err)
		}
		next("far", far, alerts.Dismissed)
		next("near", near, alerts.Dismissed)
		time.Sleep(100 * time.Millisecond)
		select {
		case e := <-near.C():
			t.Errorf("near hears more: %+v", e)
		case e := <-far.C():
			t.Errorf("far hears more: %+v", e)
		default:
		}
	})
}
