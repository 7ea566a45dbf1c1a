package ingest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
)

// An alarm on rate() misses the first of a series that was not there before it.
func TestWhatMayGoWrongIsCountedFromZero(t *testing.T) {
	m := newMetrics(nil)
	require.Equal(t, len(accesslog.Reasons())+1, testutil.CollectAndCount(m.deadLetters))
	require.Contains(t, accesslog.Reasons(), accesslog.ReasonBadJSON)

	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := map[string]bool{"commit": true, "fetch": true} // counted by hand
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, call := range regexp.MustCompile(`(?:retry|retryFor)\(ctx, "([a-z_]+)"|insert\("([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasSuffix(f, "_test.go") {
				found[call[1]+call[2]] = true
			}
		}
	}
	for operation := range found {
		require.Contains(t, operations, operation)
	}
	require.Len(t, found, len(operations))
	require.Equal(t, len(operations), testutil.CollectAndCount(m.retries))
}
