package app

import (
	"context"
	"strings"

	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// ReplayCounts says what became of dead letters that were tried, each in one of the last four.
type ReplayCounts struct {
	Tried    int64
	Replayed int64 // their records are events now
	Repeats  int64 // of those, the ones whose requests were all counted under other lines
	Refused  int64 // still cannot be read
	Gone     int64 // no longer in the log, or from an imported file: import that again
	Waiting  int64 // their block is not stored yet: try again later
}

func (c *ReplayCounts) add(o ReplayCounts) {
	c.Tried += o.Tried
	c.Replayed += o.Replayed
	c.Repeats += o.Repeats
	c.Refused += o.Refused
	c.Gone += o.Gone
	c.Waiting += o.Waiting
}

// ReplayResult is what became of a page of dead letters, by the reason for which they had been refused.
type ReplayResult struct {
	ByReason map[string]ReplayCounts
	Next     clickhouse.DeadLetterCursor // of the next page; zero behind the last
}

// ReplayDeadLetters reads the original lines of up to limit dead letters after the cursor again, from the log, with today's
// settings, and moves those that can be read now to the events. It may be broken off and repeated: a line that was moved
// counts once. With dry set it only says what would come of it.
func (a *App) ReplayDeadLetters(ctx context.Context, filter clickhouse.DeadLetterFilter, after clickhouse.DeadLetterCursor, limit int, dry bool) (ReplayResult, error) {
	a.replaying.Lock()
	defer a.replaying.Unlock()
	res := ReplayResult{ByReason: map[string]ReplayCounts{}}
	letters, next, err := a.Events.DeadLetters(ctx, filter, after, limit)
	if err != nil {
		return res, err
	}
	// A line of several records may have left several letters; it is read once, and told under the first one's reason.
	places, reasons := map[partitionID][]int64{}, map[partitionID]map[int64]string{}
	for i := range letters {
		l := &letters[i]
		id := partitionID{l.Topic, l.Partition}
		if reasons[id] == nil {
			reasons[id] = map[int64]string{}
		}
		if _, again := reasons[id][l.Offset]; again {
			continue
		}
		reasons[id][l.Offset] = l.Reason
		places[id] = append(places[id], l.Offset)
	}
	for id, offsets := range places {
		r := ingest.ReplayResult{Gone: offsets}
		if !strings.HasPrefix(id.topic, "import:") {
			if r, err = a.Ingester.ReplayDeadLetters(ctx, id.topic, id.number, offsets, dry); err != nil {
				return res, err
			}
		}
		if len(r.Stored) > 0 && !dry {
			if err := a.Events.DeleteDeadLetters(ctx, id.topic, id.number, r.Stored); err != nil {
				return res, err
			}
		}
		tell := func(offsets []int64, one ReplayCounts) {
			for _, o := range offsets {
				c := res.ByReason[reasons[id][o]]
				c.add(one)
				res.ByReason[reasons[id][o]] = c
			}
		}
		tell(offsets, ReplayCounts{Tried: 1})
		tell(r.Stored, ReplayCounts{Replayed: 1})
		tell(r.Repeats, ReplayCounts{Repeats: 1})
		tell(r.Rejected, ReplayCounts{Refused: 1})
		tell(r.Gone, ReplayCounts{Gone: 1})
		tell(r.Waiting, ReplayCounts{Waiting: 1})
	}
	res.Next = next
	return res, nil
}
