package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// startShortened gives a log of fifty records from which sixty were read: it has lost ten.
func startShortened(t *testing.T) (*cluster, *memStore) {
	t.Helper()
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 50)
	for o := int64(50); o < 60; o++ {
		s.rows = append(s.rows, storedRow{"logs", 0, usage.Record{Offset: o}})
	}
	c.commit("g", "logs", 0, 60, plan{epoch: 1, lastRow: 59}.String())
	return c, s
}

// A log that was cut back has the id of the one that was read: read from its start again, all that it still holds would count
// twice.
func TestALogThatWasCutBackIsNotReadAgain(t *testing.T) {
	c, s := startShortened(t)
	day := dayOf(time.Now())
	c.commit("g", "logs", 0, 60, plan{epoch: 1, lastRow: 59, pending: []plannedRange{{to: 70, day: day}}}.String())
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "it was cut back") })
	stop()
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	for i := range 2 { // the second start goes on from the new epoch's commit
		_, stop = run(t, cfg)
		waitFor(t, "the new name is committed", func() bool { _, meta := c.committed("g", "logs", 0); return strings.Contains(meta, "e=2") })
		c.produce("logs", 0, numbered(100+5*i, 105+5*i)...)
		waitFor(t, "what is new is stored", func() bool { return s.storedOf("logs~2") == 5*i+5 })
		stop()
	}
	if n := s.storedOf("logs"); n != 60 {
		t.Errorf("%d rows of the old name, want the 60 that were there", n)
	}
	if first := s.rows[60]; first.topic != "logs~2" || first.Offset != 50 {
		t.Errorf("the first new row is %s/%d, want logs~2/50", first.topic, first.Offset)
	}
	if len(s.gaps) != 2 || s.gaps[0].From != 50 || s.gaps[0].To != 60 || s.gaps[1].Topic != "logs~2" || s.gaps[1].To != 50 {
		t.Errorf("gaps %+v, want [50,60) of the old name and all before of the new", s.gaps)
	}
}

// An operator may take long to decide. Meanwhile the log grows past the place up to which it was read, and looks whole again.
func TestALogThatWasCutBackAndHasGrownSinceIsReadFromWhereItWasCut(t *testing.T) {
	c, s := startShortened(t)
	for _, more := range []int{0, 4, 26} { // records, before each look at it
		c.produce("logs", 0, numbered(1000+more, 1000+2*more)...)
		in, stop := run(t, c.config(s))
		waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "ended at 50") })
		stop()
	}
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	_, stop := run(t, cfg)
	waitFor(t, "what was written since is stored", func() bool { return s.storedOf("logs~2") == 30 })
	c.settled(t, "g")
	stop()
	if n := s.storedOf("logs"); n != 60 {
		t.Errorf("%d rows of the old name, want the 60 that were there", n)
	}
	if first := s.rows[60]; first.topic != "logs~2" || first.Offset != 50 {
		t.Errorf("the first new row is %s/%d, want logs~2/50", first.topic, first.Offset)
	}
}

// Kafka forgets the offsets of a group that is away for a week. If nothing was written under the new name until then, the store has no row of it, and only the gap
// tells where it begins.
func TestALogThatWasCutBackIsNotReadAgainWhenTheGroupIsForgotten(t *testing.T) {
	c, s := startShortened(t)
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	_, stop := run(t, cfg)
	waitFor(t, "the new name is committed", func() bool { _, meta := c.committed("g", "logs", 0); return strings.Contains(meta, "e=2") })
	waitFor(t, "the new name is noted", func() bool { id, err := s.TopicID(t.Context(), "logs~2", 0); return err == nil && id != "" })
	stop()

	cfg = c.config(s)
	cfg.OnGap, cfg.Group = GapContinue, "one that has no offsets"
	_, stop = run(t, cfg)
	c.produce("logs", 0, numbered(100, 105)...)
	waitFor(t, "what is new is stored", func() bool { return s.storedOf("logs~2") >= 5 })
	c.settled(t, cfg.Group)
	stop()
	if n := s.storedOf("logs~2"); n != 5 {
		t.Errorf("%d rows of the new name, want the five that were written", n)
	}
}
