package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheDemoTellsItsStoryAndRESTAgrees(t *testing.T) {
	dir := t.TempDir()
	p := launch(t, binary, "demo", "--data", dir, "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--theft-after", "3s")
	s := session(t, p)
	seeded := p.find(time.Second, `(\d+) calls of (\d+) customers are in ClickHouse`)
	require.Equal(t, "30", seeded[2])
	stolen := p.find(time.Minute, `stolen +the key of (.+) \((key_\w+)\)`)
	found := p.find(3*time.Minute, `found +(.+) \(alert (alrt_\w+)\)`)
	suspended := p.find(time.Minute, `suspended +(key_\w+), ([\d.]+) s after the theft`)
	refused := p.find(time.Minute, `refused +403 Forbidden .*; (\d+) calls of the thief got through`)
	require.Equal(t, stolen[2], suspended[1])

	var key struct {
		Name, Status string
		Reason       string `json:"status_reason"`
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/keys/"+stolen[2], nil, &key))
	require.Equal(t, stolen[1], key.Name)
	require.Equal(t, "suspended", key.Status)
	require.Equal(t, found[1], key.Reason)
	var alert struct {
		KeyID    string `json:"key_id"`
		Sentence string
		Action   string
		Evidence []struct{ Family string }
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/alerts/"+found[2], nil, &alert))
	require.Equal(t, stolen[2], alert.KeyID)
	require.Equal(t, "suspend", alert.Action)
	families := map[string]bool{}
	for _, e := range alert.Evidence {
		families[e.Family] = true
	}
	require.GreaterOrEqual(t, len(families), 2, "two kinds of evidence: %v", alert.Evidence)

	// The live feed tells the same story.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/events", http.NoBody)
	require.NoError(t, err)
	req.AddCookie(s.cookie)
	req.Header.Set("Last-Event-ID", "0")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	told := ""
	for lines := bufio.NewScanner(res.Body); lines.Scan() && !strings.Contains(told, "key.refused"); {
		told += lines.Text() + "\n"
	}
	for _, kind := range []string{"key.stolen", "alert.opened", "key.suspended", "key.refused"} {
		require.Contains(t, told, kind)
	}

	// What the thief got is counted like everything else: all of the history, the live calls, and his.
	var stats struct {
		RequestsTotal int64 `json:"requests_total"`
	}
	var total, thief int64
	_, err = fmt.Sscan(seeded[1], &total)
	require.NoError(t, err)
	_, err = fmt.Sscan(refused[1], &thief)
	require.NoError(t, err)
	eventually(t, 10*time.Second, func() error {
		s.call("GET", "/v1/stats", nil, &stats)
		if stats.RequestsTotal < total+thief {
			return fmt.Errorf("%d calls in ClickHouse, want at least %d", stats.RequestsTotal, total+thief)
		}
		return nil
	})
}

func TestTheDemoEndsByItselfAndStartsAgainQuickly(t *testing.T) {
	dir := t.TempDir()
	args := []string{"demo", "--once", "--data", dir, "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--theft-after", "1s"}
	for _, run := range []string{"first", "second"} {
		p := launch(t, binary, args...)
		require.Zero(t, p.code(5*time.Minute), run)
		p.find(0, `refused`)
	}
	// Nothing is stolen in time, so nothing can be suspended.
	p := launch(t, binary, append(args, "--theft-after", "1h", "--within", "-3595s")...)
	require.Equal(t, 1, p.code(2*time.Minute))
	p.find(0, `nothing was suspended in time`)
}
