package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestEveryLineIsStoredOnceAndCommitted(t *testing.T) {
	c := startCluster(t, 2, "logs")
	c.produce("logs", 0, numbered(0, 1000)...)
	c.produce("logs", 1, numbered(1000, 1500)...)
	s := newMemStore()
	in, stop := run(t, c.config(s))
	waitFor(t, "1500 rows are stored", func() bool { n, _ := s.counted(); return n == 1500 })
	c.produce("logs", 0, numbered(1500, 1600)...)
	waitFor(t, "the rest is stored", func() bool { n, _ := s.counted(); return n == 1600 })
	waitFor(t, "health is good without lag", func() bool {
		h := in.Health()
		return h.Ready && len(h.Partitions) == 2 && h.Partitions[0].Lag == 0 && h.Partitions[1].Lag == 0
	})
	stop()
	for p, want := range map[int32]int{0: 1100, 1: 500} {
		got := offsetsOf(s, p)
		if len(got) != want || got[0] != 0 || got[want-1] != int64(want-1) || len(slices.Compact(got)) != want {
			t.Errorf("partition %d holds %d offsets, want 0 to %d once each", p, len(got), want-1)
		}
		off, meta := c.committed("g", "logs", p)
		pl, err := parsePlan(meta, off)
		if off != int64(want) || err != nil || len(pl.pending) != 0 || pl.lastRow != int64(want-1) {
			t.Errorf("partition %d committed %d with %q, want %d with nothing pending", p, off, meta, want)
		}
	}
}

// The end may come while the last position is being committed: then, too, nothing is left for the next owner to find out.
func TestTheEndDuringACommitCommitsOnceMore(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 100)...)
	var refused, ending atomic.Bool
	c.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r := req.(*kmsg.OffsetCommitRequest)
		p := r.Topics[0].Partitions[0]
		if ending.Load() || p.Metadata == nil || p.Offset < 100 {
			return nil, nil, false
		}
		refused.Store(true)
		res := r.ResponseKind().(*kmsg.OffsetCommitResponse)
		res.Topics = []kmsg.OffsetCommitResponseTopic{{Topic: "logs", Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: int16(kafka.GroupLoadInProgress)}}}}
		return res, nil, true
	})
	_, stop := run(t, c.config(newMemStore()))
	waitFor(t, "the last position is being committed", refused.Load)
	ending.Store(true)
	stop()
	if off, meta := c.committed("g", "logs", 0); off != 100 || strings.Contains(meta, "p=") {
		t.Errorf("committed %d with %q, want 100 with nothing pending", off, meta)
	}
}

func TestPoisonBecomesDeadLettersAndNeighboursSurvive(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, "r1 1700000000001 k", "bad 1 k", "", "panic", "r2 1700000000002 k")
	c.produce("logs", 0, strings.Repeat("x", usage.MaxLineBytes+1))
	c.produce("logs", 0, strings.Repeat("y", 3<<20), "r3 1700000000003 k", "\x00\x00\x00\x00\x00\x01", "r4 1700000000004 k")
	s := newMemStore()
	_, stop := run(t, c.config(s))
	waitFor(t, "four rows are stored", func() bool { n, _ := s.counted(); return n == 4 })
	stop()
	got := map[string]int{}
	for _, l := range s.letters {
		got[l.Reason]++
		if len(l.Line) > maxDeadLetterBytes {
			t.Errorf("a dead letter keeps %d bytes", len(l.Line))
		}
	}
	want := map[string]int{"bad_line": 2, accesslog.ReasonEmptyLine: 1, "decoder_error": 1, accesslog.ReasonLineTooLong: 2}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("dead letters %v, want %v", got, want)
	}
	if off, _ := c.committed("g", "logs", 0); off != 10 {
		t.Errorf("committed %d, want 10", off)
	}
}

