package detect

import (
	"math"

	"github.com/tollkeeper/tollkeeper/detect/arena"
	"github.com/tollkeeper/tollkeeper/detect/tail"
)

// meters of an hour.
const (
	meterRequests = iota
	meterBytes
	meterUnits
	meters
)

// hours follows a key by the hour: the running hour, the highest hours so far, and the usual day. Of the latter a call needs but its hour, so that it
// comes last.
type hours struct {
	hour     int32           // hours since 1970
	seen     float32         // hours that were watched
	cur      [meters]float32 // the running hour
	record   [meters]float32 // the highest hour, slowly forgotten
	known    [2]uint8        // days behind each half of day
	cohort   uint16
	differs  int16               // thousandths by which the running day of the week has more calls than others of its half
	bad      [errorClasses]uint8 // answers of those classes to established clients in this hour
	elevated bool                // counted as far above usual
	closed   int32               // the day that was closed last and not yet judged; 0: none
	route    uint32              // majority vote of Boyer and Moore (1981) over the hour's routes
	votes    int32
	routeN   float32
	late     float32     // answers 429 in this hour
	refused  float32     // other answers 4xx in this hour
	minutes  peak        // calls by five minutes: what comes all at once is far above any hour's pace before the hour shows it
	seldom   peak        // and by the hour, those that are seldom for the key
	days     days        // and of a day
	level    float32     // evidence that the budget asks for an alert about this hour; 0: the hour is no suspect yet
	tails    *hourTails  // active hours; nil before the first is over
	units    *tail.Tail  // of them; nil for keys that never had any. It is here so that it can be fetched with tails
	day      [48]float32 // requests by hour of day, working days and weekends
}

// hourTails is apart, since it is needed once an hour.
type hourTails struct {
	requests, bytes tail.Tail
	habit           habit
}

// tail returns the tail of a meter for reading.
func (h *hours) tail(meter int) *tail.Tail {
	switch t := h.tails; {
	case meter == meterUnits:
		if h.units != nil {
			return h.units
		}
	case t == nil:
	case meter == meterRequests:
		return &t.requests
	case meter == meterBytes:
		return &t.bytes
	}
	return &tail.Tail{}
}

// grow returns the tail of a meter for writing.
func (h *hours) grow(mem *arena.Arena, meter int) *tail.Tail {
	switch {
	case meter == meterUnits && h.units == nil:
		h.units = arena.Alloc[tail.Tail](mem)
	case meter != meterUnits && h.tails == nil:
		h.tails = arena.Alloc[hourTails](mem)
	}
	return h.tail(meter)
}

// habit is for reading; habits for writing.
func (h *hours) habit() *habit {
	if h.tails == nil {
		return &habit{}
	}
	return &h.tails.habit
}

func (h *hours) habits(mem *arena.Arena) *habit {
	if h.tails == nil {
		h.tails = arena.Alloc[hourTails](mem)
	}
	return &h.tails.habit
}

// recordGrowth bounds how much one hour can raise the record: a spike is accepted as normal only when it comes again.
const recordGrowth = 4

// longestIdle is how many hours in a row without calls teach what is usual. A key that is away for longer sleeps.
const longestIdle = 7 * 24

// slotOf is the hour of a working day (0 to 23) or of a day of a weekend (24 to 47), UTC.
func slotOf(hour int32) int {
	if weekday(hour/24) >= 5 {
		return 24 + int(hour%24)
	}
	return int(hour % 24)
}

// usually is how many requests the key makes in an hour like the running one.
func (h *hours) usually() float32 { return h.day[slotOf(h.hour)] * (1 + float32(h.differs)/1000) }

