package detect

import (
	"math"
	"unsafe"

	"github.com/tollkeeper/tollkeeper/internal/prefetch"
)

// round visits all keys once an hour. It closes the hour that is over for each of them, whether it had calls or not, and looks for keys that are silent
// when they never were. So a call that comes after a night finds the night closed: a sleeping platform has the time for it, and keys that are visited in
// the order in which they lie in memory cost a fraction of what each costs on its own.
//
// A round takes a minute of event time, so that a million keys hold no call up; a call whose key was not visited yet closes its hours itself. What a round found is
// judged at its end: where many keys are silent at once, it is the platform or its log.
type round struct {
	hour   int32 // that runs
	next   int   // number of the key to be visited
	judged bool
	found  []volumeShift
	whose  []uint32 // numbers of their keys
}

const roundMillis = 60e3

// goRound goes as far as the round has to be at that time.
func (e *Engine) goRound(t int64) {
	r, hour := &e.round, int32(t/hourMillis)
	if hour > r.hour {
		e.roll(hour)
		*r = round{hour: hour}
	}
	if hour < r.hour || r.judged {
		return
	}
	to := int(int64(e.keys.used) * min(t%hourMillis, roundMillis) / roundMillis)
	ahead := r.next
	for ; r.next < to; r.next++ {
		for ; ahead < min(r.next+fetchBlock, to); ahead++ {
			e.keys.at(uint32(ahead)).fetchHours(hour)
		}
		if k := e.keys.at(uint32(r.next)); k.id != "" && k.hours != nil {
			e.rollHours(k, hour)
			e.listen(k, uint32(r.next), t)
		}
	}
	if t%hourMillis >= roundMillis {
		e.endRound(t)
	}
}

// roll closes the hours of the platform and its cohorts before that.
func (e *Engine) roll(hour int32) {
	e.all.roll(hour)
	e.rollCohorts(hour)
}

// fetchHours asks for what it takes to close an hour of the key.
func (k *keyState) fetchHours(hour int32) {
	if h := k.hours; h != nil {
		prefetch.Lines(unsafe.Pointer(h), unsafe.Offsetof(h.day))
		prefetch.Line(unsafe.Pointer(&h.day[slotOf(hour-1)]))
	}
}

// listen takes note of a key that is silent as it never was.
func (e *Engine) listen(k *keyState, number uint32, t int64) {
	h, gap := k.hours, t-k.last
	if gap < silenceLeast || gap > silenceMost || float64(gap) < silenceOfPast*1000*float64(k.maxGapSec) || h.seen < silenceHours || k.suspended(t) {
		return
	}
	b := h.habit()
	law := e.lawOf(h, b.calm, float64(b.quiet))
	if score := min(50, -math.Log10(max(1e-50, law.Below(0)))); score >= max(changeFloor, float64(b.required))+k.tolerant(t) {
		e.round.whose = append(e.round.whose, number)
		e.round.found = append(e.round.found, volumeShift{
			detector: "silence", which: shiftSilence, score: score, mean: law.Mean, low: law.Low(0.01), high: law.High(0.01), since: k.last, duration: gap,
		})
	}
}

// endRound tells of the silent keys, if they are few, and still are silent.
func (e *Engine) endRound(t int64) {
	r := &e.round
	found, whose := r.found, r.whose
	r.judged, r.found, r.whose = true, nil, nil
	if len(found) >= manyKeys && float64(len(found)) >= elevatedShare*float64(max(e.all.active, e.all.last)) {
		return
	}
	for i, n := range whose {
		k := e.keys.at(n)
		if k.last != found[i].since { // it called, or its number is another key's by now
			continue
		}
		if p := e.policyOf(k); p.Protected != ProtectedFully {
			e.tellShift(k, p, &found[i], t)
		}
	}
}