func TestAStoreThatFailsAndLiesLosesAndDoublesNothing(t *testing.T) {
	c := startCluster(t, 2, "logs")
	s := newMemStore()
	var calls atomic.Int64
	s.before = func(string, usage.Span) error {
		if calls.Add(1)%3 == 0 {
			return errInjected
		}
		return nil
	}
	s.after = func(string, usage.Span) error {
		if calls.Add(1)%5 == 0 {
			return errInjected // stored, but the answer is lost
		}
		return nil
	}
	_, stop := run(t, c.config(s))
	for i := range 20 {
		c.produce("logs", i%2, numbered(i*50, i*50+50)...)
		time.Sleep(20 * time.Millisecond)
	}
	waitFor(t, "1000 rows are stored", func() bool { n, _ := s.counted(); return n >= 1000 })
	stop()
	if n, counted := s.counted(); n != 1000 || counted != 1000 {
		t.Errorf("%d rows stored, %d counted, want 1000", n, counted)
	}
}

// crash makes a Store refuse everything from a moment on, as a process that is killed would send nothing any more.
type crash struct {
	*memStore
	dead  atomic.Bool
	after atomic.Int64 // events inserts until death; the fatal one is stored when lands is set
	lands bool
}

func (s *crash) InsertEvents(ctx context.Context, span usage.Span, b *usage.Batch) error {
	if s.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.after.Add(-1) < 0 {
		s.dead.Store(true)
		if s.lands {
			s.memStore.InsertEvents(ctx, span, b)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return s.memStore.InsertEvents(ctx, span, b)
}

func TestANewOwnerSettlesThePlanOfADeadOne(t *testing.T) {
	for _, lands := range []bool{false, true} {
		t.Run(fmt.Sprintf("landed=%v", lands), func(t *testing.T) {
			c := startCluster(t, 1, "logs")
			s := newMemStore()
			dying := &crash{memStore: s, lands: lands}
			dying.after.Store(2)
			cfg := c.config(dying)
			cfg.InsertTimeout = 300 * time.Millisecond
			_, stop := run(t, cfg)
			for i := 0; !dying.dead.Load(); i++ {
				c.produce("logs", 0, numbered(i*10, i*10+10)...)
				time.Sleep(40 * time.Millisecond)
			}
			stop()
			off, meta := c.committed("g", "logs", 0)
			p, err := parsePlan(meta, off)
			if err != nil || len(p.pending) != 1 {
				t.Fatalf("the dead owner left %d %q, want one pending block", off, meta)
			}
			k := newKafkaClient(&cfg)
			_, end, _ := k.bounds(t.Context(), "logs", 0)
			k.close()
			_, stop = run(t, c.config(s))
			waitFor(t, "all is stored", func() bool { n, _ := s.counted(); return n >= int(end) })
			stop()
			got := offsetsOf(s, 0)
			if len(got) != int(end) || len(slices.Compact(got)) != int(end) {
				t.Errorf("%d rows for %d offsets", len(got), end)
			}
			// The pending block was not cut anew.
			if !slices.ContainsFunc(s.blocks, func(b usage.Span) bool { return b.From == off && b.To == p.pending[0].to }) {
				t.Errorf("no block [%d, %d) among %v", off, p.pending[0].to, s.blocks)
			}
			if _, counted := s.counted(); counted != int(end) {
				t.Errorf("%d of %d rows count", counted, end)
			}
		})
	}
}

func TestMembersJoinAndLeaveWithoutLossOrDouble(t *testing.T) {
	c := startCluster(t, 4, "logs")
	s := newMemStore()
	s.delay = 5 * time.Millisecond
	_, stopA := run(t, c.config(s))
	total := 0
	produce := func(rounds int) {
		for range rounds {
			n := 20 + rand.IntN(50)
			c.produce("logs", rand.IntN(4), numbered(total, total+n)...)
			total += n
			time.Sleep(10 * time.Millisecond)
		}
	}
	produce(30)
	_, stopB := run(t, c.config(s))
	produce(60)
	stopA()
	produce(30)
	waitFor(t, "all is stored", func() bool { n, _ := s.counted(); return n >= total })
	stopB()
	if n, counted := s.counted(); n != total || counted != total {
		t.Errorf("%d rows, %d counted, want %d", n, counted, total)
	}
}

func TestAGatewaysRetryCountsOnceAlsoAfterATakeover(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	_, stop := run(t, c.config(s))
	c.produce("logs", 0, "a 1700000000000 k", "b 1700000000001 k", "a 1700000000002 k", "- 1700000000003 k", "- 1700000000003 k")
	waitFor(t, "five rows are stored and committed", func() bool {
		if n, _ := s.counted(); n < 5 {
			return false
		}
		off, _ := c.committed("g", "logs", 0)
		return off == 5
	})
	stop()
	_, stop = run(t, c.config(s))
	c.produce("logs", 0, "b 1700000000100 k", "c 1700000000200 k")
	waitFor(t, "seven rows", func() bool { n, _ := s.counted(); return n == 7 })
	stop()
	if _, counted := s.counted(); counted != 5 {
		t.Errorf("%d rows count, want a, b, c and the two without a request id", counted)
	}
	for _, r := range s.rows {
		if none := len(r.RequestID) == 0; none != (r.Flags&usage.FlagNoRequestID != 0) {
			t.Errorf("offset %d: flags %b", r.Offset, r.Flags)
		}
	}
}

func TestAGatewaysRetryOfALateRecordCountsOnceAfterATakeover(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	_, stop := run(t, c.config(s))
	c.produce("logs", 0, "a 1700000000000 k", "late 1699990000000 k") // by hours
	waitFor(t, "two rows are stored and committed", func() bool {
		if n, _ := s.counted(); n < 2 {
			return false
		}
		off, _ := c.committed("g", "logs", 0)
		return off == 2
	})
	stop()
	_, stop = run(t, c.config(s))
	c.produce("logs", 0, "late 1699990000000 k")
	waitFor(t, "three rows", func() bool { n, _ := s.counted(); return n == 3 })
	stop()
	if _, counted := s.counted(); counted != 2 {
		t.Errorf("%d rows count, want two", counted)
	}
}

func TestRewoundOffsetsStopThePartitionUnlessReplayIsAllowed(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 100)
	c.commit("g", "logs", 0, 40, "")
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is stopped", func() bool {
		h := in.Health()
		return !h.Ready && strings.Contains(h.Reason, "moved back to 40") && strings.Contains(h.Reason, "--replay")
	})
	stop()
	cfg := c.config(s)
	cfg.Replay = true
	_, stop = run(t, cfg)
	c.produce("logs", 0, numbered(100, 110)...)
	waitFor(t, "the ten new rows", func() bool { n, _ := s.counted(); return n == 110 })
	stop()
	if got := offsetsOf(s, 0); len(slices.Compact(got)) != 110 {
		t.Errorf("offsets doubled")
	}
}

