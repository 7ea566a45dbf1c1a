package ingest

import (
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
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

// Where much is waiting the first blocks are a thirty-second, an eighth and a half of a whole one, so that the store need not wait for the first whole block. Where there is
// nothing to catch up with, age decides, and where partitions are so many that inserts are rationed, small ones are not made.
func TestTheFirstBlocksOfABacklogAreSmall(t *testing.T) {
	for _, c := range []struct {
		why                 string
		handed, rows, parts int
		behind, due         bool
	}{
		{"a thirty-second is not full", 0, 1, 1, true, false},
		{"a thirty-second", 0, 2, 1, true, true},
		{"the second is an eighth", 1, 7, 1, true, false},
		{"an eighth", 1, 8, 1, true, true},
		{"the third is a half", 2, 31, 1, true, false},
		{"a half", 2, 32, 1, true, true},
		{"the fourth is whole", 3, 63, 1, true, false},
		{"nothing to catch up with", 0, 40, 1, false, false},
		{"inserts are rationed", 0, 40, 1000, true, false},
	} {
		in, err := New(Config{
			Brokers: []string{"nobody"}, Topics: []string{"logs"}, Store: newMemStore(), FlushInterval: time.Hour, MaxBlockRows: 64, MaxInsertsPerSecond: 0.1,
			NewDecoder: func(string) (Decoder, error) { return lineDecoder{}, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorker(in, generation{}, "logs", 0, c.parts)
		if err := w.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range c.rows {
			w.cur.batch.Append(&usage.Record{TimeMillis: int64(i), KeyID: "key"})
		}
		w.next, w.cur.opened, w.behind, w.handed = int64(c.rows), time.Now(), c.behind, c.handed
		w.inserterFree.Store(true)
		if err := w.flushIfDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if due := len(w.seen) == 1; due != c.due {
			t.Errorf("%s: handed over: %v", c.why, due)
		}
	}
}
