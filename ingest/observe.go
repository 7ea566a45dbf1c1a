package ingest

import (
	"context"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// observation is handed to the goroutine that shows a partition's rows to observers: rows that are new, or the block that
// they fill. Detection costs half as much as decoding; on the same goroutine the two would be what a partition's speed is.
type observation struct {
	rows     usage.Batch // as it is now: its columns grow behind to while they are looked at, and nothing before to changes
	from, to int
	block    *block // set: all of its rows were handed over before, and it goes on to the inserter
}

// observeRows shows what is handed over to observers, in order, and passes full blocks on, until ctx ends. So no row is
// stored before it was seen.
func (w *worker) observeRows(ctx context.Context) {
	var o observation // one for all: it is of some size
	for {
		select {
		case o = <-w.seen:
		case <-ctx.Done():
			return
		}
		if o.block == nil {
			for _, e := range w.eager {
				e.ObserveRange(w.topic, w.partition, &o.rows, o.from, o.to)
			}
			o.rows = usage.Batch{} // columns that have grown since are to be collected
			continue
		}
		w.observe(o.block)
		select {
		case w.full <- o.block:
		case <-ctx.Done():
			return
		}
	}
}

func (w *worker) observe(b *block) {
	if b.batch.Len() == 0 {
		return
	}
	for _, o := range w.observers {
		o.Observe(w.topic, w.partition, &b.batch)
	}
}

// show hands over what is new, waiting while the observers are more than one answer behind.
func (w *worker) show(ctx context.Context, o observation) error {
	select {
	case w.seen <- o:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
