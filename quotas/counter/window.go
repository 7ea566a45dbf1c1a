package counter

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

// sums are plain sums of one subject in one period, with units by their number in the registry.
type sums struct {
	requests, errors, requestBytes, responseBytes int64
	units                                         []int64
}

func (s *sums) clear() {
	s.requests, s.errors, s.requestBytes, s.responseBytes = 0, 0, 0, 0
	clear(s.units)
}

// window holds the sums of a subject in one period. Writers hold the subject's lock; readers need none.
type window struct {
	period                                        int32 // number of the UTC day or month
	requests, errors, requestBytes, responseBytes atomic.Int64
	units                                         atomic.Pointer[[]atomic.Int64]
}

func bump(a *atomic.Int64, by int64) { a.Store(meter.Sum(a.Load(), by)) }

// add adds s; the subject's lock is held.
func (w *window) add(s *sums) {
	bump(&w.requests, s.requests)
	bump(&w.errors, s.errors)
	bump(&w.requestBytes, s.requestBytes)
	bump(&w.responseBytes, s.responseBytes)
	for i, v := range s.units {
		if v != 0 {
			bump(w.unit(i), v)
		}
	}
}

// unit returns the sum of unit i, making room for it; the subject's lock is held.
func (w *window) unit(i int) *atomic.Int64 {
	old := w.units.Load()
	if old == nil || len(*old) <= i {
		grown := make([]atomic.Int64, i+1)
		if old != nil {
			for j := range *old {
				grown[j].Store((*old)[j].Load())
			}
		}
		w.units.Store(&grown)
		old = &grown
	}
	return &(*old)[i]
}

func (w *window) unitValue(i int) int64 {
	if u := w.units.Load(); u != nil && i < len(*u) {
		return (*u)[i].Load()
	}
	return 0
}

// snapshot copies the sums.
func (w *window) snapshot() sums {
	s := sums{requests: w.requests.Load(), errors: w.errors.Load(), requestBytes: w.requestBytes.Load(), responseBytes: w.responseBytes.Load()}
	if u := w.units.Load(); u != nil {
		s.units = make([]int64, len(*u))
		for i := range *u {
			s.units[i] = (*u)[i].Load()
		}
	}
	return s
}

// shift adds s, or takes it off when sign is -1; the subject's lock is held.
func (w *window) shift(s *sums, sign int64) {
	by := func(a *atomic.Int64, v int64) {
		if sign > 0 {
			bump(a, v)
		} else {
			a.Store(max(a.Load()-v, 0))
		}
	}
	by(&w.requests, s.requests)
	by(&w.errors, s.errors)
	by(&w.requestBytes, s.requestBytes)
	by(&w.responseBytes, s.responseBytes)
	for i, v := range s.units {
		if v != 0 {
			by(w.unit(i), v)
		}
	}
}

// slots is how many periods around now are kept: the last, this one and the next, for clocks that run ahead.
const slots = 3

// windows are the periods of one length.
type windows [slots]atomic.Pointer[window]

// at returns the window of the period, nil when there is none.
func (ws *windows) at(period int32) *window {
	if w := ws[uint32(period)%slots].Load(); w != nil && w.period == period { // #nosec G115 -- periods are after 1970
		return w
	}
	return nil
}

// open returns the window of the period, in place of an older one; the subject's lock is held.
func (ws *windows) open(period int32) *window {
	if w := ws.at(period); w != nil {
		return w
	}
	w := &window{period: period}
	ws[uint32(period)%slots].Store(w) // #nosec G115 -- periods are after 1970
	return w
}

// shift adds the sums of a window to those of the same period, or takes them off; a period older than what is kept in its
// place is gone already. The subject's lock is held.
func (ws *windows) shift(by *window, sign int64) {
	if w := ws[uint32(by.period)%slots].Load(); w != nil && w.period > by.period { // #nosec G115 -- periods are after 1970
		return
	}
	s := by.snapshot()
	ws.open(by.period).shift(&s, sign)
}

// newest returns the greatest period with a window; 0 when there is none.
func (ws *windows) newest() (period int32) {
	for i := range ws {
		if w := ws[i].Load(); w != nil {
			period = max(period, w.period)
		}
	}
	return period
}

// subject is a key or an account.
type subject struct {
	id           string
	mu           sync.Mutex // serialises writers
	months, days windows

	account atomic.Pointer[subject] // of a key; nil when it has none
	limits  atomic.Pointer[[]limit] // of an account; nil: the default ones
	owner   *partition              // of a key: the partition of ours that saw it last, nil when none; guarded by mu
	follows bool                    // a key that never gets an owner, see own; guarded by mu
	marks   []mark                  // thresholds that were reported; guarded by mu
}

// add adds s to a month and, when it is near enough, a day.
func (s *subject) add(month, day int32, withDay bool, v *sums) {
	s.mu.Lock()
	s.months.open(month).add(v)
	if withDay {
		s.days.open(day).add(v)
	}
	s.mu.Unlock()
}

const dayMillis = 24 * 60 * 60 * 1000

// span is the UTC day that holds a time, with its numbers.
type span struct {
	from, to   int64 // Unix milliseconds
	day, month int32
}

func spanOf(millis int64) span {
	t := time.UnixMilli(millis).UTC()
	day := millis / dayMillis
	if millis%dayMillis < 0 {
		day--
	}
	return span{from: day * dayMillis, to: (day + 1) * dayMillis, day: int32(day), month: monthNumber(t)} // #nosec G115 -- the decoder bounds times
}

func monthNumber(t time.Time) int32 {
	y, m, _ := t.UTC().Date()
	return int32(12*y + int(m) - 1) // #nosec G115 -- years are small
}

func monthStart(n int32) time.Time {
	return time.Date(int(n/12), time.Month(n%12+1), 1, 0, 0, 0, 0, time.UTC)
}

func dayStart(n int32) time.Time { return time.UnixMilli(int64(n) * dayMillis).UTC() }
