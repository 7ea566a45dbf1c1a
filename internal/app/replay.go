package app

import (
	"context"
	"strings"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// ReplayResult says what became of the dead letters that were tried.
type ReplayResult struct {
	Tried    int64 `json:"tried"`
	Replayed int64 `json:"replayed"` // their records are events now
	Refused  int64 `json:"refused"`  // still cannot be read
	Gone     int64 `json:"gone"`     // no longer in the log, or from an imported file: import that again
}

// ReplayDeadLetters reads the original lines of dead letters again, from the log, with today's settings, and moves those that
// can be read now to the events. It may be broken off and repeated: a line that was moved counts once.
func (a *App) ReplayDeadLetters(ctx context.Context, filter clickhouse.DeadLetterFilter) (ReplayResult, error) {
	var res ReplayResult
	var cursor clickhouse.DeadLetterCursor
	for {
		letters, next, err := a.Events.DeadLetters(ctx, filter, cursor, 500)
		if err != nil {
			return res, err
		}
		places := map[partitionID][]int64{}
		for i := range letters {
			res.Tried++
			if strings.HasPrefix(letters[i].Topic, "import:") {
				res.Gone++
				continue
			}
			id := partitionID{letters[i].Topic, letters[i].Partition}
			places[id] = append(places[id], letters[i].Offset)
		}
		for id, offsets := range places {
			r, err := a.Ingester.ReplayDeadLetters(ctx, id.topic, id.number, offsets)
			if err == nil && len(r.Stored) > 0 {
				err = a.Events.DeleteDeadLetters(ctx, id.topic, id.number, r.Stored)
			}
			if err != nil {
				return res, err
			}
			res.Replayed += int64(len(r.Stored))
			res.Refused += int64(len(r.Rejected))
			res.Gone += int64(len(r.Gone))
		}
		if cursor = next; next == (clickhouse.DeadLetterCursor{}) {
			return res, nil
		}
	}
}
