package clickhouse

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// An alarm on rate() misses the first failed insert of a series that was not there before it.
func TestInsertsOfEveryTableAreCountedFromZero(t *testing.T) {
	m, err := newMetrics(nil)
	require.NoError(t, err)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	tables := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, call := range regexp.MustCompile(`insertOnce\(ctx, "([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasSuffix(f, "_test.go") {
				tables[call[1]] = true
			}
		}
	}
	require.Len(t, tables, 3)
	for table := range tables {
		for _, outcome := range []string{"ok", "error"} {
			require.Zero(t, testutil.ToFloat64(m.inserts.WithLabelValues(table, outcome)))
		}
	}
	require.Equal(t, 6, testutil.CollectAndCount(m.inserts))
}
