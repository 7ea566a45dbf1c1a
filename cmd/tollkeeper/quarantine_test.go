package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/demo"
)

// history writes ten days of some customers' calls into the topic: their keys are issued first.
func history(t *testing.T, s *server) ([]*demo.Customer, map[*demo.Customer]demo.Key) {
	t.Helper()
	customers, keys := demo.Customers(7)[:10], map[*demo.Customer]demo.Key{}
	for _, c := range customers {
		var made struct {
			Key    struct{ ID string }
			Secret string
		}
		require.Equal(t, http.StatusCreated, s.call("POST", "/v1/keys", map[string]any{"name": c.Name}, &made))
		keys[c] = demo.Key{ID: made.Key.ID, Secret: made.Secret}
	}
	now := time.Now().UTC()
	g := demo.NewGateway(s.url, s.kafka, "access-log", keys)
	n, err := g.Seed(t.Context(), 7, customers, now.AddDate(0, 0, -10), now, func(time.Duration, int) {})
	require.NoError(t, err)
	require.NoError(t, g.Close())
	s.wantTotal(int64(n))
	return customers, keys
}

func TestAQuarantineRefusesTheThiefAndServesTheCustomer(t *testing.T) {
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\npolicies: [{id: only-the-thief, suspend: quarantine, ttl: 1h}]\n"), 0o600))
	s := serve(t, "--data", dir, "--format", "tollkeeper", "--kafka-partitions", "1", "--policy", policy)
	customers, keys := history(t, s)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer backend.Close()
	addr, log := startNginx(t, strings.TrimPrefix(s.url, "http://"), strings.TrimPrefix(backend.URL, "http://"))
	launch(t, binary, "ship", "--data", dir, "--kafka", s.kafka, "--format", "nginx", log)

	victim := customers[0]
	key := keys[victim]
	call := func(method, path, ip, agent string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("X-Api-Key", key.Secret)
		req.Header.Set("X-Test-Client", ip)
		req.Header.Set("User-Agent", agent)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	now := time.Now()
	own := victim.Calls(rand.New(rand.NewPCG(1, 1)), now, now.Add(2*time.Hour))
	require.NotEmpty(t, own)
	const thiefIP, thiefAgent = "139.59.3.7", "scrapekit/0.9"
	id, sent, began := 71_000, 0, time.Now()
	for call("GET", fmt.Sprintf("/v1/customers/%d", id), thiefIP, thiefAgent) == http.StatusOK {
		id++
		if sent++; sent%4 == 0 {
			c := own[sent/4%len(own)]
			require.Equal(t, http.StatusOK, call(c.Method, c.Path, c.ClientIP.String(), c.UserAgent), "the customer while the thief is about")
		}
		require.Less(t, time.Since(began), time.Minute, "the thief is still served after %d calls", sent)
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("the thief was refused after %d calls, %s", sent, time.Since(began).Round(100*time.Millisecond))
	for range 20 {
		require.Equal(t, http.StatusForbidden, call("GET", "/v1/customers/1", thiefIP, thiefAgent))
	}
	for _, c := range own[:min(20, len(own))] {
		require.Equal(t, http.StatusOK, call(c.Method, c.Path, c.ClientIP.String(), c.UserAgent), "the customer after the quarantine")
	}
	require.Equal(t, http.StatusOK, call("GET", "/v1/customers/1", own[0].ClientIP.String(), thiefAgent), "only the thief's client in the thief's network is refused")

	var k struct {
		Status      string
		Quarantines []struct {
			Kind, Value, Agent, Until string
			AlertID                   string `json:"alert_id"`
		}
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/keys/"+key.ID, nil, &k))
	require.Equal(t, "active", k.Status)
	require.Len(t, k.Quarantines, 1)
	q := k.Quarantines[0]
	require.Equal(t, "scrapekit", q.Agent)
	require.NotEmpty(t, q.Until)
	var timeline struct{ Items []struct{ Kind, Text string } }
	eventually(t, 5*time.Second, func() error {
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts/"+q.AlertID+"/timeline", nil, &timeline))
		if !strings.Contains(fmt.Sprint(timeline.Items), "quarantined for scrapekit in ") {
			return fmt.Errorf("the timeline does not tell of it: %+v", timeline.Items)
		}
		return nil
	})
	var trail struct {
		Items []struct{ Action, Actor string }
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/audit?target_id="+key.ID, nil, &trail))
	require.Contains(t, fmt.Sprint(trail.Items), "{key.quarantine detector:abuse}")

	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+q.AlertID+"/dismiss", map[string]any{"reason": "our own audit"}, nil))
	eventually(t, 2*time.Second, func() error {
		if code := call("GET", "/v1/customers/2", thiefIP, thiefAgent); code != http.StatusOK {
			return fmt.Errorf("still %d after the dismissal", code)
		}
		return nil
	})
}
