package ingest

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records behind an open transaction may not be read yet. They are lag, and no reason for alarm, until the transaction is older
// than brokers let one be.
func TestATransactionThatIsNeverEndedIsToldOf(t *testing.T) {
	c := startCluster(t, 1, "logs")
	c.produce("logs", 0, numbered(0, 10)...)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addr), kgo.TransactionalID("a"), kgo.DefaultProduceTopic("logs"), kgo.TransactionTimeout(15*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord(numbered(10, 11)[0])).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.produce("logs", 0, numbered(11, 20)...)
	s := newMemStore()
	cfg := c.config(s)
	var later atomic.Int64
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	in, _ := run(t, cfg)
	waitFor(t, "what is before it is stored, and the rest is lag", func() bool {
		h := in.Health()
		return len(h.Partitions) == 1 && h.Partitions[0].Stored == 10 && h.Partitions[0].Lag == 10 && h.Partitions[0].Held == 10
	})
	later.Store(int64(10 * time.Minute))
	waitFor(t, "it is open for ten minutes", func() bool { return in.Health().Partitions[0].HeldFor > 9*time.Minute })
	waitFor(t, "that is no alarm", func() bool { return in.Health().Ready })
	later.Store(int64(17 * time.Minute))
	waitFor(t, "seventeen are one", func() bool {
		h := in.Health()
		return !h.Ready && strings.Contains(h.Reason, "logs/0: a producer's transaction that was never ended holds back 10 offsets")
	})
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all is stored", func() bool {
		h := in.Health()
		return h.Ready && h.Partitions[0].Lag == 0 && h.Partitions[0].HeldFor == 0 && len(offsetsOf(s, 0)) == 20
	})
}
