package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/demo"
)

// A dismissal teaches the one key: its stranger is left alone, also by the process that comes after this one, while the
// same stranger at another key is found as before. It holds until it is taken back.
func TestADismissalTeachesTheKeyAndLastsOverARestart(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml") // of ten keys two may be suspended in a day
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\ncaps: {share_of_keys: 1}\npolicies: [{id: all}]\n"), 0o600))
	args := []string{"--data", dir, "--format", "tollkeeper", "--kafka-partitions", "2", "--policy", policy}
	s := serve(t, args...)
	customers, keys := history(t, s)
	id := 60_000
	// walk lets a stranger use the customer's key n times and says how often it was refused.
	walk := func(s *server, c *demo.Customer, n int) (refused int) {
		t.Helper()
		g := demo.NewGateway(s.url, s.kafka, "access-log", keys)
		defer g.Close()
		for range n {
			id++
			status, err := g.Pass(t.Context(), demo.Call{
				Customer: c, At: time.Now(), Method: "GET", Path: fmt.Sprintf("/v1/customers/%d", id), Status: 200, Millis: 11, Bytes: 1100,
				ClientIP: netip.MustParseAddr("139.59.3.7"), UserAgent: "scrapekit/0.9",
			})
			require.NoError(t, err)
			if status == http.StatusForbidden {
				refused++
			}
			time.Sleep(50 * time.Millisecond)
		}
		return refused
	}
	type alert struct{ ID, Status, Action, Verdict, Sentence string }
	about := func(s *server, c *demo.Customer) []alert {
		var page struct{ Items []alert }
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts?key_id="+keys[c].ID, nil, &page))
		return page.Items
	}
	one, other := customers[0], customers[1]
	require.Positive(t, walk(s, one, 60), "the stranger is stopped")
	require.Len(t, about(s, one), 1)
	first := about(s, one)[0]
	require.Equal(t, "suspend", first.Action)
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first.ID+"/assign", map[string]any{"assignee": "ada"}, nil))
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first.ID+"/comment", map[string]any{"text": "asked them"}, nil))
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first.ID+"/dismiss", map[string]any{"reason": "their own crawler"}, nil))
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first.ID+"/comment", map[string]any{"text": "settled"}, nil))
	s.find(5*time.Second, `detection learnt a verdict`)
	require.Zero(t, walk(s, one, 80), "after the dismissal")
	require.Len(t, about(s, one), 1)

	require.Positive(t, walk(s, other, 80), "the same stranger at another key")
	second := about(s, other)[0]
	out, errOut, code := tollkeeper(t, "alerts", "show", second.ID, "--data", dir)
	require.Zero(t, code, errOut)
	for _, want := range []string{second.Sentence, "scrapekit", "Timeline", "suspended until", "Similar alerts", first.ID, "dismissed", "their own crawler", "client scrapekit"} {
		require.Contains(t, out, want)
	}
	s.stop()

	s = serve(t, args...)
	require.Zero(t, walk(s, one, 80), "after the restart")
	require.Len(t, about(s, one), 1)
	var line struct{ Items []struct{ Kind, Text string } }
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts/"+first.ID+"/timeline", nil, &line))
	var kinds []string
	for _, e := range line.Items {
		kinds = append(kinds, e.Kind)
	}
	require.Contains(t, strings.Join(kinds, " "), "assigned comment action dismissed comment", "the action of a dismissal is that the key passes again")

	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first.ID+"/reopen", map[string]any{"reason": "it was none of theirs"}, nil))
	s.find(5*time.Second, `detection took a verdict back`)
	require.Positive(t, walk(s, one, 120), "after the dismissal was taken back")
}
