package ingest

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/heaptest"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// metric adds up a metric over its labels.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestASlowStoreSlowsFetchingInsteadOfFillingMemory(t *testing.T) {
	c := startCluster(t, 1, "logs")
	s := newMemStore()
	release := make(chan struct{})
	s.before = func(string, usage.Span) error {
		select {
		case <-release:
			return nil
		default:
			return errInjected
		}
	}
	for i := range 40 {
		c.produce("logs", 0, numbered(i*1000, i*1000+1000)...)
	}
	cfg := c.config(s)
	cfg.MaxBlockRows = 500
	cfg.StallAfter = 200 * time.Millisecond
	var said lines
	cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
	reg := prometheus.NewRegistry()
	cfg.Registerer = reg
	in, stop := run(t, cfg)
	waitFor(t, "readiness is red", func() bool {
		h := in.Health()
		return !h.Ready && strings.Contains(h.Reason, "injected")
	})
	time.Sleep(300 * time.Millisecond)
	if p := in.Health().Partitions[0]; p.Lag != 40_000 || p.LagAge == 0 {
		t.Errorf("lag %d, age %s", p.Lag, p.LagAge)
	}
	if n, _ := s.counted(); n != 0 {
		t.Errorf("%d rows stored", n)
	}
	waitFor(t, "metrics show lag and its age", func() bool {
		return metric(t, reg, "tollkeeper_ingest_lag") == 40_000 && metric(t, reg, "tollkeeper_ingest_lag_age_seconds") > 0
	})
	c.produce("logs", 0, numbered(40_000, 40_100)...)
	waitFor(t, "lag grows although nothing is fetched", func() bool { return metric(t, reg, "tollkeeper_ingest_lag") == 40_100 })
	if n := metric(t, reg, "tollkeeper_ingest_stalls_total"); n != 1 {
		t.Errorf("%v stalls counted, want one", n)
	}
	if log := said.String(); !strings.Contains(log, "no progress") || !strings.Contains(log, "storeBlock") {
		t.Errorf("the log does not say where the process stands:\n%s", log)
	}
	close(release)
	waitFor(t, "all is stored", func() bool { n, _ := s.counted(); return n == 40_100 })
	waitFor(t, "readiness is green", func() bool { return in.Health().Ready })
	stop()
	for _, b := range s.blocks {
		if b.To-b.From > 500 {
			t.Errorf("block of %d offsets", b.To-b.From)
		}
	}
}

func TestMemoryStaysInsideTheBudgetWhileTheStoreStandsStill(t *testing.T) {
	const budget = 64 << 20
	c := startCluster(t, 2, "logs")
	id := strings.Repeat("x", 200)
	for i := range 150 {
		var lines []string
		for j := range 1000 {
			lines = append(lines, fmt.Sprintf("%s%d %d key_%d", id, i*1000+j, 1_700_000_000_000+i, j%7))
		}
		c.produce("logs", i%2, lines...)
	}
	s := newMemStore()
	release := make(chan struct{})
	s.before = func(string, usage.Span) error {
		<-release
		return nil
	}
	cfg := c.config(s)
	cfg.MemoryBytes, cfg.InsertTimeout, cfg.SessionTimeout = budget, time.Minute, 2*time.Minute
	before := heaptest.InUse()
	in, stop := run(t, cfg)
	defer stop()
	defer close(release)
	// Everything that may be in flight is, when nothing is fetched any more.
	fetched := int64(-1)
	waitFor(t, "fetching stands still", func() bool {
		time.Sleep(500 * time.Millisecond)
		var sum int64
		for _, p := range in.Health().Partitions {
			sum += p.Lag
		}
		now := heaptest.InUse()
		still := sum == 150_000 && fetched >= 0 && now-fetched < 100_000
		fetched = now
		return still
	})
	if grown := heaptest.InUse() - before; grown > budget {
		t.Errorf("%d bytes are in use, the budget is %d", grown, budget)
	} else {
		t.Logf("%d of %d bytes are in use", grown, budget)
	}
	if n, _ := s.counted(); n != 0 {
		t.Errorf("%d rows stored", n)
	}
}
