package counter

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// Scope is whose use a limit bounds.
type Scope string

const (
	// ScopeAccount bounds the sum over all keys of an account.
	ScopeAccount Scope = "account"
	// ScopeKey bounds every key by itself.
	ScopeKey Scope = "key"
)

// Limit is a quota as the counters enforce it. Periods are UTC days and months.
type Limit struct {
	ID         string
	Scope      Scope
	Meter      meter.Meter
	Period     period.Unit // Day or Month
	Max        int64       // how much may be used
	Hard       bool        // refuse when it is used up; otherwise only tell
	Thresholds []int       // percentages of Max to tell of, each once per period
}

// limit is a Limit ready to be read.
type limit struct {
	Limit
	unitIDs []int
	reason  string
}

// mark is the highest threshold that was reported of a limit in a period.
type mark struct {
	id      string
	scope   Scope
	period  int32
	percent int
}

func (c *Counter) compile(limits []Limit) []limit {
	out := make([]limit, 0, len(limits))
	for _, l := range limits {
		l.Thresholds = slices.Sorted(slices.Values(l.Thresholds))
		one := limit{Limit: l, reason: fmt.Sprintf("quota %s: all %d %s per %s and %s are used", l.ID, l.Max, l.Meter.Title(), l.Period, l.Scope)}
		for _, u := range l.Meter.Units {
			one.unitIDs = append(one.unitIDs, c.units.id(u, maxUnits))
		}
		out = append(out, one)
	}
	return out
}

// used reads what a window has of the limit's meter. It takes no lock and allocates nothing.
func (l *limit) used(w *window) int64 {
	if w == nil {
		return 0
	}
	m := &l.Meter
	switch m.Kind {
	case meter.Requests:
		if m.ExcludeErrors {
			return max(w.requests.Load()-w.errors.Load(), 0)
		}
		return w.requests.Load()
	case meter.Bytes:
		switch m.Direction {
		case meter.Request:
			return w.requestBytes.Load()
		case meter.Response:
			return w.responseBytes.Load()
		default:
			return meter.Sum(w.requestBytes.Load(), w.responseBytes.Load())
		}
	case meter.Units:
		var sum int64
		for _, id := range l.unitIDs {
			if id >= 0 {
				sum = meter.Sum(sum, w.unitValue(id))
			}
		}
		return sum
	}
	return 0
}

// window returns the subject's window for the limit at the given day and month.
func (l *limit) window(s *subject, day, month int32) *window {
	if l.Period == period.Day {
		return s.days.at(day)
	}
	return s.months.at(month)
}

func (l *limit) resets(day, month int32) time.Time {
	if l.Period == period.Day {
		return dayStart(day + 1)
	}
	return monthStart(month + 1)
}
