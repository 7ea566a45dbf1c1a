package detect

import (
	"fmt"
	"math"
	"time"

	"github.com/tollkeeper/tollkeeper/detect/change"
	"github.com/tollkeeper/tollkeeper/detect/counts"
)

// Slow changes of a key's volume, and volume that stays away. Nobody is stopped for either: they are told, so that the customer's broken
// integration or a reseller's growth is seen, and by a policy's word (changes: flag) they are alerts.
//
// What a key is expected to do in an hour is its usual count at that hour, mixed with its cohort's rhythm while it is young, times how
// the cohort as a whole moved in that hour. Counts scatter around that as negative binomial, with a size learnt from the key's own
// hours and days. Days are tested for drift (CUSUM) and drops, silence as soon as it is improbable.
type habit struct {
	drift     change.Drift
	mean      [2]float32 // calls of a working day, of a day of a weekend
	week      week
	days      [2]uint8 // that were learnt
	scatter   ratio    // of hours
	scatterOf ratio    // of days
	count     float32  // of the running day
	expected  float32  // by the hour, with the cohort's moves
	plain     float32  // the same without
	whole     bool     // the running day was watched from its beginning
	idle      uint8    // hours in a row that were closed since the last calls, the hour of these included
	quiet     float32  // calls that were expected in them, without that hour
	calm      ratio    // scatter when that hour was closed: hours of silence would excuse themselves

	was      float32 // count of the day that was closed last, and what was expected
	should   float32
	size     float32
	required float32 // evidence that the budget asks for
}

const (
	changeWatched  = 8  // days of a kind before a day is judged
	changeWeekends = 4  // of a weekend
	changeMemory   = 28 // days
	changeFloor    = 4.0
	dayFloor       = 0.02 // scatter of days is never believed to be less: 14 %
	silenceLeast   = 3 * hourMillis
	silenceMost    = 72 * hourMillis // after that the key is asleep: see dormancy
	silenceOfPast  = 1.5             // times the longest silence that ended well
	silenceHours   = 24 * 7          // watched
	leastExpected  = 1.0             // calls in an hour from which its scatter is learnt, and
	scatterKnown   = 2               // days of that half of the week
)

// expected is how many calls the key makes in an hour when nothing is wrong; plain leaves its cohort's move away.
func (e *Engine) expected(h *hours, hour int32) (calls, plain float64) {
	c := &e.cohorts[h.cohort]
	plain = h.usual(c, slotOf(hour), h.average()) * float64(h.habit().week.factor(hour/24))
	return plain * c.factor(hour), plain
}

// usual is what is expected in an hour of a day of a key with that average.
func (h *hours) usual(c *cohort, slot int, average float64) float64 {
	n := float64(h.known[slot/24])
	return (n*float64(h.day[slot]) + profileBorrows*average*float64(c.shape[slot].mean)) / (n + profileBorrows)
}

// asleep forgets the running day of a key that was away for more than a week.
func (b *habit) asleep() {
	b.whole, b.count, b.expected, b.plain = false, 0, 0, 0
	b.drift.Reset()
}

// average calls of an hour.
func (h *hours) average() float64 {
	b := h.habit()
	switch {
	case b.days[0] == 0 && b.days[1] == 0:
		return float64(h.count0())
	case b.days[1] == 0:
		return float64(b.mean[0]) / 24
	case b.days[0] == 0:
		return float64(b.mean[1]) / 24
	}
	return float64(5*b.mean[0]+2*b.mean[1]) / 7 / 24
}

// count0 is the average before the first day is over.
func (h *hours) count0() float32 { return h.habit().count / 24 }

// shrunk is a key's own scatter, drawn to its cohort's.
func shrunk(own, all ratio) float64 {
	return float64((own.n*own.mean + scatterPrior*all.mean) / (own.n + scatterPrior))
}

// law is the distribution of the calls in some hours of which so many are expected. Hours in a row are taken to scatter together, which
// is the cautious side.
func (e *Engine) law(h *hours, expected float64) counts.NegBin {
	return e.lawOf(h, h.habit().scatter, expected)
}

func (e *Engine) lawOf(h *hours, scatter ratio, expected float64) counts.NegBin {
	return counts.NegBin{Mean: expected, Size: 1 / max(dayFloor, shrunk(scatter, e.cohorts[h.cohort].scatter))}
}

// overrun is the squared relative distance from what was expected, less what counting alone makes, bounded.
func overrun(x, m float64) float32 {
	return float32(max(0, min(25, ((x-m)*(x-m)-x)/(m*m))))
}

