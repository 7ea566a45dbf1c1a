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

func TestABlockMayGrowOlderWhereMoreIsWaitingThanItCanHold(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		behind bool
		age    time.Duration
		due    bool
	}{{false, hour / 2, false}, {false, 2 * hour, true}, {true, 2 * hour, false}, {true, (behindPatience + 1) * hour, true}} {
		in, err := New(Config{
			Brokers: []string{"nobody"}, Topics: []string{"logs"}, Store: newMemStore(), FlushInterval: hour,
			NewDecoder: func(string) (Decoder, error) { return lineDecoder{}, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorker(in, generation{}, "logs", 0, 1)
		if err := w.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.next, w.cur.opened, w.behind = 1, time.Now().Add(-c.age), c.behind
		w.inserterFree.Store(true)
		if err := w.flushIfDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if due := len(w.seen) == 1; due != c.due {
			t.Errorf("%v old, more waiting than fits: %v: handed over: %v", c.age, c.behind, due)
		}
	}
}