func TestExpiredGroupOffsetsAreRebuiltFromTheStore(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 50)
	cfg := c.config(s)
	cfg.Group = "another" // as good as one whose offsets Kafka has forgotten
	_, stop := run(t, cfg)
	c.produce("logs", 0, numbered(50, 60)...)
	waitFor(t, "60 rows", func() bool { n, _ := s.counted(); return n >= 60 })
	stop()
	if n, _ := s.counted(); n != 60 {
		t.Errorf("%d rows, want 60", n)
	}
}

func TestLostOffsetsStopThePartitionOrBecomeAGap(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 50)
	c.produce("logs", 0, numbered(50, 100)...)
	if err := c.DeleteRecords("logs", 0, 70); err != nil {
		t.Fatal(err)
	}
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is stopped", func() bool {
		return strings.Contains(in.Health().Reason, "offsets 50 to 69") && !in.Health().Ready
	})
	stop()
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	_, stop = run(t, cfg)
	waitFor(t, "the rest is stored", func() bool { n, _ := s.counted(); return n == 80 })
	stop()
	if len(s.gaps) != 1 || s.gaps[0].From != 50 || s.gaps[0].To != 70 {
		t.Errorf("gaps = %+v, want one from 50 to 70", s.gaps)
	}
}

func TestARecreatedTopicIsReadFromItsStartUnderANewName(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 50)
	off, meta := c.committed("g", "logs", 0)
	if err := c.DeleteTopic("logs"); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic("logs", 1, nil); err != nil {
		t.Fatal(err)
	}
	c.commit("g", "logs", 0, off, meta)
	c.produce("logs", 0, numbered(50, 60)...)
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "made anew") })
	stop()
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	for range 2 { // the second start goes on from the new epoch's commit
		_, stop = run(t, cfg)
		waitFor(t, "60 rows", func() bool { n, _ := s.counted(); return n == 60 })
		stop()
	}
	if last := s.rows[59]; last.topic != "logs~2" || last.Offset != 9 {
		t.Errorf("last row is %s/%d, want logs~2/9", last.topic, last.Offset)
	}
}
