package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
)

// What a gateway's question costs inside the process, without the network: routing, checks, verdict, headers, answer.
func BenchmarkDecisions(b *testing.B) {
	f := newFixture(b, func(c *api.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	f.peer = "127.0.0.1:5000"
	_, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	handler := f.server.Handler()
	run := func(name string, make func() *http.Request) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, make())
					if w.Code != http.StatusOK {
						b.Errorf("status %d: %s", w.Code, w.Body)
						return
					}
				}
			})
		})
	}
	run("authorize", func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/v1/authorize", http.NoBody)
		r.RemoteAddr = f.peer
		r.Header.Set("X-Api-Key", secret)
		r.Header.Set("X-Forwarded-For", "203.0.113.7")
		return r
	})
	body := `{"key": "` + secret + `", "client_ip": "203.0.113.7"}`
	run("verify", func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/v1/keys/verify", strings.NewReader(body))
		r.RemoteAddr = f.peer
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+f.token["platform"])
		return r
	})
	require.False(b, b.Failed())
}
