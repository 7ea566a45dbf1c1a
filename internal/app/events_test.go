package app

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/config"
)

func TestAClickHouseThatIsAwayIsNamedWithWhatToCheck(t *testing.T) {
	for _, dsn := range []string{"http://u:hunter2@127.0.0.1:1/x", "clickhouse://u:hunter2@127.0.0.1:1,127.0.0.1:2/x"} {
		c := config.Default()
		c.ClickHouse, c.StartWait = dsn, 0
		err := (&App{Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), cfg: c, now: time.Now}).openEvents(t.Context())
		require.ErrorContains(t, err, "cannot reach ClickHouse at 127.0.0.1:1")
		require.ErrorContains(t, err, "(check that it runs, that it lets this host in, and --clickhouse): dial tcp 127.0.0.1:")
		require.ErrorContains(t, err, "connection refused")
		for _, noise := range []string{"hunter2", "client_protocol_version", "hello"} {
			require.NotContains(t, err.Error(), noise)
		}
	}
}

func TestUsageIsSealedUpToTheFirstHourThatIsNot(t *testing.T) {
	due := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	require.Equal(t, due, earliest(due, nil), "a quiet last hour holds nothing open")
	require.Equal(t, due, earliest(due, []time.Time{due.Add(time.Hour)}))
	late := due.Add(-72 * time.Hour)
	require.Equal(t, late, earliest(due, []time.Time{due.Add(-time.Hour), late}), "an hour that late records reopened")
}
