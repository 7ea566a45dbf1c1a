package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// An alarm on rate() misses the first decision of a series that was not there before it.
func TestEveryActionIsCountedFromZero(t *testing.T) {
	decided := newDecided()
	for _, action := range []string{"observe", "flag", "throttle", "quarantine", "suspend"} {
		require.Zero(t, testutil.ToFloat64(decided.WithLabelValues(action)))
	}
	require.Equal(t, 5, testutil.CollectAndCount(newDecided()))
}
