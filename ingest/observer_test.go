package ingest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// recorder notes what an observer is told.
type recorder struct {
	mu     sync.Mutex
	events []string
	rows   int
	dups   int
}

func (r *recorder) Assigned(_ context.Context, topic string, p int32) error {
	r.note(fmt.Sprintf("assigned %s/%d", topic, p))
	return nil
}
func (r *recorder) Revoked(topic string, p int32) { r.note(fmt.Sprintf("revoked %s/%d", topic, p)) }
func (r *recorder) Observe(_ string, _ int32, b *usage.Batch) {
	r.see(b, 0, b.Len())
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, s)
}

func (r *recorder) see(b *usage.Batch, from, to int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows += to - from
	for _, f := range b.Flags[from:to] {
		if f&usage.FlagDuplicate != 0 {
			r.dups++
		}
	}
}

type eagerRecorder struct{ recorder }

func (r *eagerRecorder) ObserveRange(_ string, _ int32, b *usage.Batch, from, to int) {
	r.see(b, from, to)
}

func TestObserversSeeEachRowOnceWithItsFlags(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	plain, eager := &recorder{}, &eagerRecorder{}
	cfg := c.config(s)
	cfg.Observers = []Observer{plain, eager}
	c.produce("logs", 0, append(numbered(0, 300), numbered(290, 300)...)...)
	_, stop := run(t, cfg)
	waitFor(t, "310 rows", func() bool { n, _ := s.counted(); return n == 310 })
	stop()
	for name, r := range map[string]*recorder{"plain": plain, "eager": &eager.recorder} {
		if r.rows != 310 || r.dups != 10 || fmt.Sprint(r.events) != "[assigned logs/0 revoked logs/0]" {
			t.Errorf("%s observer saw %d rows, %d duplicates, %v", name, r.rows, r.dups, r.events)
		}
	}
}

func TestARestartedInstanceDoesNotWaitForItsOwnSession(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	cfg := c.config(s)
	cfg.Instance, cfg.SessionTimeout = "node-1", 30*time.Second
	// A member that joined and died: its connections go without a LeaveGroup.
	dead, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: "g", Brokers: cfg.Brokers, Topics: cfg.Topics, Dialer: dead.kafka.memberDia,
		SessionTimeout: 30 * time.Second, HeartbeatInterval: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.produce("logs", 0, numbered(0, 5)...)
	started := time.Now()
	_, stop := run(t, cfg)
	waitFor(t, "five rows", func() bool { n, _ := s.counted(); return n == 5 })
	if d := time.Since(started); d > 8*time.Second {
		t.Errorf("took over after %s", d)
	}
	stop()
}

func TestNewNamesEveryProblemAtOnce(t *testing.T) {
	_, err := New(Config{OnGap: "skip", InsertTimeout: time.Minute, MemoryBytes: 1})
	for _, want := range []string{"kafka is empty", "topics is empty", "on-gap", "InsertTimeout", "ingest-memory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}
