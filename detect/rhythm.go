package detect

import (
	"fmt"
	"math"
)

// Rhythm: a program that calls like a clock where this key's own clients don't, and a client that is there at hours when the key rests.
// Customers have pollers and night shifts, too. So neither convicts anybody: it counts beside something that the client does.

// cadence is a sequential test of "this client calls at equal intervals" against "its calls come by chance" (a Poisson process, of whatever
// rate), by the gaps between bursts of calls. It is a cumulative sum that restarts at 0 (Page 1954), so that a change is noticed.
type cadence struct {
	at   int64   // beginning of the latest burst, Unix milliseconds
	mean float32 // of the gaps, milliseconds
	sum  float32 // log10 of the bet
	n    uint16  // gaps
}

const (
	// What comes within two seconds is one burst: logs know seconds at best, and a page asks for many things. What is left of a gap of
	// a Poisson process beyond that is exponential again.
	burstMillis    = 2000
	cadenceSpread  = 0.15 // of a clock with jitter, on the log scale
	cadenceMissed  = 0.1  // of its ticks are missed, or disturbed
	cadenceMemory  = 32
	cadenceLeast   = 8    // gaps before anything is said
	cadenceFirst   = 3    // gaps, to know the mean
	leastTick      = 8000 // milliseconds: below that a log of whole seconds is regular by itself
	clockwork      = 2.0  // log10 of the bet from which a client is called regular
	usualClockwork = 0.2  // share of such clients among the customers', before this platform has shown it
	clockworkPrior = 20
	leastClockwork = 0.05
	pacedEvery     = 64 // gaps of an established client between two looks

	restWeight    = 0.5
	restRemainder = 0.05
	restKnown     = 5   // days of that half of the week
	restCalls     = 2.0 // an hour in the mean
)

// tick takes up a call.
func (c *cadence) tick(t int64) {
	gap := t - c.at
	if gap < burstMillis {
		return
	}
	first := c.at == 0
	c.at = t
	if first {
		return
	}
	g := float32(gap-burstMillis) + 1
	if c.n >= cadenceFirst && c.mean >= leastTick {
		switch y := float64(g / c.mean); {
		case c.sum == 0 && besideBeat(y):
		case c.sum < cadenceLittle && offBeat(y):
			c.sum = 0
		default:
			c.sum = max(0, c.sum+float32(cadenceStep(y)))
		}
	}
	if c.n < math.MaxUint16 {
		c.n++
	}
	c.mean += (g - c.mean) / float32(min(c.n, cadenceMemory))
}

// cadenceLittle is less than what a gap off the beat takes away.
const cadenceLittle = 0.9

// offBeat says of most gaps of a client that is no clock, without three logarithms, that cadenceStep is below -cadenceLittle.
func offBeat(y float64) bool { return y > 0 && y < 0.5 || y > 2 && y < 1000 }

// besideBeat says of three quarters of the gaps of such a client, as cheaply, that cadenceStep is not above 0.
func besideBeat(y float64) bool { return y > 0 && y < 0.73 || y > 1.37 && y < 1000 }

// cadenceStep is log10 of how much better a clock than chance foretells a gap of y times the mean.
func cadenceStep(y float64) float64 {
	d := ln(y) / cadenceSpread
	clock := math.Exp(y-d*d/2) / (y * cadenceSpread * math.Sqrt(2*math.Pi)) // beside exp(-y)
	return log10(cadenceMissed + (1-cadenceMissed)*min(clock, 1e6))
}

// score is log10 of the bet, less the price of many beginnings.
func (c *cadence) score() float64 {
	if c.n < cadenceLeast {
		return 0
	}
	return max(0, float64(c.sum)-log10(1+float64(c.n)))
}

// paced counts a client of the customer among those that are regular, or not, now and then.
func (e *Engine) paced(a *actor, before uint16) {
	if a.cadence.n != before && a.cadence.n%pacedEvery == 0 {
		e.all.paced++
		if a.cadence.score() >= clockwork {
			e.all.clockwork++
		}
	}
}

// regularity is the evidence that a new client is a clock among clients that are none. As many of the customers' clients as are clocks
// are taken to be one by right, and every monitor is.
func (e *Engine) regularity(k *keyState, a *actor) float64 {
	s := a.cadence.score()
	if !a.fresh || s == 0 || e.monitor(a) {
		return 0
	}
	for i := range k.actors {
		if b := &k.actors[i]; !b.fresh && b.cadence.score() >= 1 {
			return 0
		}
	}
	return max(0, mixtureBet(s, 0, e.clocks()))
}

