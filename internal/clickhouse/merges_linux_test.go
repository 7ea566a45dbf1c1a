package clickhouse

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A new version of the engine may call its threads otherwise: then this fails, and merges would hold up inserts again.
func TestMergesStandBack(t *testing.T) {
	db, err := Open(t.Context(), Config{DataDir: t.TempDir()})
	require.NoError(t, err)
	defer db.Close()
	wanted := fmt.Sprint(min(niceness()+mergeNiceness, mostNiceness))
	require.Eventually(t, func() bool {
		found := threadsOf(t, db.EnginePID())
		return slices.Equal(slices.Compact(found[mergeThread]), []string{wanted}) && !slices.Contains(found["BgSchPool"], wanted)
	}, 30*time.Second, 20*time.Millisecond, "%v", threadsOf(t, db.EnginePID()))
}

// threadsOf returns the niceness of a process's threads by their names.
func threadsOf(t *testing.T, pid int) map[string][]string {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	require.NoError(t, err)
	niceness := map[string][]string{}
	for _, thread := range threads {
		name, _ := os.ReadFile(filepath.Join(thread, "comm"))
		stat, err := os.ReadFile(filepath.Join(thread, "stat"))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third on; the nineteenth is wanted
		niceness[strings.TrimSpace(string(name))] = append(niceness[strings.TrimSpace(string(name))], fields[16])
	}
	return niceness
}
