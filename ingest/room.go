package ingest

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// pool is memory that a process's partitions share for what is larger than their own parts. There are two: answers of
// Kafka's that hold a large record batch, and batches that are unpacked piece by piece. Whoever holds of the second needs
// nothing more to go on, and whoever holds of the first only of the second, so none waits for another in a circle.
type pool struct {
	size int64
	free *semaphore.Weighted
}

func newPool(size int64) *pool { return &pool{size, semaphore.NewWeighted(size)} }

// lender lends to one partition; it is a kafkalog.Room.
type lender struct {
	*pool
	acquire func(n int64) error
}

// to lends until ctx ends. then is called each time that something was lent, for that may have taken its time.
func (p *pool) to(ctx context.Context, then func()) lender {
	return lender{p, func(n int64) error {
		if err := p.free.Acquire(ctx, n); err != nil {
			return context.Cause(ctx)
		}
		then()
		return nil
	}}
}

func (l lender) Take(n int64) error {
	if n > l.size {
		return fmt.Errorf("%w: the record batch takes %d MiB of memory, and %d MiB are left for the largest; set ingest-memory to at least %d, or have producers write smaller batches",
			errStopped, mib(n), l.size>>20, mib(n*largeShare))
	}
	return l.acquire(n)
}

func (l lender) Give(n int64) { l.free.Release(n) }

func mib(n int64) int64 { return (n + 1<<20 - 1) >> 20 }
