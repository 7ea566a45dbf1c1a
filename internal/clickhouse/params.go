package clickhouse

import "time"

// The end of what a ClickHouse DateTime and Date can hold, in seconds and days since 1970. Times outside of it, such as
// the zero time, are bound as its ends, which no record is beyond.
const (
	lastSecond = 1<<32 - 1
	lastDay    = 1<<16 - 1
)

// maxBoundValues is how many values one query binds as a list: they travel in a request line, which may have a megabyte.
const maxBoundValues = 1000

// seconds binds a time as DateTime.
func seconds(t time.Time) int64 { return min(max(t.Unix(), 0), lastSecond) }

// millis binds a time as DateTime64(3).
func millis(t time.Time) int64 { return min(max(t.UnixMilli(), 0), lastSecond*1000) }

// planDay is the first day on which records made since t can have been planned: a record is planned after it was made,
// give or take a clock, for which there is a day.
func planDay(t time.Time) int32 { return int32(min(max(t.Unix()/86400-1, 0), lastDay)) }

// dayOf is the day of t, or another where t is zero and so selects all.
func dayOf(t time.Time, otherwise int32) int32 {
	if t.IsZero() {
		return otherwise
	}
	return planDay(t) + 1
}
