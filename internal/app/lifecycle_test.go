package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCleanupsRunOnceInReverseOrderAndReportByName(t *testing.T) {
	var c cleanups
	var order []string
	for _, name := range []string{"store", "ingest", "api"} {
		c.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "ingest" {
				return errors.New("still busy")
			}
			return nil
		})
	}
	err := c.run(context.Background(), func(string, time.Duration) {})
	require.Equal(t, []string{"api", "ingest", "store"}, order)
	require.EqualError(t, err, "stop ingest: still busy")
	require.NoError(t, c.run(context.Background(), func(string, time.Duration) {}))
	require.Len(t, order, 3)
}
