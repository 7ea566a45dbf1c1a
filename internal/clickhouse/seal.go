package clickhouse

import (
	"context"
	"fmt"
	"time"
)

// maxHoursAtOnce bounds how many hours one call of SealDue looks for: a year's.
const maxHoursAtOnce = 24 * 366

// SealDue seals, in order, every hour before due that was never sealed and has events, and those that events inserted
// since lateSince have reopened, whenever they were. It may be repeated and broken off at any time.
func (db *DB) SealDue(ctx context.Context, due, lateSince time.Time) error {
	hours, err := db.UnsealedHours(ctx, due, maxHoursAtOnce)
	if err != nil {
		return err
	}
	late, err := db.LateHours(ctx, lateSince)
	if err != nil {
		return err
	}
	for _, run := range runsOfHours(append(hours, late...)) {
		if _, err := db.SealHours(ctx, run[0], run[1]); err != nil {
			return fmt.Errorf("seal %s: %w", run[0].Format(time.RFC3339), err)
		}
	}
	return nil
}

// runsOfHours joins neighbouring hours into spans [from, to) of at most a day.
func runsOfHours(hours []time.Time) [][2]time.Time {
	var out [][2]time.Time
	for _, h := range hours {
		if n := len(out); n > 0 && out[n-1][1].Equal(h) && h.Sub(out[n-1][0]) < 24*time.Hour {
			out[n-1][1] = h.Add(time.Hour)
			continue
		}
		out = append(out, [2]time.Time{h, h.Add(time.Hour)})
	}
	return out
}
