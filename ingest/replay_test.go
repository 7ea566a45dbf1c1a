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

func TestDeadLettersAreReplayedOnce(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.produce("logs", 0, "r1 1700000000000 k", "bad:r2 1700000000000 k", "bad nothing", "bad:r1 1700000000005 k", "r3 1700000000000 k", "bad:r4 1700000000000")
	_, stop := run(t, c.config(s))
	waitFor(t, "the good lines are stored", func() bool { n, _ := s.counted(); return n == 2 })
	stop()
	cfg := c.config(s)
	cfg.NewDecoder = func(string) (Decoder, error) { return mendedDecoder{}, nil }
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer in.kafka.close()
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
