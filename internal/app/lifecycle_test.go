package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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

func TestADataFolderHasOneUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	unlock, err := lockFolder(dir)
	require.NoError(t, err)
	_, err = lockFolder(dir)
	require.ErrorContains(t, err, dir+" is used by another tollkeeper process")
	unlock()
	again, err := lockFolder(dir)
	require.NoError(t, err)
	again()
}

func TestADataFolderThatIsAFileIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := lockFolder(file)
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, err, "--data")
}
