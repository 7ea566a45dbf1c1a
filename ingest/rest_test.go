package ingest

import (
	"testing"
	"time"
)

func TestABlockThatIsNotSmallDoesNotWaitForAgeWhenTheLogIsAtRest(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	cfg := c.config(s)
	cfg.FlushInterval, cfg.MaxBlockRows = time.Hour, 1000*restShare
	in, _ := run(t, cfg)

	c.produce("logs", 0, numbered(0, 999)...)
	waitFor(t, "the small part to be read", func() bool {
		p := in.Health().Partitions
		return len(p) == 1 && p[0].End == 999
	})
	c.produce("logs", 0, numbered(999, 1000)...)
	waitFor(t, "all rows", func() bool { n, _ := s.counted(); return n == 1000 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.blocks) != 1 {
		t.Errorf("%d blocks, want one: the first 999 rows are not worth an insert of their own", len(s.blocks))
	}
}
