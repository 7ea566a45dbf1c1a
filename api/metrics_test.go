package api

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// An alarm on rate() misses the first refusal of a series that was not there before it.
func TestEveryVerdictIsCountedFromZero(t *testing.T) {
	d, err := loadDescription()
	require.NoError(t, err)
	verdicts := newMetrics(nil, nil).verdicts
	codes := d.doc.Components.Schemas["VerifyCode"].Value.Enum
	for _, code := range codes {
		require.Zero(t, testutil.ToFloat64(verdicts.WithLabelValues("verify", code.(string))))
		require.Zero(t, testutil.ToFloat64(verdicts.WithLabelValues("authorize", code.(string))))
	}
	require.Equal(t, 2*len(codes)+1, testutil.CollectAndCount(newMetrics(nil, nil).verdicts))
}
