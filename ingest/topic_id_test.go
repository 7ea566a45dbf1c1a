package ingest

import (
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// remake deletes the topic and makes it anew with more records than were read of the old one.
func (c *cluster) remake(t *testing.T, topic string) {
	t.Helper()
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	c.produce(topic, 0, numbered(50, 250)...)
}

func TestARecreatedTopicThatHasOutgrownTheOldOneIsReadFromItsStart(t *testing.T) {
	for name, tc := range map[string]struct {
		kept   bool // the group's offset: Kafka deletes it together with the topic, other brokers do not
		byHand bool // it was set by a tool, without a plan
		noted  bool // the old topic's id
		want   int
	}{
		"the group's offset is gone":             {noted: true, want: 250},
		"the group's offset is kept":             {kept: true, noted: true, want: 250},
		"the group's offset was set by hand":     {kept: true, byHand: true, noted: true, want: 250},
		"the id was not noted by an old version": {kept: true, want: 200}, // as before there were ids
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 1, "logs")
			s := newMemStore()
			c.read(t, s, 50)
			off, meta := c.committed("g", "logs", 0)
			if !tc.noted {
				clear(s.ids)
			}
			c.remake(t, "logs")
			if tc.byHand {
				meta = ""
			}
			if tc.kept {
				c.commit("g", "logs", 0, off, meta)
			} else if off, _ := c.committed("g", "logs", 0); off >= 0 {
				t.Fatalf("the group still has offset %d", off)
			}

			if tc.noted {
				in, stop := run(t, c.config(s))
				waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "made anew") })
				stop()
			}
			cfg := c.config(s)
			cfg.OnGap = GapContinue
			for _, group := range []string{"g", "g", "forgotten"} { // the second start and one without offsets go on in the new log
				cfg.Group = group
				_, stop := run(t, cfg)
				waitFor(t, "the new log is read", func() bool { n, _ := s.counted(); return n >= tc.want })
				c.settled(t, group)
				stop()
			}
			rows, counted := s.counted()
			last := s.rows[rows-1]
			if want := usage.StoredTopic("logs", tc.want/250+1); rows != tc.want || counted != rows || last.topic != want || last.Offset != 199 {
				t.Errorf("%d rows, %d counted, the last is %s/%d; want %d and %s/199", rows, counted, last.topic, last.Offset, tc.want, want)
			}
		})
	}
}

// settled waits until the group has committed the end of the log.
func (c *cluster) settled(t *testing.T, group string) {
	t.Helper()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}, Group: group})
	defer k.close()
	waitFor(t, "all is committed", func() bool {
		off, meta, err := k.committed(t.Context(), "logs", 0) // an error while the group is new
		return err == nil && off == c.PartitionInfo("logs", 0).HighWatermark && !strings.Contains(meta, "p=")
	})
}

func TestATopicThatIsMadeAnewWhileItIsReadStopsItsPartition(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.produce("logs", 0, numbered(0, 50)...)
	in, stop := run(t, c.config(s))
	defer stop()
	waitFor(t, "50 rows", func() bool { n, _ := s.counted(); return n == 50 })
	c.settled(t, "g")
	c.remake(t, "logs")
	waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "made anew") })
	if n, _ := s.counted(); n != 50 {
		t.Errorf("%d rows, want the 50 of the old topic", n)
	}
}

// Whoever takes the new log over may die between noting its id and its first commit.
func TestAnEpochThatWasBegunIsBegunAgain(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	c.read(t, s, 50)
	off, meta := c.committed("g", "logs", 0)
	c.remake(t, "logs")
	c.commit("g", "logs", 0, off, meta)
	k := newKafkaClient(&Config{Brokers: []string{c.addr}})
	defer k.close()
	id, err := k.topicID(t.Context(), "logs", 0)
	if err != nil {
		t.Fatal(err)
	}
	s.ids[usage.OriginPartition("logs~2", 0)] = id
	_, stop := run(t, c.config(s))
	waitFor(t, "the new log is read", func() bool { n, _ := s.counted(); return n == 250 })
	stop()
	if last := s.rows[249]; last.topic != "logs~2" || last.Offset != 199 {
		t.Errorf("the last row is %s/%d", last.topic, last.Offset)
	}
}
