package ingest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// transact writes the lines in a transaction that is ended as end says; kgo.TransactionEndTry is a commit or an abort.
func (c *cluster) transact(topic, id string, end kgo.TransactionEndTry, lines ...string) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	for _, l := range lines {
		client.Produce(c.t.Context(), kgo.StringRecord(l), nil)
	}
	if err := client.Flush(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if err := client.EndTransaction(context.Background(), end); err != nil {
		c.t.Fatal(err)
	}
}

// covered are the offsets in the holes that are not of refused lines.
func (s *memStore) covered(refused bool) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []int64
	for _, h := range s.holes {
		for o := h.From; o < h.To && h.Refused == refused; o++ {
			all = append(all, o)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Each offset is that of a row, of a refused line, or of a hole: what producers abort, and the markers of their transactions.
func TestOffsetsWithoutARecordThatCountsAreNoted(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.produce("logs", 0, append(numbered(0, 3), "bad line", "bad line")...) // 0 to 4
	c.transact("logs", "a", kgo.TryAbort, numbered(100, 104)...)            // 5 to 8, marker 9
	c.transact("logs", "a", kgo.TryCommit, numbered(3, 5)...)               // 10, 11, marker 12
	c.produce("logs", 0, numbered(5, 6)...)                                 // 13
	c.transact("logs", "b", kgo.TryAbort, numbered(200, 203)...)            // 14 to 16, marker 17
	in, stop := run(t, c.config(s))
	waitFor(t, "all is passed", func() bool { h := in.Health(); return len(h.Partitions) == 1 && h.Partitions[0].Stored == 18 })
	stop()
	if got, want := offsetsOf(s, 0), []int64{0, 1, 2, 10, 11, 13}; !slices.Equal(got, want) {
		t.Errorf("stored are offsets %v, want %v", got, want)
	}
	if got, want := s.covered(false), []int64{5, 6, 7, 8, 9, 12, 14, 15, 16, 17}; !slices.Equal(got, want) {
		t.Errorf("holes at %v, want %v", got, want)
	}
	if got, want := s.covered(true), []int64{3, 4}; !slices.Equal(got, want) {
		t.Errorf("refused are %v, want %v", got, want)
	}
}

// The plan of a dead owner may end inside a hole: what is noted for each block ends with it.
func TestAHoleThatReachesOverAPlannedBlockIsCutThere(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 3)...)
	c.transact("logs", "a", kgo.TryAbort, numbered(100, 106)...) // 3 to 8, marker 9
	c.produce("logs", 0, numbered(3, 5)...)                      // 10, 11
	day := dayOf(time.Now())
	c.commit("g", "logs", 0, 0, plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: 5, day: day}, {to: 7, day: day}, {to: 11, day: day}}}.String())
	s := newMemStore()
	_, stop := run(t, c.config(s))
	waitFor(t, "all is stored", func() bool { off, meta := c.committed("g", "logs", 0); return off == 12 && plansNothing(meta) })
	stop()
	if got, want := offsetsOf(s, 0), []int64{0, 1, 2, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("stored are offsets %v, want %v", got, want)
	}
	if want := []usage.Hole{{From: 3, To: 5}, {From: 5, To: 7}, {From: 7, To: 10}}; !slices.Equal(s.holes, want) {
		t.Errorf("holes %v, want %v", s.holes, want)
	}
}

func plansNothing(meta string) bool {
	p, err := parsePlan(meta, 0)
	return err == nil && len(p.pending) == 0
}

// What compaction leaves of a topic, tombstones among it, and the holes between.
func TestACompactedTopicsHolesAreNoted(t *testing.T) {
	c := startCluster(t, 1, "another")
	if err := c.CreateTopic("logs", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.DefaultProduceTopic("logs"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i, line := range numbered(0, 40) {
		r := &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i%4), Value: []byte(line), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}}
		switch i {
		case 0:
			r.Key = []byte("its own")
		case 39:
			r.Value = nil
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	c.Compact()
	s := newMemStore()
	in, stop := run(t, c.config(s))
	waitFor(t, "all is passed", func() bool { h := in.Health(); return len(h.Partitions) == 1 && h.Partitions[0].Stored == 40 })
	stop()
	rows, holes, refused := offsetsOf(s, 0), s.covered(false), s.covered(true)
	if len(rows)+len(holes)+len(refused) != 40 || len(holes) < 30 || !slices.Equal(refused, []int64{39}) {
		t.Errorf("rows at %v, holes at %v, refused %v: want each of 40 offsets once, most of them compacted, and the tombstone refused", rows, holes, refused)
	}
	if s.letters[0].Reason != "empty_line" {
		t.Errorf("the tombstone is refused for %q", s.letters[0].Reason)
	}
}
