package ingest

import (
	"testing"
	"time"
)

// A new owner that dies before it has stored what was planned leaves the plan as it found it. Were it gone, the next owner
// would cut blocks anew, and what an earlier owner had already sent could land beside them.
func TestAPlanStandsUntilItsBlockIsStored(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 5)...)
	planned := plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: 10, day: 19_000}}}
	c.commit("g", "logs", 0, 0, planned.String())
	s := newMemStore()
	_, stop := run(t, c.config(s))
	time.Sleep(10 * idleCommit) // the block cannot be whole: five of its ten records are not there yet
	for range 2 {
		off, meta := c.committed("g", "logs", 0)
		if p, err := parsePlan(meta, off); err != nil || off != 0 || len(p.pending) != 1 || p.pending[0] != planned.pending[0] {
			t.Errorf("committed are %d and %q (%v), want the plan as it was", off, meta, err)
		}
		stop() // nor does the end of the generation lose it
	}
	c.produce("logs", 0, numbered(5, 12)...)
	_, stop = run(t, c.config(s))
	waitFor(t, "all rows are stored", func() bool { n, _ := s.counted(); return n == 12 })
	stop()
}
