package alerts_test

import (
	"context"
	"encoding/json"
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