// clocks is the share of clients that call at equal intervals.
func (e *Engine) clocks() float64 {
	return max(leastClockwork, (e.all.clockwork+usualClockwork*clockworkPrior)/(e.all.paced+clockworkPrior))
}

// offHours is the evidence that a new client is there when the key usually rests.
func (k *keyState) offHours(a *actor) float64 {
	h := k.hours
	if h == nil || !a.fresh || a.hour != h.hour {
		return 0
	}
	half := slotOf(h.hour) / 24
	if h.known[half] < restKnown {
		return 0
	}
	mean := float32(0)
	for _, v := range h.day[24*half : 24*half+24] {
		mean += v / 24
	}
	if mean < restCalls {
		return 0
	}
	return max(0, restWeight*log10(float64((mean+1)/(h.usually()+restRemainder*mean+1))))
}

// What it says for a client that the customer's own ones have fallen silent since: the same program, on the same routes, goes on elsewhere.
const (
	movedShare  = 0.5 // of customers' own programs in new places have moved there
	takenShare  = 0.1 // of thieves come when the customer has gone
	movedMemory = 48  // hours
)

// succession bets on "a thief beside the customer" against "the customer, who has moved": at most 0. Only a program of the customer's that does
// nothing new can have moved.
func (e *Engine) succession(k *keyState, a *actor, t int64) float64 {
	if !a.netNew || a.routesNew > 0 || k.hours == nil || k.gapSec != 0 || k.lastKnown == 0 || t-k.lastKnown < burstMillis || !k.uses(a.agent) {
		return 0
	}
	mean := e.missed(k, t)
	if mean < leastExpected {
		return 0
	}
	silent := e.law(k.hours, mean).Below(0)
	return min(0, log10((takenShare+(1-takenShare)*silent)/(movedShare+(1-movedShare)*silent)))
}

// absence is what was summed up last of the calls that a key's own clients did not make: by whole hours, so that not every call of a client that
// came in their place takes up two days anew.
type absence struct {
	key      *keyState
	known    int64 // when its own clients called last
	from, to int32 // hours, the last not included
	day      [48]float32
	week     week
	calls    float64
}

// missed is how many calls were to be expected since the key's own clients fell silent, of the last two days at most.
func (e *Engine) missed(k *keyState, t int64) float64 {
	last := int32(t / hourMillis)
	part := func(hour int32) float64 {
		from, to := max(k.lastKnown, int64(hour)*hourMillis), min(t, int64(hour+1)*hourMillis)
		calls, _ := e.expected(k.hours, hour)
		return calls * float64(to-from) / hourMillis
	}
	first := max(int32(k.lastKnown/hourMillis), last-movedMemory)
	if first == last {
		return part(last)
	}
	if s := &e.absent; s.key != k || s.known != k.lastKnown || s.from != first || s.to != last || s.day != k.hours.day || s.week != k.hours.habit().week {
		*s = absence{key: k, known: k.lastKnown, from: first, to: last, day: k.hours.day, week: k.hours.habit().week}
		for hour := first; hour < last; hour++ {
			s.calls += part(hour)
		}
	}
	return e.absent.calls + part(last)
}

func (e *Engine) describeRhythm(k *keyState, a *actor) Evidence {
	if clock, rest := e.regularity(k, a), k.offHours(a); rest > clock {
		h := k.hours
		usual := float64(h.usually())
		return Evidence{
			Detector: "off_hours_client", Observed: float64(a.used[meterRequests]), Expected: usual, High: 3*usual + 1, WindowSeconds: 3600,
			Sentence: fmt.Sprintf("It calls at an hour at which the key usually rests (%.1f calls on other such days).", usual),
		}
	}
	return Evidence{
		Detector: "clockwork", Observed: float64(a.cadence.n), Expected: e.clocks() * float64(a.cadence.n), High: float64(a.cadence.n),
		Sentence: fmt.Sprintf("It calls like a clock, every %s (%d times so far); this key's own clients don't, and %.0f%% of all customers' clients do.",
			span(int64(a.cadence.mean)+burstMillis), a.cadence.n, 100*e.clocks()),
	}
}
