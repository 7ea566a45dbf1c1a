package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process that waits for its database is alive, and not ready. What exactly it waits for it tells on its own machine only.
func TestAWaitingProcessIsAliveAndTellsStrangersNoAddresses(t *testing.T) {
	var w waiting
	w.say("database", errors.New("db.internal:5432 does not answer"))
	ask := func(path, from string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.RemoteAddr = from
		if len(header) > 0 {
			r.Header.Set("X-Forwarded-For", header[0])
		}
		out := httptest.NewRecorder()
		w.ServeHTTP(out, r)
		return out
	}
	require.Equal(t, http.StatusOK, ask("/livez", "198.51.100.7:1").Code)
	for _, a := range []*httptest.ResponseRecorder{
		ask("/readyz", "127.0.0.1:1"), ask("/readyz?verbose", "198.51.100.7:1"), ask("/readyz?verbose", "127.0.0.1:1", "198.51.100.7"),
	} {
		require.Equal(t, http.StatusServiceUnavailable, a.Code)
		require.Contains(t, a.Body.String(), `"name":"database"`)
		require.NotContains(t, a.Body.String(), "db.internal")
	}
	require.Contains(t, ask("/readyz?verbose", "127.0.0.1:1").Body.String(), "db.internal:5432 does not answer")
	require.Contains(t, ask("/readyz?verbose", "[::1]:1").Body.String(), "db.internal:5432 does not answer")
}
