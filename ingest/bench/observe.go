package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// histogram counts milliseconds.
type histogram struct{ buckets [60_000]atomic.Int64 }

// add counts how old records are now, those from before since left out.
func (h *histogram) add(times []int64, since int64) {
	now := time.Now().UnixMilli()
	for _, at := range times {
		if at < since {
			continue
		}
		h.buckets[min(max(now-at, 0), int64(len(h.buckets)-1))].Add(1)
	}
}

func (h *histogram) percentile(p float64) float64 {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	var n int64
	for i := range h.buckets {
		if n += h.buckets[i].Load(); total > 0 && float64(n) >= p*float64(total) {
			return float64(i)
		}
	}
	return 0
}

type latencies struct {
	visible, decided histogram
	from             atomic.Int64 // Unix milliseconds
}

// detection runs the detectors as the program does, one engine per partition.
type detection struct {
	hist    *latencies
	mu      sync.Mutex
	engines map[int32]*watched
}

// watched is an engine with the times of the records that it has and has not judged.
type watched struct {
	mu sync.Mutex
	*detect.Engine
	second  int64
	waiting []int64
}

// take notes records that the engine is given, and returns those that it judges by that, since their second is over.
func (w *watched) take(times []int64) (judged []int64) {
	for _, at := range times {
		if at/1000 > w.second {
			judged = append(judged, w.waiting...)
			w.waiting, w.second = w.waiting[:0], at/1000
		}
		w.waiting = append(w.waiting, at)
	}
	return judged
}

// judgeNow does what the program does five times a second (internal/app), until ctx ends.
func (d *detection) judgeNow(ctx context.Context) {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		d.mu.Lock()
		engines := slices.Collect(maps.Values(d.engines))
		d.mu.Unlock()
		for _, w := range engines {
			w.mu.Lock()
			w.JudgeNow()
			d.hist.decided.add(w.waiting, d.hist.from.Load())
			w.waiting = w.waiting[:0]
			w.mu.Unlock()
		}
	}
}

func (d *detection) Assigned(_ context.Context, _ string, partition int32) error {
	e, err := detect.New(detect.Config{})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.engines[partition] = &watched{Engine: e}
	return nil
}

func (d *detection) Observe(topic string, partition int32, b *usage.Batch) {
	d.ObserveRange(topic, partition, b, 0, b.Len())
}

func (d *detection) ObserveRange(_ string, partition int32, b *usage.Batch, from, to int) {
	d.mu.Lock()
	e := d.engines[partition]
	d.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	judged := e.take(b.TimeMillis[from:to])
	e.Observe(b, from, to)
	e.Drain()
	d.hist.decided.add(judged, d.hist.from.Load())
}

func (d *detection) Revoked(string, int32) {}

// noHistory is the ledger of a first start.
type noHistory struct{}

func (noHistory) EachKey(context.Context, time.Time, time.Time, func(meter.KeyUsage) error) error {
	return nil
}

// newObservers returns them; judgements go on until ctx ends.
func newObservers(ctx context.Context, h *latencies) []ingest.Observer {
	quotas := counter.New(counter.Config{Source: noHistory{}, AccountOf: func(string) string { return "acct" }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	d := &detection{hist: h, engines: map[int32]*watched{}}
	go d.judgeNow(ctx)
	return []ingest.Observer{d, quotas}
}
