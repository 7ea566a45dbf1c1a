package detect

import (
	"fmt"
	"math"
)

// days follows a key's calls by the day: those of the last twelve to twenty-four hours, against the most that such a time had before. What goes
// on around the clock at the pace of a busy hour is beyond no hour, and far beyond any day; and a key that works for an hour a night has
// no other yardstick.
type days struct {
	calls  [2]float32 // of the running half day up to the running hour, and of the half day before
	last   float32    // of the day that ended with the half day before, which is not in the record yet: a day is measured by what was before it
	record float32    // of the busiest day so far, slowly forgotten
}

const (
	halfDay = 12 // hours

	// dayGrowth bounds how much half a day can raise the record: as recordGrowth, by the day.
	dayGrowth = 2
	// dayCalls is what the day of a key is judged as that makes fewer calls.
	dayCalls = 100
	// dayLess is how much less evidence is asked for of a day than of an hour: there are so many fewer of them.
	dayLess = 1.38
)

// roll closes the hours from the first to before the other, of which only the first had calls, for a key that was watched for so many.
func (d *days) roll(from, to int32, calls, seen float32) {
	d.calls[0] += calls
	began := from
	for borders := 0; from < to; borders++ {
		next := min(to, (from/halfDay+1)*halfDay)
		if borders > 2 { // of what is older nothing is left
			next = to
		}
		if d.record *= forgotten(next - from); next%halfDay == 0 {
			d.learn(watchedFor(seen, calls, next-1-began) < knownFrom)
			d.last = d.calls[0] + d.calls[1]
			d.calls = [2]float32{0, d.calls[0]}
		}
		from = next
	}
}

// learn takes the day that is over into the record. first says that the key is not known for long yet, so that its record is what it shows.
func (d *days) learn(first bool) {
	if first || d.record == 0 {
		d.record = max(d.record, d.last)
	}
	d.record = max(d.record, min(d.last, dayGrowth*d.record))
}

// today is the calls of the last twelve to twenty-four hours.
func (h *hours) today() float64 {
	return float64(h.days.calls[0] + h.days.calls[1] + h.cur[meterRequests])
}

// meterDay stands for the calls of a day, beside those of an hour and of five minutes.
const meterDay = meterMinutes + 1

// ordinaryDay says that the last day is nothing to look at.
func (h *hours) ordinaryDay() bool {
	return h.today() <= volumeFactor*max(dayCalls, float64(h.days.record)) || h.days.record == 0 || h.seen < volumeWatched
}

// longDay is the evidence about the last day of a key, whoever called: far more calls than on any day before. It is looked at for an alert only.
func (k *keyState) longDay() (s spike) {
	h := k.hours
	if h.ordinaryDay() {
		return s
	}
	x := h.today() / max(dayCalls, float64(h.days.record))
	// The chance that one of the next days is x times the record of n, as of hours.
	s.volume, s.meter = k.acquainted()*(math.Log10(float64(k.days)+1)+paceSlope*math.Log10(x)), meterDay
	return s
}

// judgeLongDay tells of a day that has been far busier than any before, unless one of its hours was told of already.
func (e *Engine) judgeLongDay(k *keyState, p *Policy, t int64) {
	s := k.longDay()
	if s.volume == 0 || s.volume < max(volumeRequired-dayLess, float64(k.hours.level))+k.tolerant(t) {
		return
	}
	for m := range uint32(meters) {
		if k.episodeOf(episodeHour, m, 0, t) != nil {
			return
		}
	}
	f := finding{}
	f.by[FamilyVolume] = s.volume
	e.act(k, p, verdict{kind: episodeHour, net: meterDay, f: &f, wanted: ActionFlag, score: s.volume, t: t, spike: &s})
}

func (h *hours) dayEvidence(s *spike) Evidence {
	return Evidence{
		Family: FamilyVolume, Detector: "day_requests", Observed: h.today(), Expected: float64(h.days.record), High: volumeFactor * float64(h.days.record), WindowSeconds: 86400, PValue: probability(s.volume),
		Sentence: fmt.Sprintf("%.0f requests in the last day are %.0f times the busiest day that the key had before.", h.today(), h.today()/max(1, float64(h.days.record))),
	}
}
