package app

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	// historyDays is how far back a key's habits are read from ClickHouse when it comes to this process. They count from the
	// key's last record, not from now: a key that was silent for long comes back as the customer that it was, not as a new
	// one, of which anything is believed at first.
	historyDays = 21
	// warmSlack is how far the last records of keys that are read together may lie apart: what one of them costs more than
	// its own history would.
	warmSlack = 7 * 24 * time.Hour
	warmKeys  = 1000 // that are read together at most
)

// stretch is the history of some keys, each from its own time on.
type stretch struct {
	from time.Time // the earliest
	keys []string
	each map[string]int64 // Unix milliseconds
}

// stretches says from when on the history of the keys is to be read. Keys without any are in none.
func (d *detection) stretches(ctx context.Context, keyIDs []string) ([]stretch, error) {
	last, err := d.events.LastRecords(ctx, keyIDs, d.now())
	if err != nil {
		return nil, err
	}
	ids := slices.SortedFunc(maps.Keys(last), func(a, b string) int {
		return cmp.Or(last[a].Compare(last[b]), cmp.Compare(a, b))
	})
	var out []stretch
	for _, id := range ids {
		from := last[id].AddDate(0, 0, -historyDays)
		if n := len(out); n == 0 || from.Sub(out[n-1].from) > warmSlack {
			out = append(out, stretch{from: from, each: map[string]int64{}})
		}
		s := &out[len(out)-1]
		s.keys, s.each[id] = append(s.keys, id), from.UnixMilli()
	}
	return out, nil
}

// warmUp hands the history of the keys to the engine.
func (d *detection) warmUp(w *watch, keyIDs []string) error {
	all, err := d.stretches(w.ctx, keyIDs)
	if err != nil {
		return err
	}
	var history usage.Batch
	learn := func() {
		w.engine.WarmUp(&history, 0, history.Len())
		history.Reset()
	}
	for _, s := range all {
		err := d.events.WarmStart(w.ctx, s.keys, s.from, func(r *usage.Record) error {
			if r.TimeMillis < s.each[r.KeyID] {
				return nil
			}
			history.Append(r)
			if history.Len() >= 8192 {
				learn()
			}
			return nil
		})
		learn() // before the next stretch, which goes back in time again
		if err != nil {
			return err
		}
	}
	return nil
}
