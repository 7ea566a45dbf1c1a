package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// mendedDecoder understands lines that start with "bad:" too.
type mendedDecoder struct{ lineDecoder }

func (d mendedDecoder) Decode(line []byte, at Origin, b *usage.Batch) error {
	return d.lineDecoder.Decode([]byte(strings.TrimPrefix(string(line), "bad:")), at, b)
}

// mended is an ingester whose decoder was mended since.
func (c *cluster) mended(t *testing.T, s Store) *Ingester {
	t.Helper()
	cfg := c.config(s)
	cfg.NewDecoder = func(string) (Decoder, error) { return mendedDecoder{}, nil }
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.kafka.close)
	return in
}

func TestDeadLettersAreReplayedOnce(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.produce("logs", 0, "r1 1700000000000 k", "bad:r2 1700000000000 k", "bad nothing", "bad:r1 1700000000005 k", "r3 1700000000000 k", "bad:r4 1700000000000")
	_, stop := run(t, c.config(s))
	waitFor(t, "the good lines are stored", func() bool { n, _ := s.counted(); return n == 2 })
	stop()
	in := c.mended(t, s)
	if len(s.letters) != 4 {
		t.Fatalf("dead letters %+v, want 4", s.letters)
	}
	// What is read again is below what is stored; the rest must not be touched before its block is.
	c.produce("logs", 0, "bad:r5 1700000000000 k")
	for i, dry := range []bool{true, false, false} { // the last time, as if the letters had not been deleted yet
		res, err := in.ReplayDeadLetters(t.Context(), "logs", 0, []int64{1, 2, 3, 5, 6, 99}, dry)
		if err != nil {
			t.Fatal(err)
		}
		repeats := []string{"[3]", "[3]", "[]"}[i]
		if got, want := fmt.Sprintf("%+v", res), "{Stored:[1 3] Repeats:"+repeats+" Rejected:[2 5] Gone:[] Waiting:[6 99]}"; got != want {
			t.Errorf("time %d: %s, want %s", i, got, want)
		}
		if rows, _ := s.counted(); dry && rows != 2 {
			t.Errorf("%d rows after a dry run", rows)
		}
	}
	if rows, counted := s.counted(); rows != 4 || counted != 3 {
		t.Errorf("%d rows, %d counted; want 4 and 3, r1 was counted before", rows, counted)
	}
	if res, err := in.ReplayDeadLetters(t.Context(), "logs~3", 0, []int64{1}, false); err != nil || len(res.Gone) != 1 {
		t.Errorf("a letter of another epoch: %+v, %v", res, err)
	}
}

// What the decoder cannot stand is refused again, and keeps none of the others from being stored.
func TestALineThatTheDecoderPanicsAtDoesNotHoldUpAReplay(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.produce("logs", 0, "bad:panic", "bad:r1 1700000000000 k", "bad:r2 1700000000000 k"+strings.Repeat(" ", usage.MaxLineBytes), "bad:")
	_, stop := run(t, c.config(s))
	waitFor(t, "all are dead letters", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.letters) == 4 })
	c.settled(t, "g")
	stop()
	in := c.mended(t, s)
	res, err := in.ReplayDeadLetters(t.Context(), "logs", 0, []int64{0, 1, 2, 3}, false)
	if got := fmt.Sprintf("%+v, %v", res, err); got != "{Stored:[1] Repeats:[] Rejected:[0 2 3] Gone:[] Waiting:[]}, <nil>" {
		t.Error(got)
	}
}

// Until an operator has decided about it, the new log's lines at these offsets are not the old one's; they count when it is read.
func TestDeadLettersOfALogThatWasMadeAnewAreGone(t *testing.T) {
	for _, kept := range []bool{false, true} { // the group's offset: Kafka deletes it together with the topic, other brokers do not
		c := startCluster(t, 1, "logs")
		s := newMemStore()
		c.produce("logs", 0, "r1 1700000000000 k", "bad:r2 1700000000000 k")
		_, stop := run(t, c.config(s))
		waitFor(t, "the good line is stored", func() bool { n, _ := s.counted(); return n == 1 })
		c.settled(t, "g")
		stop()
		off, meta := c.committed("g", "logs", 0)
		c.remake(t, "logs")
		if kept {
			c.commit("g", "logs", 0, off, meta)
		}
		in, err := New(c.config(s))
		if err != nil {
			t.Fatal(err)
		}
		res, err := in.ReplayDeadLetters(t.Context(), "logs", 0, []int64{1}, false)
		if got := fmt.Sprintf("%+v, %v", res, err); got != "{Stored:[] Repeats:[] Rejected:[] Gone:[1] Waiting:[]}, <nil>" {
			t.Errorf("offset kept %v: %s", kept, got)
		}
		if rows, _ := s.counted(); rows != 1 {
			t.Errorf("offset kept %v: %d rows", kept, rows)
		}
		in.kafka.close()
	}
}