// closeHours learns from the hours before that, of which only the first had calls. A key that rests at night closes ten at once when it
// comes back, and one that calls once a day closes 24.
func (e *Engine) closeHours(k *keyState, from, to int32, count float32) {
	e.closeHour(k, from, count)
	for at := from + 1; at < to; at++ {
		midnight := at - at%24 + 23
		e.closeRest(k.hours, at, min(to, midnight))
		if at = midnight; at < to {
			e.closeHour(k, at, 0)
		}
	}
}

// closeHour learns from an hour with so many calls, and if it is the last one of its day, from the day.
func (e *Engine) closeHour(k *keyState, at int32, count float32) {
	h := k.hours
	b, c, s := h.habits(e.mem), &e.cohorts[h.cohort], slotOf(at)
	half, average, dayFactor := s/24, h.average(), b.week.factor(at/24)
	plain := h.usual(c, s, average) * float64(dayFactor)
	m := plain * c.factor(at)
	if h.known[half] >= scatterKnown && m >= leastExpected {
		x := overrun(float64(count), m)
		b.scatter.add(x, 24*changeMemory)
		c.scatter.add(x, cohortMemory)
	}
	if average > 0 && b.days[half] > 0 {
		c.shape[s].shapes(min(5, count/float32(average)))
	}
	b.count += count
	b.expected += float32(m)
	b.plain += float32(plain)
	if count > 0 {
		b.quiet, b.calm = 0, b.scatter
	} else {
		b.quiet += float32(m)
	}
	if at%24 == 23 {
		e.closeDay(k, at/24, half)
		if h.known[half] < math.MaxUint8 {
			h.known[half]++
		}
	}
	h.day[s] += h.learning(half, dayFactor) * (count/max(weekLeast, dayFactor) - h.day[s])
}

// learning is how much of an hour of that half of the week goes into the usual one; a day on which the key mostly rests teaches little about others.
func (h *hours) learning(half int, dayFactor float32) float32 {
	return min(1, dayFactor) / (min(float32(h.known[half]), 6) + 1)
}

// closeRest does what closeHour does, for hours of one day without calls, and not its last. They are most of the hours of most keys: what is the same for
// all of them is worked out once, and an hour without calls is off by just what was expected.
func (e *Engine) closeRest(h *hours, from, to int32) {
	if from >= to {
		return
	}
	b, c, s := h.habits(e.mem), &e.cohorts[h.cohort], slotOf(from)
	half, average := s/24, h.average()
	scatters, shapes := h.known[half] >= scatterKnown, average > 0 && b.days[half] > 0
	scatter, all, dayFactor := b.scatter, c.scatter, b.week.factor(from/24)
	share := h.learning(half, dayFactor)
	known, borrowed := float64(h.known[half]), profileBorrows*average // of usual
	weight, expected, simple, quiet := known+profileBorrows, b.expected, b.plain, b.quiet
	day, shape := h.day[s:s+int(to-from)], c.shape[s:s+int(to-from)]
	for i := range day {
		plain := (known*float64(day[i]) + borrowed*float64(shape[i].mean)) / weight * float64(dayFactor)
		m := plain * c.factor(from+int32(i))
		if scatters && m >= leastExpected {
			scatter.add(1, 24*changeMemory)
			all.add(1, cohortMemory)
		}
		if shapes {
			shape[i].shapes(0)
		}
		expected += float32(m)
		simple += float32(plain)
		quiet += float32(m)
		day[i] -= share * day[i]
	}
	b.expected, b.plain, b.quiet = expected, simple, quiet
	b.scatter, c.scatter = scatter, all
}

// closeDay tests a day that is over, and learns from it.
func (e *Engine) closeDay(k *keyState, day int32, half int) {
	b, c := k.hours.habits(e.mem), &e.cohorts[k.hours.cohort]
	if b.whole {
		count, mean := float64(b.count), float64(b.mean[half])
		if b.plain > 0 {
			mean *= float64(b.expected / b.plain)
		}
		dayFactor := float64(b.week.factor(day))
		if mean > 0 && b.days[half] >= daysOf[half] { // a mean that has seen each of its days
			if b.week.learn(day, float32(count/mean)) {
				b.scatter, b.scatterOf = ratio{}, ratio{} // what looked like scatter was the week
			}
		}
		mean *= dayFactor
		n := float64(b.days[half])
		if n >= 2 && mean >= leastExpected {
			x := overrun(count, mean)
			b.scatterOf.add(x, changeMemory)
			c.days.add(x, cohortMemory)
		}
		if b.days[0] >= changeWatched && (half == 0 || b.days[1] >= changeWeekends) && mean > 0 {
			// The mean of n days is itself off by a share of their scatter.
			size := 1 / max(dayFloor, shrunk(b.scatterOf, c.days)*(1+2/n))
			b.drift.Observe(count, mean, size)
			k.hours.closed, b.was, b.should, b.size = day, b.count, float32(mean), float32(size)
			b.required = max(changeFloor, suspect(e.suspects.days))
		}
		a := 1 / min(float32(n)+1, changeMemory)
		v := b.count
		if n > 0 {
			v = min(v, recordGrowth*max(b.mean[half], 10))
		}
		b.mean[half] += a * (v - b.mean[half])
		if b.days[half] < math.MaxUint8 {
			b.days[half]++
		}
	}
	b.whole = true
	b.count, b.expected, b.plain = 0, 0, 0
	if !k.filling(int64(day+1) * 24 * hourMillis) {
		e.assign(k)
	}
}