// rollHours closes the key's hours before that. It is the same whether they are closed one by one as they end, or all at once later: the round (see [round])
// does the one, history that is read late the other.
func (e *Engine) rollHours(k *keyState, hour int32) {
	h := k.hours
	if h.hour == 0 {
		h.hour = hour
	}
	if hour <= h.hour {
		return
	}
	if h.cur[meterUnits] > 0 {
		e.unitsHour.add(math.Log(float64(max(h.record[meterUnits], h.cur[meterUnits]))), 500)
	}
	b, calls, gone := h.habits(e.mem), h.cur[meterRequests], hour-h.hour
	if calls > 0 {
		b.idle = 0
	}
	watched := min(gone, longestIdle-int32(b.idle))
	if watched > 0 {
		e.closeHours(k, h.hour, h.hour+watched, min(calls, recordGrowth*max(h.record[meterRequests], 10)))
	}
	if b.idle += uint8(watched); watched < gone {
		b.asleep()
		h.closed = 0
	}
	h.differs = int16(min(1000*(b.week.factor(hour/24)-1), math.MaxInt16))
	forget, since := forgotten(gone), forgotten(gone-1)
	h.minutes.record *= forget
	h.seldom.record *= forget
	h.days.roll(h.hour, hour, calls, h.seen)
	for m := range h.record {
		if h.record[m] *= forget; h.cur[m] > 0 {
			h.raise(m, since)
			e.tails.Absorb(h.grow(e.mem, m), float64(h.cur[m]))
		}
	}
	h.seen = min(watchedFor(h.seen, calls, watched), 24*60)
	h.hour, h.cur, h.votes, h.routeN, h.late, h.refused, h.elevated, h.level = hour, [meters]float32{}, 0, 0, 0, 0, false, 0
	h.bad = [errorClasses]uint8{}
}

// knownFrom is how many hours a key was watched from which its records are more than what it shows at first. It lies between the tenths in which they are
// counted, so that rounding decides nothing.
const knownFrom = 23.95

func (h *hours) young() bool { return h.seen < knownFrom }

// watchedFor is how many hours a key was watched after so many more of which the first had calls: those without count a tenth.
func watchedFor(seen, calls float32, more int32) float32 {
	if seen += 0.1 * float32(more); calls > 0 && more > 0 {
		seen += 0.9
	}
	return seen
}

// raise takes the hour that is over into the record of a meter. What is left of it is what is left of everything since.
func (h *hours) raise(meter int, left float32) {
	rec, cur := h.record[meter], left*h.cur[meter]
	if !h.young() && rec > 0 {
		cur = min(cur, recordGrowth*rec)
	}
	h.record[meter] = max(rec, cur)
}

// meter counts the record in the running hour of its key and of the platform.
func (e *Engine) meter(k *keyState, o *obs) {
	if k.hours == nil {
		k.hours = arena.Alloc[hours](e.mem)
	}
	h, hour := k.hours, int32(o.t/hourMillis)
	if hour > e.all.hour {
		e.roll(hour)
	}
	e.rollHours(k, hour)
	if h.cur[meterRequests] == 0 {
		e.all.active++
	}
	h.add(o)
	e.countIn(h.cohort, hour, h.cur[meterRequests])
	if !h.elevated && h.cur[meterRequests] >= elevatedMinimum && h.cur[meterRequests] > elevatedFactor*h.usually() && h.cur[meterRequests] > h.record[meterRequests] {
		h.elevated = true
		e.all.elevated++
	}
}

// forgotten is what is left of a record after so many hours.
func forgotten(hours int32) float32 {
	if int(hours) < len(forgottenBy) {
		return forgottenBy[hours]
	}
	return float32(math.Exp(-float64(hours) / (24 * 60)))
}

var forgottenBy = func() (by [7 * 24]float32) {
	for i := range by {
		by[i] = float32(math.Exp(-float64(i) / (24 * 60)))
	}
	return by
}()

// peak follows the most calls in spans of one length.
type peak struct {
	at     int32   // number of the running span since 1970
	cur    float32 // calls in it
	record float32 // the most so far, slowly forgotten
}

const minutesMillis = 5 * 60e3

// add counts a call in a span. first says that the key is not known for long yet, so that its record is what it shows.
func (p *peak) add(at int32, first bool) {
	if at > p.at {
		if first || p.record == 0 {
			p.record = max(p.record, p.cur)
		}
		p.record = max(p.record, min(p.cur, recordGrowth*p.record))
		p.at, p.cur = at, 0
	}
	p.cur++
}

func (h *hours) add(o *obs) {
	h.minutes.add(int32(o.t/minutesMillis), h.young())
	h.cur[meterRequests]++
	h.cur[meterBytes] += o.bytes
	h.cur[meterUnits] += o.units
	switch {
	case o.status == 429:
		h.late++
	case o.status == 409 || o.status == 412: // said twice, or too late: who delivers again is told so each time
	case o.status/100 == 4:
		h.refused++
	}
	switch {
	case h.votes == 0:
		h.route, h.votes, h.routeN = o.route, 1, 1
	case h.route == o.route:
		h.votes++
		h.routeN++
	default:
		h.votes--
	}
}
