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

// Three keys in different partitions are stolen at once; the policy allows one suspension an hour.
func TestACapHoldsOverAllPartitions(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\ncaps: {suspensions_per_hour: 1}\npolicies: [{id: careful}]\n"), 0o600))
	s := serve(t, "--data", dir, "--format", "tollkeeper", "--kafka-partitions", "4", "--policy", policy)
	customers, keys := history(t, s)
	g := demo.NewGateway(s.url, s.kafka, "access-log", keys)
	defer g.Close()
	victims := []*demo.Customer{customers[0], customers[1], customers[2], customers[7]}
	count := func() (suspended, held int) {
		for _, v := range victims {
			var k struct{ Status string }
			require.Equal(t, http.StatusOK, s.call("GET", "/v1/keys/"+keys[v].ID, nil, &k))
			if k.Status == "suspended" {
				suspended++
			}
			var page struct{ Items []struct{ ID string } }
			require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts?key_id="+keys[v].ID, nil, &page))
			for _, a := range page.Items {
				var timeline struct{ Items []struct{ Kind, Text string } }
				require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts/"+a.ID+"/timeline", nil, &timeline))
				if strings.Contains(fmt.Sprint(timeline.Items), "would have been suspended: 1 suspensions in an hour are the cap") {
					held++
				}
			}
		}
		return suspended, held
	}
	id := 60_000
	eventually(t, time.Minute, func() error {
		for range 5 {
			id++
			for i, v := range victims {
				_, err := g.Pass(t.Context(), demo.Call{
					Customer: v, At: time.Now(), Method: "GET", Path: fmt.Sprintf("/v1/customers/%d", id), Status: 200, Millis: 11, Bytes: 1100,
					ClientIP: netip.AddrFrom4([4]byte{139, 59, 3, byte(10 + i)}), UserAgent: "scrapekit/0.9",
				})
				require.NoError(t, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if suspended, held := count(); suspended+held < len(victims) {
			return fmt.Errorf("%d suspended, %d held back", suspended, held)
		}
		return nil
	})
	suspended, held := count()
	require.Equal(t, 1, suspended)
	require.Equal(t, len(victims)-1, held)
}

// One false suspension a month is what the policy puts up with: when people have dismissed one, the next is a flag.
func TestFalseSuspensionsHaveACap(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\ncaps: {false_suspensions_per_month: 1}\npolicies: [{id: careful}]\n"), 0o600))
	s := serve(t, "--data", dir, "--format", "tollkeeper", "--kafka-partitions", "1", "--policy", policy)
	customers, keys := history(t, s)
	g := demo.NewGateway(s.url, s.kafka, "access-log", keys)
	defer g.Close()
	id := 60_000
	// steal lets a stranger walk ids until there is a serious alert about the key, and returns it with its timeline.
	steal := func(v *demo.Customer) (alertID, timeline string) {
		t.Helper()
		eventually(t, time.Minute, func() error {
			id++
			_, err := g.Pass(t.Context(), demo.Call{
				Customer: v, At: time.Now(), Method: "GET", Path: fmt.Sprintf("/v1/customers/%d", id), Status: 200, Millis: 11, Bytes: 1100,
				ClientIP: netip.MustParseAddr("139.59.3.7"), UserAgent: "scrapekit/0.9",
			})
			require.NoError(t, err)
			var page struct{ Items []struct{ ID string } }
			require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts?severity=high&key_id="+keys[v].ID, nil, &page))
			if len(page.Items) == 0 {
				return fmt.Errorf("no alert yet")
			}
			var line struct{ Items []struct{ Kind, Text string } }
			require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts/"+page.Items[0].ID+"/timeline", nil, &line))
			alertID, timeline = page.Items[0].ID, fmt.Sprint(line.Items)
			if !strings.Contains(timeline, "{action ") {
				return fmt.Errorf("nothing was done yet: %s", timeline)
			}
			return nil
		})
		return alertID, timeline
	}
	first, line := steal(customers[0])
	require.Contains(t, line, "suspended until")
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+first+"/dismiss", map[string]any{"reason": "their own crawler"}, nil))
	_, line = steal(customers[1])
	require.Contains(t, line, "would have been suspended: 1 suspensions of the last 30 days were dismissed as false, and 1 are the cap")
	var k struct{ Status string }
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/keys/"+keys[customers[1]].ID, nil, &k))
	require.Equal(t, "active", k.Status)
}
