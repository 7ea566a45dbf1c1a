package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/keys"
)

const found = `{"evidence": [{"family": "novelty", "detector": "network", "sentence": "a new network", "observed": 0, "expected": 0.5, "low": 0, "high": 2,
 "window_seconds": 60, "p_value": 1e-9, "internal": {"x": 1}}],
 "examples": [{"time_millis": 1795521601000, "method": "GET", "path": "/a", "status": 200, "client_ip": "203.0.113.7", "country": "RO", "asn": 64511, "agent": "curl"}]}`

// suspended is a key that detection suspended, with its alert.
func (f *fixture) suspended() (gen.Key, string) {
	f.t.Helper()
	key, _ := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	r, err := f.alerts.Raise(f.t.Context(), alerts.Finding{
		KeyID: key.Id, AccountID: key.AccountId, Severity: alerts.Critical, Action: alerts.Suspend, Title: "Stolen key", Sentence: "A new network walks ids",
		By: "detector:engine", Evidence: json.RawMessage(found), EventTime: f.clock.Now(),
		Actor: json.RawMessage(`{"asn": 64511, "country": "RO", "agent": "curl", "addresses": ["203.0.113.7"], "since_millis": 1795521600000}`),
	})
	require.NoError(f.t, err)
	_, _, err = f.keys.Suspend(f.t.Context(), key.Id, f.clock.Now().AddDate(0, 0, 1), keys.By{Actor: "detector:engine", Reason: "stolen", AlertID: r.Alert.ID})
	require.NoError(f.t, err)
	return key, r.Alert.ID
}

func TestAnAlertSaysWhy(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	var a gen.Alert
	f.as("security", "GET", "/v1/alerts/"+id, nil).status(200).into(&a)
	require.Equal(t, key.Id, a.KeyId)
	require.Equal(t, "A new network walks ids", a.Sentence)
	require.Len(t, a.Evidence, 1)
	require.NotNil(t, a.Evidence[0].Observed)
	require.Zero(t, *a.Evidence[0].Observed, "an observation of 0 is one")
	require.EqualValues(t, 64511, a.Client.Asn)
	require.False(t, a.Client.Since.IsZero())
	require.Len(t, a.Examples, 1)
	var page gen.AlertPage
	f.as("viewer", "GET", "/v1/alerts?severity=high&status=open", nil).status(200).into(&page)
	require.Len(t, page.Items, 1, "severity means this one and worse")
	var line gen.Timeline
	f.as("viewer", "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&line)
	require.Equal(t, "opened", line.Items[0].Kind)
}

func TestADismissedAlertLetsItsKeyPass(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+id+"/acknowledge", map[string]any{}).status(200)
	var a gen.Alert
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "their new office"}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusDismissed, a.Status)
	require.Equal(t, "user:security", a.FeedbackBy)
	f.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusActive, key.Status)
	var line gen.Timeline
	f.as("viewer", "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&line)
	var kinds []string
	for _, e := range line.Items {
		kinds = append(kinds, e.Kind)
	}
	require.Equal(t, []string{"opened", "acknowledged", "action", "dismissed"}, kinds)
	require.Equal(t, "what this alert did to the key is undone", line.Items[2].Text)
	require.Equal(t, "user:security", line.Items[2].Actor)
	f.as("security", "POST", "/v1/alerts/"+id+"/acknowledge", map[string]any{}).problem(409, api.CodeConflict)
}

func TestADismissedAlertLeavesTheKeyWhenTold(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "unclear", "reinstate": false}).status(200)
	f.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusSuspended, key.Status)
}

// A key that was suspended for another reason stays suspended, and one that is revoked stays revoked.
func TestADismissedAlertUndoesOnlyItsOwn(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	_, _, err := f.keys.Reinstate(t.Context(), key.Id, keys.By{Actor: "user:ada"})
	require.NoError(t, err)
	_, _, err = f.keys.Suspend(t.Context(), key.Id, f.clock.Now().AddDate(0, 0, 1), keys.By{Actor: "detector:engine", AlertID: "alrt_other"})
	require.NoError(t, err)
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "their new office"}).status(200)
	f.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusSuspended, key.Status)
	var line gen.Timeline
	f.as("viewer", "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&line)
	require.Len(t, line.Items, 2, "nothing is said of an undoing that was none")

	g := newFixture(t)
	key, id = g.suspended()
	_, _, err = g.keys.Revoke(t.Context(), key.Id, keys.By{Actor: "user:ada"})
	require.NoError(t, err)
	g.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "their new office"}).status(200)
	g.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusRevoked, key.Status)
}

