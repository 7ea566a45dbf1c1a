package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// What takes the log in can be stopped, and later be started elsewhere, while what verifies keys and answers people goes on; and whoever
// reaches the one cannot use the API there.
func TestTheAPIAndIngestMayBeProcessesOfTheirOwn(t *testing.T) {
	k := kafkatest.Start(t, 1)
	k.CreateTopic(t, "access-log", 2)
	brokers := strings.Join(k.Brokers(), ",")
	shared := []string{"--kafka", brokers, "--clickhouse", newStoreFront(t).dsn(), "--database", sqltest.DSN(t, sqlstore.Postgres)}
	dir := t.TempDir()
	api := serve(t, append([]string{"--role", "api", "--data", dir}, shared...)...)
	api.wantReady(30 * time.Second)

	first := produce(t, brokers, 0, 200)
	listen := freeAddr(t)
	pepper, err := os.ReadFile(filepath.Join(dir, "pepper"))
	require.NoError(t, err)
	ingest := func() *process {
		own := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(own, "pepper"), pepper, 0o600))
		p := launch(t, binary, append([]string{"serve", "--role", "ingest", "--data", own, "--listen", listen}, shared...)...)
		p.find(90*time.Second, "role ingest\n.*health +http://"+listen+"/readyz")
		return p
	}
	p := ingest()
	require.NotContains(t, p.output(), "login")
	api.wantTotal(first)
	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusOK,
		"/v1/keys": http.StatusNotFound, "/v1/authorize": http.StatusNotFound, "/docs": http.StatusNotFound, "/": http.StatusNotFound, "/v1/session": http.StatusNotFound,
	} {
		status, body := get(t, "http://"+listen+path)
		require.Equal(t, want, status, "%s: %s", path, body)
		if want == http.StatusNotFound {
			require.Contains(t, body, "Ask one with the role api")
		}
	}

	// A key that ingest met is one that people find and suspend.
	eventually(t, 30*time.Second, func() error {
		if code := api.call("POST", "/v1/keys/consumer-3/suspend", map[string]any{"reason": "test"}, nil); code >= 300 {
			return fmt.Errorf("suspend: %d", code)
		}
		return nil
	})

	p.stop()
	more := produce(t, brokers, int(first), 100)
	api.wantReady(10 * time.Second)
	time.Sleep(2 * time.Second)
	api.wantTotal(first)
	ingest()
	api.wantTotal(first + more)
	var audit struct {
		Exact       bool
		Differences []string
	}
	require.Equal(t, http.StatusOK, api.call("GET", "/v1/ingest/audit", nil, &audit))
	require.True(t, audit.Exact, "%v", audit.Differences)
}
