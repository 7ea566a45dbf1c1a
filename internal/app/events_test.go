package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsageIsSealedUpToTheFirstHourThatIsNot(t *testing.T) {
	due := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	require.Equal(t, due, earliest(due, nil), "a quiet last hour holds nothing open")
	require.Equal(t, due, earliest(due, []time.Time{due.Add(time.Hour)}))
	late := due.Add(-72 * time.Hour)
	require.Equal(t, late, earliest(due, []time.Time{due.Add(-time.Hour), late}), "an hour that late records reopened")
}
