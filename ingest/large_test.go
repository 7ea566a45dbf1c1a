package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/heaptest"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// countingStore is a store that only counts events.
type countingStore struct {
	*memStore
	events atomic.Int64
}

func (s *countingStore) InsertEvents(_ context.Context, _ usage.Span, b *usage.Batch) error {
	s.events.Add(int64(b.Len()))
	return nil
}

// startLargeCluster is one whose topic takes batches of any size.
func startLargeCluster(t *testing.T, partitions int32) *cluster {
	t.Helper()
	c := startCluster(t, 1)
	if err := c.CreateTopic("logs", partitions, map[string]string{"max.message.bytes": "300000000"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// produceBatch writes lines as one record batch.
func (c *cluster) produceBatch(partition int, codec kafka.Compression, lines ...string) {
	c.t.Helper()
	k := kafka.Client{Addr: kafka.TCP(c.addr), Transport: &kafka.Transport{}}
	defer k.Transport.(*kafka.Transport).CloseIdleConnections()
	var records []kafka.Record
	for _, l := range lines {
		records = append(records, kafka.Record{Value: kafka.NewBytes([]byte(l))})
	}
	res, err := k.Produce(context.Background(), &kafka.ProduceRequest{
		Topic: "logs", Partition: partition, RequiredAcks: kafka.RequireAll, Compression: codec, Records: kafka.NewRecordReader(records...),
	})
	if err != nil || res.Error != nil {
		c.t.Fatal(err, res)
	}
}

// peak looks at what is in use until it is stopped, and then tells the most.
func peak(t *testing.T) (stop func() int64) {
	done, most := make(chan struct{}), make(chan int64)
	go func() {
		var seen int64
		live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}} // without what became garbage since
		for {
			select {
			case <-done:
				most <- seen
				return
			case <-time.After(50 * time.Millisecond):
				runtime.GC()
				runtimemetrics.Read(live)
				seen = max(seen, int64(live[0].Value.Uint64()))
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-most
	}
}

func TestBatchesThatUnpackToMoreThanTheBudgetAreReadInsideIt(t *testing.T) {
	const budget, partitions, lines = 64 << 20, 2, 100_000
	for _, codec := range []kafka.Compression{kafka.Zstd, kafka.Lz4} {
		t.Run(codec.String(), func(t *testing.T) {
			c := startLargeCluster(t, partitions)
			for p := range int(partitions) {
				batch := make([]string, lines)
				for i := range batch {
					batch[i] = fmt.Sprintf("r%d %d key_1 %s", i, 1_700_000_000_000, strings.Repeat("padding ", 150))
				}
				c.produceBatch(p, codec, batch...) // 120 MB
			}
			s := &countingStore{memStore: newMemStore()}
			cfg := c.config(s)
			cfg.MemoryBytes = budget
			before := heaptest.InUse()
			stopped := peak(t)
			_, stop := run(t, cfg)
			waitFor(t, "all is stored", func() bool { return s.events.Load() == partitions*lines })
			if grown := stopped() - before; grown > budget {
				t.Errorf("up to %d MiB were in use, the budget is %d MiB", grown>>20, budget>>20)
			} else {
				t.Logf("up to %d of %d MiB were in use", grown>>20, budget>>20)
			}
			stop()
		})
	}
}

func TestABatchThatTheBudgetCannotHoldStopsThePartitionAndSaysWhatMendsIt(t *testing.T) {
	c := startLargeCluster(t, 1)
	c.produce("logs", 0, numbered(0, 10)...)
	noise := make([]byte, 40<<20)
	chacha := rand.NewChaCha8([32]byte{})
	chacha.Read(noise)
	c.produceBatch(0, 0, string(noise))
	s := newMemStore()
	cfg := c.config(s)
	cfg.MemoryBytes = 64 << 20
	in, stop := run(t, cfg)
	waitFor(t, "the partition stands still", func() bool { return len(in.Health().Partitions) == 1 && in.Health().Partitions[0].Stopped })
	why := in.Health().Partitions[0].Waiting
	for _, want := range []string{"offset 10", "41 MiB", "ingest-memory", "smaller batches"} {
		if !strings.Contains(why, want) {
			t.Errorf("it does not say %q: %s", want, why)
		}
	}
	stop()
	cfg.MemoryBytes = 641 << 20
	_, stop = run(t, cfg)
	waitFor(t, "with more memory it goes on", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.letters) == 1 })
	stop()
	if n, _ := s.counted(); n != 10 || s.letters[0].Reason != accesslog.ReasonLineTooLong {
		t.Errorf("%d records, and its line became %+v", n, s.letters[0])
	}
}
