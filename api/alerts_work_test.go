package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestTheTeamWorksOnAnAlert(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	var a gen.Alert
	f.as("security", "POST", "/v1/alerts/"+id+"/assign", map[string]any{"assignee": "user:ada"}).status(200).into(&a)
	require.Equal(t, "user:ada", a.Assignee)
	f.as("security", "POST", "/v1/alerts/"+id+"/comment", map[string]any{"text": "asked the customer"}).status(200)
	f.as("security", "POST", "/v1/alerts/"+id+"/comment", map[string]any{"text": " "}).problem(400, api.CodeInvalidRequest)
	f.as("viewer", "POST", "/v1/alerts/"+id+"/comment", map[string]any{"text": "me too"}).problem(403, api.CodeForbidden)

	var page gen.AlertPage
	f.as("viewer", "GET", "/v1/alerts?assignee=user:ada", nil).status(200).into(&page)
	require.Len(t, page.Items, 1)
	page = gen.AlertPage{}
	f.as("viewer", "GET", "/v1/alerts?assignee=user:bob", nil).status(200).into(&page)
	require.Empty(t, page.Items)
	f.as("viewer", "GET", "/v1/alerts?q=WALKS", nil).status(200).into(&page)
	require.Len(t, page.Items, 1)

	kinds := func(as string) (out []string) {
		var line gen.Timeline
		f.as(as, "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&line)
		for _, e := range line.Items {
			out = append(out, e.Kind)
		}
		return out
	}
	require.Equal(t, []string{"opened", "assigned", "comment"}, kinds("viewer"))
	require.Equal(t, []string{"opened"}, kinds("customer"), "what the team says is not for the customer")

	var audit gen.AuditPage
	f.as("security", "GET", "/v1/audit?target_id="+id, nil).status(200).into(&audit)
	require.Len(t, audit.Items, 3)
	require.NotEmpty(t, key.Id)
}

func TestAVerdictMayBeTakenBack(t *testing.T) {
	f := newFixture(t)
	_, id := f.suspended()
	var a gen.Alert
	f.as("security", "POST", "/v1/alerts/"+id+"/dismiss", map[string]any{"reason": "a new office"}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusDismissed, a.Verdict)
	a = gen.Alert{}
	f.as("security", "POST", "/v1/alerts/"+id+"/close", map[string]any{}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusDismissed, a.Verdict, "closing keeps the verdict")
	a = gen.Alert{}
	f.as("security", "POST", "/v1/alerts/"+id+"/reopen", map[string]any{"reason": "it was none"}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusOpen, a.Status)
	require.Empty(t, a.Verdict)
	require.Empty(t, a.Feedback)
	f.as("security", "POST", "/v1/alerts/"+id+"/confirm", map[string]any{"reason": "stolen indeed"}).status(200).into(&a)
	require.Equal(t, gen.AlertStatusConfirmed, a.Verdict)
}

func TestSimilarAlertsSayWhatBecameOfThem(t *testing.T) {
	f := newFixture(t)
	_, first := f.suspended()
	f.as("security", "POST", "/v1/alerts/"+first+"/dismiss", map[string]any{"reason": "a scanner of ours"}).status(200)
	r, err := f.alerts.Raise(t.Context(), finding(f, "key_other"))
	require.NoError(t, err)
	same, err := f.alerts.Raise(t.Context(), finding(f, "key_third"))
	require.NoError(t, err)
	var s gen.SimilarAlerts
	f.as("viewer", "GET", "/v1/alerts/"+r.Alert.ID+"/similar", nil).status(200).into(&s)
	require.Len(t, s.Items, 1)
	require.Equal(t, same.Alert.ID, s.Items[0].Alert.Id)
	require.Contains(t, s.Items[0].Because, "network AS64500")
	f.as("viewer", "GET", "/v1/alerts/alrt_none/similar", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/alerts/"+r.Alert.ID+"/similar", nil).problem(403, api.CodeForbidden)
}
