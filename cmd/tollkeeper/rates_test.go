package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/redisrate/redistest"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
)

// authorize asks as a gateway does, and says what the answer was and how long it took.
func (s *server) authorize(key string) (status int, took time.Duration) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+"/v1/authorize", nil)
	require.NoError(s.t, err)
	req.Header.Set("X-Api-Key", key)
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	_ = res.Body.Close()
	if res.StatusCode == http.StatusTooManyRequests {
		require.NotEmpty(s.t, res.Header.Get("Retry-After"))
	}
	return res.StatusCode, time.Since(began)
}

// check is what /readyz says of one part, while the whole is ready.
func (s *server) check(name string) (gen.Check, error) {
	s.t.Helper()
	status, body := s.ready()
	var h gen.Health
	require.NoError(s.t, json.Unmarshal([]byte(body), &h))
	if status != http.StatusOK {
		return gen.Check{}, fmt.Errorf("/readyz: %d %s", status, body)
	}
	for _, c := range h.Checks {
		if c.Name == name {
			return c, nil
		}
	}
	return gen.Check{}, errors.New("there is no check " + name + " in " + body)
}

func TestAThrottledKeyHasOneRateOnTwoProcesses(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "hunter2")
	nodes, dirs, dsn, pepper := serveTwo(t, "--redis", "redis://:hunter2@"+redis.Addr, "--redis-timeout", "100ms")
	db, err := sqlstore.Open(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	store, err := keys.NewStore(t.Context(), db, keys.StoreConfig{Pepper: pepper})
	require.NoError(t, err)
	throttled := func() string { // as a decision of detection does
		t.Helper()
		k, secret, err := store.Issue(t.Context(), keys.New{}, keys.By{Actor: "user:ada"})
		require.NoError(t, err)
		_, _, err = store.Throttle(t.Context(), k.ID, 60, time.Time{}, keys.By{Actor: "detector:volume", Reason: "ten times its usual volume"})
		require.NoError(t, err)
		for _, s := range nodes {
			eventually(t, 10*time.Second, func() error {
				var got gen.Key
				if s.call("GET", "/v1/keys/"+k.ID, nil, &got); got.Throttle.PerMinute != 60 {
					return errors.New("not throttled")
				}
				return nil
			})
		}
		time.Sleep(time.Second) // what the store says, verify says within the bound of the feed
		return secret
	}
	// both asks both nodes at once and says how many calls passed of a burst of six and one a second.
	both := func(secret string) (passed int64, slowest time.Duration, atMost int64) {
		t.Helper()
		var count, longest atomic.Int64
		var running sync.WaitGroup
		began := time.Now()
		for _, s := range nodes {
			running.Go(func() {
				for range 20 {
					status, took := s.authorize(secret)
					if status == http.StatusOK {
						count.Add(1)
					} else if status != http.StatusTooManyRequests {
						t.Errorf("%d", status)
					}
					longest.Store(max(longest.Load(), int64(took)))
				}
			})
		}
		running.Wait()
		return count.Load(), time.Duration(longest.Load()), 6 + int64(time.Since(began)/time.Second)
	}
	passed, _, atMost := both(throttled())
	require.GreaterOrEqual(t, passed, int64(6))
	require.LessOrEqual(t, passed, atMost)

	for name, fault := range map[string]struct{ begin, end func() }{"hangs": {redis.Hang, redis.Continue}, "is killed": {redis.Kill, redis.Restart}} {
		secret := throttled()
		said := strings.Count(nodes[0].output(), "Redis does not answer")
		fault.begin()
		passed, slowest, atMost := both(secret)
		require.GreaterOrEqual(t, passed, int64(12), "%s: each node counts for itself", name)
		require.LessOrEqual(t, passed, 2*atMost, name)
		require.Less(t, slowest, time.Second, "%s: nobody waits for long", name)
		for _, s := range nodes {
			c, err := s.check("rate-limits")
			require.NoError(t, err, "the node stays in service")
			require.Equal(t, gen.CheckStatusDegraded, c.Status)
			require.Contains(t, c.Detail, "counts the rates of keys for itself")
		}
		require.Equal(t, said+1, strings.Count(nodes[0].output(), "Redis does not answer"), "one line, however many calls")
		out, errOut, code := tollkeeper(t, "status", "--data", dirs[0])
		require.Zero(t, code, errOut)
		require.Regexp(t, `(?m)^ +rate-limits +degraded +no answer from Redis`, out)

		fault.end()
		for _, s := range nodes {
			eventually(t, 20*time.Second, func() error {
				if c, err := s.check("rate-limits"); err != nil || c.Status != gen.CheckStatusOk {
					return fmt.Errorf("%+v, %w", c, err)
				}
				return nil
			})
		}
		passed, _, atMost = both(throttled())
		require.LessOrEqual(t, passed, atMost, "%s: together again", name)
	}
	for _, s := range nodes {
		require.NotContains(t, s.output(), "hunter2")
	}
}
