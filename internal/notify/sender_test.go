package notify_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestASlowReceiverIsLeftAfterTheTimeout(t *testing.T) {
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" { // the status is there, the rest is not
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}
		<-stuck
	}))
	defer server.Close()
	defer close(stuck)
	send := func(path string) notify.Answer {
		s, err := notify.NewSender(notify.SenderConfig{URL: server.URL + path, Timeout: 100 * time.Millisecond})
		require.NoError(t, err)
		return s.Send(context.Background(), notify.Test(time.Now()))
	}
	a := send("/")
	require.Equal(t, notify.Answer{Problem: "no answer within 100ms"}, a)
	require.False(t, a.Delivered() || a.Refused())
	require.True(t, send("/body").Delivered())
}

func TestNoRedirectIsFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(other.URL, status))
		s, err := notify.NewSender(notify.SenderConfig{URL: server.URL})
		require.NoError(t, err)
		a := s.Send(context.Background(), notify.Test(time.Now()))
		server.Close()
		require.Equal(t, status, a.Status)
		require.True(t, a.Refused())
		require.False(t, a.Delivered())
	}
}

func TestWhatTheReceiverAsksForIsHonouredWithinBounds(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "999999999999": time.Hour, "86400": time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		require.Equal(t, want, notify.RetryAfter(header, now), "%q", header)
	}
}

func TestWaitsDoubleUpToABoundAndAreNotInStep(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	n := r.node()
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.IntRange(1, 1_000_000).Draw(t, "tries")
		full := 5 * time.Minute
		if tries < 9 {
			full = 2 * time.Second << (tries - 1)
		}
		if d := n.Backoff(tries); d < full/2 || d > full {
			t.Fatalf("after %d tries %s", tries, d)
		}
	})
}

// A receiver that repeats the address in whatever it says, broken HTTP included, and one that does not exist.
func TestTheAddressIsASecret(t *testing.T) {
	const canary = "T0canaryB0canary"
	raw := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if answer != "" {
					_, _ = http.ReadRequest(bufio.NewReader(c))
					fmt.Fprint(c, answer)
				}
				c.Close()
			}
		}()
		return "http://" + l.Addr().String()
	}
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	defer encrypted.Close()
	seen := map[string]bool{}
	for name, base := range map[string]string{
		"closed at once":       raw(""),
		"no HTTP":              raw(canary + "\r\n\r\n"),
		"a status in words":    raw("HTTP/1.1 " + canary + " " + canary + "\r\n\r\n"),
		"a reason":             raw("HTTP/1.1 404 /" + canary + "\r\nContent-Length: 16\r\n\r\n" + canary),
		"a broken header":      raw("HTTP/1.1 500 no\r\n" + canary + "\r\n\r\n"),
		"a broken redirect":    raw("HTTP/1.1 302 no\r\nLocation: http://%zz" + canary + "\r\nContent-Length: 0\r\n\r\n"),
		"Retry-After":          raw("HTTP/1.1 429 no\r\nRetry-After: " + canary + "\r\nContent-Length: 0\r\n\r\n"),
		"a strange code":       raw("HTTP/1.1 299999 " + canary + "\r\n\r\n"),
		"nobody there":         "http://127.0.0.1:1",
		"no such name":         "https://nobody.invalid",
		"no TLS":               strings.Replace(raw("HTTP/1.0 200 "+canary+"\r\n\r\n"), "http", "https", 1),
		"no valid certificate": encrypted.URL,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
			address := strings.Replace(base, "://", "://"+canary+":"+canary+"@", 1) + "/services/" + canary + "?token=" + canary + "#" + canary
			s := r.sender(func(c *notify.SenderConfig) { c.URL = address })
			n := r.begun(func(c *notify.Config) { c.Sender = s })
			r.raise("key_1", alerts.High)
			for range notify.Refusals + 1 {
				n.settle()
				r.clock.Advance(time.Hour)
			}
			a := s.Send(context.Background(), notify.Test(time.Now()))
			require.False(t, a.Delivered())
			seen[a.Problem] = true
			families, err := n.metrics.Gather()
			require.NoError(t, err)
			require.NotEmpty(t, r.logs.String())
			require.Contains(t, r.logs.String(), s.Host())
			for _, text := range []string{a.Problem, s.Host(), r.logs.String(), fmt.Sprint(families)} {
				require.NotContains(t, text, "canary")
			}
		})
	}
	require.Greater(t, len(seen), 5, "%v", seen)
	_, err := notify.NewSender(notify.SenderConfig{URL: "https://" + canary + ":%zz/" + canary})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
}