// Its lines are stored under the names that the re-keyer gives its logs, and only the re-keyer's group knows how far it is.
func TestDeadLettersOfARekeyedTopicThatWasMadeAnewAreReplayedFromTheNewLogOnly(t *testing.T) {
	for name, tc := range map[string]struct{ kept, ids bool }{
		"the groups' offsets are gone with it":         {ids: true},
		"the groups' offsets are kept":                 {kept: true, ids: true},
		"the broker gives no ids, and keeps an offset": {kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 1, "raw", "keyed")
			s := newMemStore()
			c.produce("raw", 0, numbered(0, 300)...)
			c.produce("raw", 0, "bad:old 1700000000000 k")
			_, stopIngest := run(t, c.behind(s))
			defer stopIngest()
			cfg := c.rekeyConfig(s)
			cfg.NewDecoder, cfg.OnGap = func(string) (Decoder, error) { return lineDecoder{}, nil }, GapContinue
			_, stop := startRekeyer(t, cfg)
			waitFor(t, "the old log is through", func() bool { n, _ := s.counted(); return n == 300 && s.refused() == 1 })
			c.through(t, "tollkeeper-rekey", "raw")
			stop()

			off, meta := c.committed("tollkeeper-rekey", "raw", 0)
			c.remake(t, "raw") // with offsets 0 to 199
			c.produce("raw", 0, "bad:new 1700000000000 k")
			if tc.kept {
				c.commit("tollkeeper-rekey", "raw", 0, off, meta)
			}
			if !tc.ids {
				clear(s.ids)
			}
			behind := c.behind(s)
			behind.Rekeying, behind.RekeyGroup = []string{"raw"}, "tollkeeper-rekey"
			behind.NewDecoder = func(string) (Decoder, error) { return mendedDecoder{}, nil }
			in, err := New(behind)
			if err != nil {
				t.Fatal(err)
			}
			defer in.kafka.close()
			replay := func(topic string, offset int64, want string) {
				t.Helper()
				res, err := in.ReplayDeadLetters(t.Context(), topic, 0, []int64{offset}, false)
				if got := fmt.Sprintf("%+v, %v", res, err); got != want+", <nil>" {
					t.Errorf("offset %d of %s: %s, want %s", offset, topic, got, want)
				}
			}
			gone := func(offset int) string {
				return fmt.Sprintf("{Stored:[] Repeats:[] Rejected:[] Gone:[%d] Waiting:[]}", offset)
			}
			replay("raw", 300, gone(300))

			_, stop = startRekeyer(t, cfg)
			waitFor(t, "the new log is through", func() bool { n, _ := s.counted(); return n == 500 && s.refused() == 2 })
			c.through(t, "tollkeeper-rekey", "raw")
			stop()
			replay("raw", 300, gone(300))
			replay("raw", 200, gone(200)) // there is such an offset, but in the new log
			if _, counted := s.counted(); counted != 500 {
				t.Errorf("%d count, want 500", counted)
			}
			for range 2 {
				replay("raw~2", 200, "{Stored:[200] Repeats:[] Rejected:[] Gone:[] Waiting:[]}")
				if _, counted := s.counted(); counted != 501 {
					t.Errorf("%d count, want 501", counted)
				}
			}
			replay("raw~2", 201, "{Stored:[] Repeats:[] Rejected:[] Gone:[] Waiting:[201]}")
		})
	}
}

// through waits until the group has written all of a topic's lines and committed that.
func (c *cluster) through(t *testing.T, group, topic string) {
	t.Helper()
	waitFor(t, "all is committed", func() bool {
		off, meta := c.committed(group, topic, 0)
		return off == c.PartitionInfo(topic, 0).HighWatermark && !strings.Contains(meta, "p=")
	})
}
