package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// measureCeiling decodes and encodes the topic into blocks of p.BlockRows first, and then only inserts them: p.Inserters at
// a time, each into a partition of its own, one block after the other.
func measureCeiling(ctx context.Context, p part, d *discard) (result, error) {
	batches, err := decodeBlocks(ctx, p)
	if err != nil {
		return result{}, err
	}
	var blocks []clickhouse.PreparedBlock
	for i, b := range batches {
		blocks = append(blocks, clickhouse.Prepare(usage.Span{
			Topic: p.Topic, Partition: int32(i % p.Inserters), From: int64(i), To: int64(i) + 1, Day: int32(time.Now().Unix() / 86400), Epoch: "1",
		}, b))
		d.rows.Add(int64(b.Len()))
	}
	d.blocks.Add(int64(len(blocks)))
	db, err := clickhouse.Open(ctx, clickhouse.Config{DataDir: p.DataDir})
	if err != nil {
		return result{}, err
	}
	defer db.Close()
	stopProfile, err := startProfile(p.Profile)
	if err != nil {
		return result{}, err
	}
	m := startGauge(db.EnginePID(), 0)
	var inserters sync.WaitGroup
	failed := make([]error, p.Inserters)
	for k := range p.Inserters {
		inserters.Go(func() {
			for i := k; i < len(blocks) && failed[k] == nil; i += p.Inserters {
				failed[k] = db.InsertPrepared(ctx, blocks[i])
			}
		})
	}
	inserters.Wait()
	r := m.stop(d.rows.Load())
	stopProfile()
	return r, errors.Join(failed...)
}

// decodeBlocks reads the whole topic as ingest does. A block's rows are in the order of their partition's log, all columns
// filled in: what end to end inserts.
func decodeBlocks(ctx context.Context, p part) ([]*usage.Batch, error) {
	var mu sync.Mutex
	blocks := map[string][]*usage.Batch{} // by partition
	all := &discard{want: int64(p.Rows), all: make(chan struct{})}
	all.insert = func(_ context.Context, span usage.Span, b *usage.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		name := fmt.Sprint(span.Partition)
		var r usage.Record
		for i := range b.Len() {
			b.At(i, &r)
			of := blocks[name]
			if len(of) == 0 || of[len(of)-1].Len() == p.BlockRows {
				of = append(of, new(usage.Batch))
				blocks[name] = of
			}
			of[len(of)-1].Append(&r)
		}
		return nil
	}
	if _, err := measureIngest(ctx, part{Kind: "decode", Broker: p.Broker, Topic: p.Topic, Partitions: p.Partitions, Format: p.Format, Rows: p.Rows}, all); err != nil {
		return nil, err
	}
	var out []*usage.Batch
	for _, of := range blocks {
		out = append(out, of...)
	}
	// In turn from all partitions, the short last ones at the end.
	slices.SortStableFunc(out, func(a, b *usage.Batch) int { return b.Len() - a.Len() })
	return out, nil
}
