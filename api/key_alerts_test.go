package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// What people do to a key stands in the timelines of the alerts that it is about, with who did it and why, wherever they did
// it: on the alert, on the key, or from the command line.
func TestAlertsTellWhatPeopleDidToTheirKey(t *testing.T) {
	f := newFixture(t)
	key, id := f.suspended()
	another := finding(f, key.Id)
	another.Episode = "another"
	second, err := f.alerts.Raise(t.Context(), another)
	require.NoError(t, err)
	settled, err := f.alerts.Raise(t.Context(), finding(f, "key_other"))
	require.NoError(t, err)
	f.as("security", "POST", "/v1/alerts/"+settled.Alert.ID+"/close", map[string]any{}).status(200)
	actions := func(id string) (out []string) {
		var line gen.Timeline
		f.as("viewer", "GET", "/v1/alerts/"+id+"/timeline", nil).status(200).into(&line)
		for _, e := range line.Items {
			if e.Kind == "action" {
				require.Equal(t, "user:security", e.Actor)
				out = append(out, e.Text)
			}
		}
		return out
	}
	path := "/v1/keys/" + key.Id
	tomorrow := f.clock.Now().AddDate(0, 0, 1).Truncate(time.Second).UTC().Format(time.RFC3339)
	f.as("security", "POST", path+"/reinstate", map[string]any{"reason": "they asked for it"}).status(200)
	f.as("security", "POST", path+"/reinstate", map[string]any{"reason": "twice"}).status(200) // changes nothing, and is not told
	f.as("security", "POST", path+"/suspend", map[string]any{"reason": "seen again", "until": tomorrow, "alert_id": second.Alert.ID}).status(200)
	f.as("security", "POST", path+"/reinstate", map[string]any{"reason": "once more"}).status(200)
	thief := map[string]any{"reason": "a scraper", "kind": "asn", "value": "64500", "agent": "curl"}
	f.as("security", "POST", path+"/quarantine", thief).status(200)
	f.as("security", "POST", path+"/quarantine-release", map[string]any{"reason": "it stopped"}).status(200)
	f.as("security", "POST", path+"/revoke", map[string]any{"reason": "for good"}).status(200)
	both := []string{"reinstated: once more", "refuses curl of AS64500: a scraper", "serves all clients again: it stopped", "revoked: for good"}
	require.Equal(t, append([]string{"reinstated: they asked for it"}, both...), actions(id))
	require.Equal(t, append([]string{"reinstated: they asked for it", "suspended until " + tomorrow + ": seen again"}, both...), actions(second.Alert.ID),
		"what is done about one alert is told in that one")
	require.Empty(t, actions(settled.Alert.ID))
}

// A key that was never found to be abused, or an alert that is not there, is no reason to refuse a suspension.
func TestAKeyWithoutAlertsIsSuspendedAllTheSame(t *testing.T) {
	f := newFixture(t)
	key, _ := f.issue(map[string]any{"name": "production"})
	var k gen.Key
	f.as("security", "POST", "/v1/keys/"+key.Id+"/suspend", map[string]any{"reason": "seen in a repository"}).status(200).into(&k)
	require.EqualValues(t, "suspended", k.Status)
	f.as("security", "POST", "/v1/keys/"+key.Id+"/reinstate", map[string]any{"reason": "it was another"}).status(200)
	f.as("security", "POST", "/v1/keys/"+key.Id+"/suspend", map[string]any{"reason": "again", "alert_id": "alrt_none"}).status(200).into(&k)
	require.EqualValues(t, "suspended", k.Status)
}
