package notify_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// on is a second receiver of the rig's alerts.
func (r *rig) on(other *receiver, name string, set ...func(*notify.Config)) *node {
	return r.begun(append([]func(*notify.Config){func(c *notify.Config) {
		c.Name = name
		c.Sender = r.sender(func(s *notify.SenderConfig) { s.URL = "http://" + other.addr + "/hook" })
	}}, set...)...)
}

func TestAReceiverThatIsAwayHoldsUpNoOther(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		chat := newReceiver(t)
		first, second := r.begun(), r.on(chat, "chat")
		r.always(http.StatusBadGateway)
		a := r.raise("key_1", alerts.High)
		r.suspend(a)
		first.settle()
		second.settle()
		require.Empty(t, r.taken())
		require.Equal(t, []string{"opened key_1", "action key_1"}, chat.taken())

		ctx := context.Background()
		st, err := notify.StateOf(ctx, r.db, notify.Default)
		require.NoError(t, err)
		require.Equal(t, notify.State{Waiting: 2, OldestAt: r.clock.Now().Add(-time.Second), Problem: "it answered 502 Bad Gateway", ProblemAt: r.clock.Now()}, st)
		st, err = notify.StateOf(ctx, r.db, "chat")
		require.NoError(t, err)
		require.Equal(t, notify.State{Delivered: 2, DeliveredAt: r.clock.Now()}, st)

		r.ok()
		r.clock.Advance(time.Minute)
		first.settle()
		require.Equal(t, []string{"opened key_1", "action key_1"}, r.taken())
		st, err = notify.StateOf(ctx, r.db, notify.Default)
		require.NoError(t, err)
		require.EqualValues(t, 2, st.Delivered)
		require.Empty(t, st.Problem, "what is over is not shown")

		// One that comes later begins with what happens from then on.
		late := newReceiver(t)
		third := r.on(late, "late")
		r.raise("key_2", alerts.High)
		third.settle()
		require.Equal(t, []string{"opened key_2"}, late.taken())
		st, err = notify.StateOf(ctx, r.db, "never started")
		require.NoError(t, err)
		require.Zero(t, st)
	})
}

func TestWhatAReceiverRefusesIsCountedWithTheReason(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	n := r.begun()
	r.always(http.StatusNotFound)
	r.raise("key_1", alerts.High)
	for range notify.Refusals {
		n.settle()
		r.clock.Advance(time.Hour)
	}
	st, err := notify.StateOf(t.Context(), r.db, notify.Default)
	require.NoError(t, err)
	require.EqualValues(t, 1, st.Refused)
	require.Zero(t, st.Waiting)
	require.Equal(t, "it answered 404 Not Found", st.Problem)
}

func TestAReceiverHearsOfTheFamiliesOfEvidenceThatItAsksFor(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	n := r.begun(func(c *notify.Config) { c.Families = []string{"guessing", "enumeration"} })
	raise := func(keyID string, families ...string) {
		r.clock.Advance(time.Second)
		evidence := struct {
			Evidence []map[string]string `json:"evidence"`
		}{}
		for _, f := range families {
			evidence.Evidence = append(evidence.Evidence, map[string]string{"family": f})
		}
		raw, err := json.Marshal(evidence)
		require.NoError(t, err)
		_, err = r.alerts.Raise(t.Context(), alerts.Finding{
			KeyID: keyID, Episode: "ep", Severity: alerts.High, Title: "t", Sentence: "s", By: "detector:abuse", Evidence: raw, Families: families, EventTime: r.clock.Now(),
		})
		require.NoError(t, err)
	}
	raise("key_new", "novelty", "volume")
	raise("key_walk", "novelty", "enumeration", "enumeration")
	n.settle()
	require.Equal(t, []string{"opened key_walk"}, r.taken())
	require.Equal(t, []string{"novelty", "enumeration"}, r.all()[0].Body.Data.Families)
	raise("key_new", "novelty", "enumeration") // told once there is such evidence, from its beginning
	n.settle()
	require.Equal(t, []string{"opened key_walk", "opened key_new"}, r.taken())
}

// An alert is one incident, from its opening until it is settled, and again when it is reopened.
func TestPagerDutyHasAnIncidentAsLongAsAnAlertIsOpen(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	s := r.sender(func(s *notify.SenderConfig) { s.Format, s.Key, s.Routing = notify.PagerDuty, nil, "R0UT1NG" })
	n := r.begun(func(c *notify.Config) { c.Kinds, c.Sender, c.PublicURL = notify.Kinds, s, "https://toll.example" })
	a, by := r.raise("key_1", alerts.Critical), alerts.By{Actor: "user:ada", Reason: "seen"}
	n.settle()
	for _, do := range []func() error{
		func() error { _, err := r.alerts.Confirm(t.Context(), a.ID, by); return err },
		func() error { r.suspend(a); return nil }, // after the verdict: nobody is woken again
		func() error { _, err := r.alerts.Reopen(t.Context(), a.ID, by); return err },
	} {
		r.clock.Advance(time.Second)
		require.NoError(t, do())
		n.settle()
	}
	posts := r.all()
	require.Len(t, posts, 4)
	require.JSONEq(t, `{"routing_key":"R0UT1NG","event_action":"trigger","dedup_key":"`+a.ID+`","client":"Tollkeeper","client_url":"https://toll.example/alerts/`+a.ID+`",
		"payload":{"summary":"The key is being abused (key_1): AS64500 was never seen.","source":"tollkeeper","severity":"critical","timestamp":"2023-11-14T22:13:21Z",
		"component":"key_1","group":"acme","class":"alert.opened","custom_details":{"alert_id":"`+a.ID+`","key_id":"key_1","account_id":"acme","severity":"critical",
		"status":"open","action":"flag","title":"The key is being abused","sentence":"AS64500 was never seen.","by":"detector:abuse",
		"actor":{"asn":64500,"operator":"Example","network":"","country":"NL","agent":"curl","addresses":["192.0.2.7"]},
		"first_seen":"2023-11-14T22:13:21Z","last_seen":"2023-11-14T22:13:20Z","url":"https://toll.example/alerts/`+a.ID+`"}}}`, string(posts[0].Raw))
	for _, p := range posts[1:3] {
		require.JSONEq(t, `{"routing_key":"R0UT1NG","event_action":"resolve","dedup_key":"`+a.ID+`"}`, string(p.Raw))
	}
	require.Contains(t, string(posts[3].Raw), `"event_action":"trigger","dedup_key":"`+a.ID+`"`)
	require.NotContains(t, r.logs.String(), "R0UT1NG")

	// A test reaches whoever is on call, and is none of an alert. No summary is longer than PagerDuty takes.
	m := notify.Test(r.clock.Now())
	m.Data.Sentence = strings.Repeat("ü", 2000)
	require.True(t, s.Send(t.Context(), m).Delivered())
	var sent struct {
		Action   string `json:"event_action"`
		DedupKey string `json:"dedup_key"`
		Payload  struct{ Summary, Severity string }
	}
	require.NoError(t, json.Unmarshal(r.all()[4].Raw, &sent))
	require.Equal(t, "trigger", sent.Action)
	require.Equal(t, m.ID, sent.DedupKey)
	require.Equal(t, "info", sent.Payload.Severity)
	require.Len(t, []rune(sent.Payload.Summary), 1024)
}