// volumeShift is a finding about the volume of days or about silence.
type volumeShift struct {
	detector        string
	which           uint32
	score           float64
	observed, mean  float64
	low, high       float64
	factor          float64
	since, duration int64
}

const (
	shiftUp = iota
	shiftDown
	shiftDrop
	shiftSilence
)

// dayScores are the surprises about the day that was closed last.
type dayScores struct{ up, down, drop float64 }

func (e *Engine) dayShift(k *keyState) (s dayScores) {
	b := k.hours.habit()
	s.up, s.down = b.drift.Up(), b.drift.Down()
	if b.was > 0 { // a day of silence is told as that
		s.drop = min(50, -math.Log10(max(1e-50, b.law().Below(float64(b.was)))))
	}
	return s
}

func (b *habit) law() counts.NegBin {
	return counts.NegBin{Mean: float64(b.should), Size: float64(b.size)}
}

// judgeDay looks at the day that was closed, once.
func (e *Engine) judgeDay(k *keyState, p *Policy, t int64) {
	b := k.hours.habit()
	day := k.hours.closed
	k.hours.closed = 0
	if int32(t/(24*hourMillis))-day > 1 { // the key slept since: that is told as silence
		return
	}
	scores, law := e.dayShift(k), b.law()
	s := volumeShift{observed: float64(b.was), mean: law.Mean, since: int64(day) * 24 * hourMillis, duration: 24 * hourMillis, factor: float64(b.was) / law.Mean}
	switch s.score = max(scores.up, scores.down, scores.drop); s.score {
	case scores.drop:
		s.detector, s.which = "drop", shiftDrop
	case scores.up:
		s.detector, s.which, s.factor = "drift_up", shiftUp, b.drift.UpBy()
	default:
		s.detector, s.which, s.factor = "drift_down", shiftDown, b.drift.DownBy()
	}
	if s.score < float64(b.required)+k.tolerant(t) {
		return
	}
	s.low, s.high = law.Low(0.01), law.High(0.01)
	b.drift.Reset()
	e.tellShift(k, p, &s, t)
}

func (e *Engine) tellShift(k *keyState, p *Policy, s *volumeShift, t int64) {
	f := finding{}
	f.by[FamilyVolume] = s.score
	e.act(k, p, verdict{kind: episodeShift, net: s.which, f: &f, wanted: p.Changes, score: s.score, t: t, shift: s})
}

func (k *keyState) shiftEvidence(s *volumeShift) Evidence {
	ev := Evidence{
		Family: FamilyVolume, Detector: s.detector, Observed: s.observed, Expected: s.mean, Low: s.low, High: s.high,
		WindowSeconds: s.duration / 1000, PValue: probability(s.score),
	}
	day := time.UnixMilli(s.since).UTC().Format(time.DateOnly)
	switch s.which {
	case shiftUp:
		ev.Sentence = fmt.Sprintf("The key has been making more calls a day than it used to, about %.1f times as many by now: %.0f on %s, where %.0f were to be expected.", s.factor, s.observed, day, s.mean)
	case shiftDown:
		ev.Sentence = fmt.Sprintf("The key has been making fewer calls a day than it used to, about %.0f%% by now: %.0f on %s, where %.0f were to be expected.", 100*s.factor, s.observed, day, s.mean)
	case shiftDrop:
		ev.Sentence = fmt.Sprintf("On %s the key made %.0f calls, where %.0f were to be expected.", day, s.observed, s.mean)
	case shiftSilence:
		ev.Sentence = fmt.Sprintf("The key has been silent for %s; %.0f calls were to be expected in that time, and its longest silence before was %s.",
			span(s.duration), s.mean, span(int64(k.maxGapSec)*1000))
	}
	return ev
}