func TestConfirmAndClose(t *testing.T) {
	f := newFixture(t)
	_, id := f.suspended()
	var a gen.Alert
	f.as("security", "POST", "/v1/alerts/"+id+"/confirm", map[string]any{"reason": "the customer says so"}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusConfirmed, a.Status)
	f.as("security", "POST", "/v1/alerts/"+id+"/close", map[string]any{}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusClosed, a.Status)
	f.as("security", "POST", "/v1/alerts/alrt_none/close", map[string]any{}).problem(404, api.CodeNotFound)
}

// An answer of 409 has done nothing: the thief's copy of the key must not come back with it.
func TestAClosedAlertThatCannotBeDismissedLeavesItsKeyAlone(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+id+"/close", map[string]any{}).status(200)
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "too late"}).problem(409, api.CodeConflict)
	f.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusSuspended, key.Status)
}

// What the security team says among itself stays there, also where it is a field or a filter.
func TestACustomerDoesNotLearnWhoLooksAtItsAlerts(t *testing.T) {
	f := newFixture(t)
	_, id := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+id+"/assign", map[string]any{"assignee": "ada"}).status(200)
	for role, want := range map[string]string{"security": "ada", "customer": ""} {
		var a gen.Alert
		f.as(role, "GET", "/v1/alerts/"+id, nil).status(200).into(&a)
		require.Equal(t, want, a.Assignee, role)
		var page gen.AlertPage
		f.as(role, "GET", "/v1/alerts", nil).status(200).into(&page)
		require.Len(t, page.Items, 1, role)
		require.Equal(t, want, page.Items[0].Assignee, role)
		f.as(role, "GET", "/v1/alerts?assignee=ada", nil).status(200).into(&page)
		require.Len(t, page.Items, len(want)/3, role)
	}
}

func TestACustomerDoesNotLearnWhoJudgedItsAlerts(t *testing.T) {
	f := newFixture(t)
	_, id := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+id+"/confirm", map[string]any{"reason": "the customer says so"}).status(200)
	for role, want := range map[string]string{"security": "user:security", "customer": ""} {
		var a gen.Alert
		f.as(role, "GET", "/v1/alerts/"+id, nil).status(200).into(&a)
		require.Equal(t, want, a.FeedbackBy, role)
		require.Equal(t, "the customer says so", a.Feedback, role)
		var timeline gen.Timeline
		f.as(role, "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&timeline)
		last := timeline.Items[len(timeline.Items)-1]
		require.Equal(t, "confirmed", last.Kind, role)
		require.Equal(t, want, last.Actor, role)
	}
}

// Who stops a key by hand because of an alert and then finds that it was nothing has one thing to do, not two.
func TestADismissedAlertUndoesAManualSuspension(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	_, _, err := f.keys.Reinstate(t.Context(), key.Id, keys.By{Actor: "user:ada"})
	require.NoError(t, err)
	f.as("security", "POST", "/v1/keys/"+key.Id+"/suspend", map[string]any{"reason": "looks stolen", "alert_id": id}).status(200)
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "their new office"}).status(200)
	f.as("viewer", "GET", "/v1/keys/"+key.Id, nil).status(200).into(&key)
	require.Equal(t, gen.KeyStatusActive, key.Status)
}

// finding is one that shares its network with others of its kind.
func finding(f *fixture, key string) alerts.Finding {
	return alerts.Finding{
		KeyID: key, Severity: alerts.High, Title: "Stolen key", Sentence: "a new network", By: "detector:engine", EventTime: f.clock.Now(),
		ASNs: []uint32{64500}, Agents: []string{"curl"},
	}
}
