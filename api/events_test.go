package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

// stream is a client of the live events.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

func open(t *testing.T, url, token, lastID string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/events", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	s := &stream{t: t, lines: bufio.NewScanner(res.Body)}
	s.close = func() { cancel(); _ = res.Body.Close() }
	return s
}

// next returns the next event, or its name when it has one.
func (s *stream) next() (e gen.Event, name string) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "data: "):
			require.NoError(s.t, json.Unmarshal([]byte(line[6:]), &e))
			return e, name
		}
	}
	return gen.Event{}, "end"
}

func TestLiveEvents(t *testing.T) {
	f := newFixture(t)
	web := httptest.NewServer(f.server.Handler())
	defer web.Close()
	defer f.server.Events().Close()
	defer http.DefaultClient.CloseIdleConnections()
	events := f.server.Events()
	events.Publish(gen.Event{Type: "key.stolen", Text: "first"})
	events.Publish(gen.Event{Type: "alert.opened", Text: "second"})

	// A first visit gets what there is, and then what comes.
	s := open(t, web.URL, f.token["viewer"], "")
	one, _ := s.next()
	two, _ := s.next()
	require.Equal(t, "first", one.Text)
	require.Equal(t, "second", two.Text)
	require.Greater(t, two.Id, one.Id)
	events.Publish(gen.Event{Type: "key.suspended", Text: "third"})
	three, _ := s.next()
	require.Equal(t, "third", three.Text)
	s.close()

	// Who comes back gets what was missed, once.
	events.Publish(gen.Event{Type: "key.refused", Text: "fourth"})
	s = open(t, web.URL, f.token["viewer"], strconv.FormatInt(three.Id, 10))
	four, name := s.next()
	require.Empty(t, name)
	require.Equal(t, "fourth", four.Text)
	s.close()

	// Who missed more than the ring holds is told so.
	s = open(t, web.URL, f.token["viewer"], "12")
	_, name = s.next()
	require.Equal(t, "reset", name)
	again, _ := s.next()
	require.Equal(t, "first", again.Text)

	// The server's end is the stream's end: a graceful shutdown does not wait for open dashboards.
	f.server.Stopping()
	for name != "end" {
		_, name = s.next()
	}
	s.close()
	f.as("customer", "GET", "/v1/events", nil).problem(403, api.CodeForbidden)
	f.as("viewer", "GET", "/v1/events", nil, header("Last-Event-ID", "x")).problem(400, api.CodeInvalidRequest)
	f.as("viewer", "GET", "/v1/events", nil).problem(503, api.CodeUnavailable)
}

// A client that does not read is let go; publishing never waits for it.
func TestASlowClientIsDisconnected(t *testing.T) {
	f := newFixture(t)
	web := httptest.NewServer(f.server.Handler())
	defer web.Close()
	defer f.server.Events().Close()
	defer http.DefaultClient.CloseIdleConnections()
	s := open(t, web.URL, f.token["viewer"], "")
	defer s.close()
	began := time.Now()
	for range 20_000 {
		f.server.Events().Publish(gen.Event{Type: "key.refused", Text: strings.Repeat("x", 2000)})
	}
	require.Less(t, time.Since(began), 5*time.Second)
	got, name := 0, ""
	for name != "end" {
		_, name = s.next()
		got++
	}
	require.Less(t, got, 20_000)
}

func TestTheRingKeepsTheNewest(t *testing.T) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	events := api.NewEvents(3, func() time.Time { return now })
	for i := range 10 {
		events.Publish(gen.Event{Type: "t", Text: strconv.Itoa(i)})
	}
	f := newFixture(t, func(c *api.Config) { c.Events = events })
	web := httptest.NewServer(f.server.Handler())
	defer web.Close()
	defer http.DefaultClient.CloseIdleConnections()
	defer events.Close()
	s := open(t, web.URL, f.token["viewer"], "")
	defer s.close()
	for _, want := range []string{"7", "8", "9"} {
		e, _ := s.next()
		require.Equal(t, want, e.Text)
	}
}
