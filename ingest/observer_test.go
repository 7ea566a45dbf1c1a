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

// slowWatcher takes its time over what it is shown, reading it all.
type slowWatcher struct {
	recorder
	offsets []int64
	values  map[string]bool
}

func (w *slowWatcher) ObserveRange(_ string, _ int32, b *usage.Batch, from, to int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := from; i < to; i++ {
		w.values[string(b.RequestID.At(i))+b.KeyID.At(i)+b.Route.At(i)] = true
		w.offsets = append(w.offsets, b.Offset[i])
		if i%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func (w *slowWatcher) Observe(string, int32, *usage.Batch) {}

func (w *slowWatcher) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.offsets)
}

func TestNoRowIsStoredBeforeItWasSeenThoughDecodingGoesOn(t *testing.T) {
	const rows = 5000
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	watcher, blocks := &slowWatcher{values: map[string]bool{}}, &recorder{}
	s.before = func(op string, span usage.Span) error {
		blocks.mu.Lock()
		defer blocks.mu.Unlock()
		if n := watcher.seen(); int64(n) < span.To || int64(blocks.rows) < span.To {
			t.Errorf("rows before offset %d are stored, of which %d and %d were seen", span.To, n, blocks.rows)
		}
		return nil
	}
	cfg := c.config(s)
	cfg.Observers, cfg.MaxBlockRows = []Observer{watcher, blocks}, 300
	for from := 0; from < rows; from += 100 {
		c.produce("logs", 0, numbered(from, from+100)...)
	}
	_, stop := run(t, cfg)
	waitFor(t, "all rows", func() bool { n, _ := s.counted(); return n == rows })
	stop()
	if len(watcher.offsets) != rows || len(watcher.values) != rows {
		t.Fatalf("%d rows seen, %d different ones, of %d", len(watcher.offsets), len(watcher.values), rows)
	}
	for i, offset := range watcher.offsets {
		if offset != int64(i) {
			t.Fatalf("row %d seen is of offset %d", i, offset)
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
