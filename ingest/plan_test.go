package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestAPlanReadsBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		committed := rapid.Int64Range(0, 1<<50).Draw(t, "committed")
		p := plan{epoch: rapid.IntRange(1, 99).Draw(t, "epoch"), streamMillis: rapid.Int64().Draw(t, "stream"), lastRow: rapid.Int64Min(-1).Draw(t, "last")}
		at := committed
		for range rapid.IntRange(0, 4).Draw(t, "blocks") {
			at += rapid.Int64Range(1, 1<<40).Draw(t, "length")
			p.pending = append(p.pending, plannedRange{to: at, day: rapid.Int32().Draw(t, "day")})
		}
		if len(p.String()) > maxPlanBytes {
			t.Fatalf("a plan of %d bytes", len(p.String()))
		}
		got, err := parsePlan(p.String(), committed)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p, got, cmp.AllowUnexported(plan{}, plannedRange{}), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if got.end(committed) != at {
			t.Errorf("end() = %d, want %d", got.end(committed), at)
		}
	})
}

func TestWhatIsNoPlanOfOursIsRefused(t *testing.T) {
	for _, s := range []string{
		"x", "v2;e=1", "v1;e", "v1;e=0", "v1;z=1", "v1;p=", "v1;p=5.1", "v1;p=9.1,9.2", "v1;p=11.99999999999", "v1;p=a.1", "v1;w=-", "v1;e=1;" + strings.Repeat("p=11.1;", 1000),
	} {
		if p, err := parsePlan(s, 9); !errors.Is(err, errPlanForm) {
			t.Errorf("parsePlan(%.40q) = %+v, %v", s, p, err)
		}
	}
}

func TestAPlanThatIsNotUnderstoodStopsThePartitionAndIsLeftAsItIs(t *testing.T) {
	for name, metadata := range map[string]string{"of a newer version": "v1;e=1;w=0;l=4;q=9", "of another program": "node-7"} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 1, "logs")
			c.produce("logs", 0, numbered(0, 10)...)
			c.commit("g", "logs", 0, 5, metadata)
			s := newMemStore()
			in, stop := run(t, c.config(s))
			waitFor(t, "the partition is stopped", func() bool {
				h := in.Health()
				return !h.Ready && strings.Contains(h.Reason, metadata) && strings.Contains(h.Reason, "consumer group g")
			})
			stop()
			if n, _ := s.counted(); n != 0 {
				t.Errorf("%d rows stored", n)
			}
			if off, meta := c.committed("g", "logs", 0); off != 5 || meta != metadata {
				t.Errorf("committed is %d %q now", off, meta)
			}
		})
	}
}

// Its owner died, its insert may still be under way: until it is replayed nobody may forget that the block was planned.
func TestATakenOverPlanIsKeptUntilItsBlockIsStored(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 5)...)
	day := dayOf(time.Now())
	planned := plan{epoch: 1, lastRow: -1, pending: []plannedRange{{to: 7, day: day}, {to: 10, day: day}}}
	c.commit("g", "logs", 0, 0, planned.String())
	s := newMemStore()
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is taken over", func() bool {
		h := in.Health()
		return h.Ready && len(h.Partitions) == 1 && h.Partitions[0].Waiting == ""
	})
	pending := func() int {
		off, meta := c.committed("g", "logs", 0)
		p, err := parsePlan(meta, off)
		if err != nil {
			t.Fatal(err)
		}
		return len(p.pending)
	}
	for range 20 { // longer than an idle inserter waits before it commits
		if n := pending(); n != 2 {
			t.Fatalf("%d blocks are planned, want the two that were taken over", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.produce("logs", 0, numbered(5, 8)...)
	waitFor(t, "the first is stored and the second planned", func() bool { n, _ := s.counted(); return n == 7 && pending() == 1 })
	stop()
	if n := pending(); n != 1 {
		t.Errorf("%d blocks are planned after the end, want the second", n)
	}
	c.produce("logs", 0, numbered(8, 12)...)
	_, stop = run(t, c.config(s))
	waitFor(t, "all is stored", func() bool { n, _ := s.counted(); return n == 12 && pending() == 0 })
	stop()
	if got := s.blocks; got[0].To != 7 || got[1].From != 7 || got[1].To != 10 {
		t.Errorf("blocks %+v, want the planned ones first", got)
	}
}

func TestOffsetsThatWereMovedForwardBecomeAGap(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 50)...)
	s := newMemStore()
	total := 0
	for _, to := range []int64{40, 60} { // before anything was read, and once something was
		c.commit("g", "logs", 0, to, "")
		_, stop := run(t, c.config(s))
		total += 10
		waitFor(t, "ten rows more", func() bool { n, _ := s.counted(); return n == total })
		stop()
		c.produce("logs", 0, numbered(int(to)+10, int(to)+30)...)
	}
	if len(s.gaps) != 2 || s.gaps[0].From != 0 || s.gaps[0].To != 40 || s.gaps[1].From != 50 || s.gaps[1].To != 60 {
		t.Errorf("gaps %+v, want [0,40) and [50,60)", s.gaps)
	}
}

func FuzzParsePlan(f *testing.F) {
	f.Add("v1;e=1;w=1700000000000;l=41;p=50.20416,60.20416", int64(42))
	f.Fuzz(func(t *testing.T, s string, committed int64) {
		p, err := parsePlan(s, committed)
		if err != nil {
			return
		}
		at := committed
		for _, r := range p.pending {
			if r.to <= at {
				t.Errorf("%q gives a range that ends at %d, not after %d", s, r.to, at)
			}
			at = r.to
		}
	})
}
