package ingest

import (
	"bytes"
	"context"
	"runtime"
	"time"
)

const (
	// maxStackBytes bounds what is logged of where a process stands that makes no progress.
	maxStackBytes = 16 << 10
	// stackEvery is how often at most that is done.
	stackEvery = 10 * time.Minute
)

// watchStalls logs when partitions stop making progress although there is lag, with where this package's goroutines and
// the Kafka client's stand: what is waited for is then known without anybody having been there. Stacks name functions and
// addresses, never what a record holds.
func (in *Ingester) watchStalls(ctx context.Context) {
	stalled := false
	var logged time.Time
	for {
		sleep(ctx, max(in.cfg.StallAfter/4, 50*time.Millisecond))
		if ctx.Err() != nil {
			return
		}
		in.refreshEnds(ctx)
		reason := ""
		for _, p := range in.Health().Partitions {
			if !p.Stopped && in.cfg.stalled(p) {
				reason = p.reason()
				break
			}
		}
		was := stalled
		stalled = reason != ""
		if !stalled || was {
			continue
		}
		in.metrics.stalls.Inc()
		if now := in.cfg.Now(); now.Sub(logged) >= stackEvery {
			logged = now
			in.log.Error("no progress", "reason", reason, "goroutines", string(ownStacks()))
		} else {
			in.log.Error("no progress", "reason", reason)
		}
	}
}

// refreshEnds asks for the ends of logs that are not fetched from at the moment, because the store is the slower part: lag
// then grows without a fetch that would tell.
func (in *Ingester) refreshEnds(ctx context.Context) {
	for _, s := range in.health.unseenSince(in.cfg.Now().Add(-in.cfg.StallAfter / 8)) {
		try, cancel := context.WithTimeout(ctx, in.kafka.client.Timeout)
		_, end, err := in.kafka.bounds(try, s.topic, s.part)
		cancel()
		if err != nil {
			return // fetching says what is wrong with Kafka
		}
		s.sawEnd(end, -1, in.cfg.Now())
	}
}

// ownStacks are the stacks of the goroutines that carry records.
func ownStacks() []byte {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var out []byte
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if !bytes.Contains(stack, []byte("/ingest.")) && !bytes.Contains(stack, []byte("/kafka-go.")) {
			continue
		}
		if len(out)+len(stack) > maxStackBytes {
			break
		}
		out = append(append(out, stack...), "\n\n"...)
	}
	return out
}
