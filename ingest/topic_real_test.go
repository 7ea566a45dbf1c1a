package ingest

import (
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/deploy/kafka/kafkatest"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Apache Kafka's own word on what the tests of topic ids show with a broker in the test's process: which offsets the group
// has left, which id the new topic gets, and what an open connection is told.
func TestATopicOfARealBrokerThatIsMadeAnewIsReadFromItsStart(t *testing.T) {
	k := kafkatest.Start(t, 1)
	k.CreateTopic(t, "logs", 1)
	c := &cluster{t: t, addr: k.Brokers()[0]}
	settledAt := func(end int64) {
		t.Helper()
		client := newKafkaClient(&Config{Brokers: k.Brokers(), Group: "g"})
		defer client.close()
		waitFor(t, "all is committed", func() bool {
			off, meta, err := client.committed(t.Context(), "logs", 0)
			return err == nil && off == end && !strings.Contains(meta, "p=")
		})
	}
	remake := func(records int) {
		t.Helper()
		k.DeleteTopic(t, "logs")
		k.CreateTopic(t, "logs", 1)
		c.produce("logs", 0, numbered(1000, 1000+records)...)
	}
	s := newMemStore()
	c.read(t, s, 50)
	settledAt(50)
	// While nobody reads it.
	remake(200)
	if off, meta := c.committed("g", "logs", 0); off >= 0 {
		t.Errorf("the group still has offset %d, %q: Kafka is said to forget it with the topic", off, meta)
	}
	in, stop := run(t, c.config(s))
	waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "made anew") })
	stop()
	cfg := c.config(s)
	cfg.OnGap = GapContinue
	in, stop = run(t, cfg)
	waitFor(t, "the new log is read", func() bool { n, _ := s.counted(); return n == 250 })
	settledAt(200)
	// While it is read.
	remake(300)
	waitFor(t, "the partition is stopped", func() bool { return strings.Contains(in.Health().Reason, "made anew") })
	stop()
	_, stop = run(t, cfg)
	waitFor(t, "the third log is read", func() bool { n, _ := s.counted(); return n >= 550 })
	settledAt(300)
	stop()
	names := map[string]int{}
	for _, r := range s.rows {
		names[r.topic]++
	}
	if len(names) != 3 || names["logs"] != 50 || names[usage.StoredTopic("logs", 2)] != 200 || names[usage.StoredTopic("logs", 3)] != 300 {
		t.Errorf("stored are %v, want 50, 200 and 300 under three names", names)
	}
}
