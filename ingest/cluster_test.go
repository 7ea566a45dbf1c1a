package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// cluster is a Kafka in the test's process, seen through the real protocol.
type cluster struct {
	*kfake.Cluster
	t    *testing.T
	addr string
}

func startCluster(t *testing.T, partitions int32, topics ...string) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &cluster{c, t, c.ListenAddrs()[0]}
}

// produce waits for the leader: a real broker does not know at once that it leads a topic that was just made.
func (c *cluster) produce(topic string, partition int, lines ...string) {
	c.t.Helper()
	var ms []kafka.Message
	for _, l := range lines {
		ms = append(ms, kafka.Message{Value: []byte(l)})
	}
	waitFor(c.t, "a leader that takes records", func() bool {
		conn, err := kafka.DialLeader(context.Background(), "tcp", c.addr, topic, partition)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close()
		_, err = conn.WriteCompressedMessages(kafka.Lz4.Codec(), ms...)
		if err != nil && !errors.Is(err, kafka.NotLeaderForPartition) {
			c.t.Fatal(err)
		}
		return err == nil
	})
}

func (c *cluster) committed(group, topic string, partition int32) (int64, string) {
	c.t.Helper()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}, Group: group})
	defer k.close()
	off, meta, err := k.committed(context.Background(), topic, partition)
	if err != nil {
		c.t.Fatal(err)
	}
	return off, meta
}

// commit sets the group's offset as a tool does, or as an owner that died left it.
func (c *cluster) commit(group, topic string, partition int32, offset int64, metadata string) {
	c.t.Helper()
	k := newKafkaClient(&Config{Brokers: []string{c.addr}, Group: group})
	defer k.close()
	if err := k.commit(context.Background(), generation{id: -1}, topic, partition, offset, metadata); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) config(s Store) Config {
	return Config{
		Brokers: []string{c.addr}, Topics: []string{"logs"}, Group: "g", Store: s,
		NewDecoder:    func(string) (Decoder, error) { return lineDecoder{}, nil },
		FlushInterval: 30 * time.Millisecond, MaxInsertsPerSecond: 1000, FetchWait: 20 * time.Millisecond,
		// Long, for a busy machine must not look like a dead member or broker.
		SessionTimeout: 30 * time.Second, HeartbeatInterval: 200 * time.Millisecond, InsertTimeout: 20 * time.Second,
		Logger: slog.New(slog.NewTextHandler(testWriter{c.t}, nil)),
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// run starts an ingester and returns how to stop it; stopping waits for its end.
func run(t *testing.T, cfg Config) (*Ingester, func()) {
	t.Helper()
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in, start(t, in.Run)
}

// start runs something until the returned function is called, or the test ends.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Errorf("Run() = %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func numbered(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("r%d %d key_%d", i, 1_700_000_000_000+i, i%7))
	}
	return out
}

// read produces so many records and has them stored by an ingester that is stopped then.
func (c *cluster) read(t *testing.T, s *memStore, records int) {
	t.Helper()
	c.produce("logs", 0, numbered(0, records)...)
	_, stop := run(t, c.config(s))
	waitFor(t, fmt.Sprint(records, " rows"), func() bool { n, _ := s.counted(); return n == records })
	stop()
}

func offsetsOf(s *memStore, partition int32) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []int64
	for _, r := range s.rows {
		if r.partition == partition {
			out = append(out, r.Offset)
		}
	}
	slices.Sort(out)
	return out
}
