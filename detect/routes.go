package detect

import "math"

// Share of a client's routes that are new to the key: customers' new clients mostly do what the key already does.
var (
	customersNewRoutes = beta{1, 4}
	strangersNewRoutes = beta{2, 1.5}
)

const rareRoute = 0.5 // for every new route that hardly any key of the platform uses, up to four

func routeEvidence(a *actor) float64 {
	if a.routesNew == 0 {
		return 0
	}
	n := float64(a.routesNew) + float64(a.routesKnown)
	return logBayes(float64(a.routesNew), n, customersNewRoutes, strangersNewRoutes) + rareRoute*min(4, float64(a.rare))
}

// doors are the routes that a client tries for which hardly any key of the platform has a use, in one go.
type doors struct {
	at      int32  // hour of the latest
	from    uint32 // calls of the client before the first
	refused uint16 // calls since then that were refused, found nothing or were malformed
	n       uint8
}

const (
	doorsHours   = 24 // after that it is another go
	severalDoors = 4
)

// try notes a door; calls is the number of this call of the client.
func (d *doors) try(t int64, calls uint32) {
	hour := int32(t / hourMillis)
	if d.n == 0 || hour-d.at > doorsHours {
		d.n, d.refused, d.from = 0, 0, calls-1
	}
	d.at = hour
	if d.n < math.MaxUint8 {
		d.n++
	}
}

// tries says that the client of the latest call at t has just tried so many doors that it does not know what it may do, as the customer's own program does.
func (d *doors) tries(t int64) bool {
	return d.n >= severalDoors && int32(t/hourMillis)-d.at <= doorsHours
}

// refuse notes a call that was refused after a door was tried.
func (d *doors) refuse() {
	if d.refused < math.MaxUint16 {
		d.refused++
	}
}

// How the calls of a client fail since it began to try doors: of one that has a fault, and of one that does not know what it may do.
var (
	faultyTrier = beta{1, 6}
	trier       = beta{2, 2}
)

// doorEvidence bets on "it tries what the key may do" by the share of calls that fail since it began. Beside what an established client did all day they would be too few to tell.
func (e *Engine) doorEvidence(k *keyState, a *actor) float64 {
	if a.doors.refused == 0 || !a.doors.tries(a.last) {
		return 0
	}
	usual := 0.0
	for _, c := range []int{errDenied, errAbsent, errFaulty} {
		usual += e.expectedErrors(k, c).mean()
	}
	n := float64(a.n - a.doors.from)
	hits := min(float64(a.doors.refused), n)
	const strength = 20 // calls' worth
	usual = min(0.5, usual)
	expected := beta{usual * strength, (1 - usual) * strength}
	return max(0, mixtureBet(logBayes(hits, n, expected, trier), logBayes(hits, n, faultyTrier, trier), clumsyShare))
}

// tried is what it says that a client, be it the customer's own program on its own machine, takes several doors in one go and is not let in everywhere: a step of a
// build that was changed, an assistant that does what a text tells it to. What the customer's release has that is new is mostly new to other keys as well, and works.
func (a *actor) tried(f *finding, t int64) float64 {
	if a.doors.refused == 0 || !a.doors.tries(t) {
		return 0
	}
	return f.by[FamilyRoutes] + f.by[FamilyErrors]
}

// dormancy is how unusual the silence was that has just ended: a Pareto tail beyond the longest one before. Its shape is 1/2 for a key
// whose breaks are known. One that was active on a day or two has hardly shown how long it pauses, and has a heavier tail.
func (e *Engine) dormancy(k *keyState) float64 {
	if k.gapSec == 0 {
		return 0
	}
	const day, breaks = 86400.0, 0.5
	gap := float64(k.gapSec)
	if k.hours != nil && k.hours.weekendsOff() {
		gap -= float64(weekendSeconds(k.awoke/1000-int64(k.gapSec), k.awoke/1000))
	}
	seen := max(0, float64(k.days)-1)
	return max(0, e.breakShape()*seen/(seen+breaks)*math.Log10((gap+day)/(float64(k.maxGapSec)+day)))
}

// Silences beyond the longest one before fall off as a power of how far beyond: with this exponent before the platform has shown its own.
const (
	usualBreaks  = 2.0
	leastBreaks  = 1.0
	breaksPrior  = 20 // silences' worth
	breaksMemory = 500
)

// breakShape is that exponent: Hill's estimate (1975) from silences that ended well, drawn to what is usual, and never surer than that.
func (e *Engine) breakShape() float64 {
	n := float64(e.all.breaks.n)
	return max(leastBreaks, min(usualBreaks, (n+breaksPrior)/(n*float64(e.all.breaks.mean)+breaksPrior/usualBreaks)))
}

// beyond is how far a silence goes beyond another, both in seconds.
func beyond(gap, longest uint32) float64 {
	const day = 86400
	return (float64(gap) + day) / (float64(longest) + day)
}

// weekendsOff says that the key is not known to work at weekends.
func (h *hours) weekendsOff() bool {
	const share = 0.2
	mean := h.habit().mean
	return mean[1] <= share*mean[0]
}

// weekendSeconds is how much of the time from a to b, in Unix seconds, lies in weekends (UTC).
func weekendSeconds(a, b int64) (n int64) {
	const day = 86400
	for at := a - a%day; at < b && at < a+60*day; at += day {
		if slotOf(int32(at/3600)) >= 24 {
			n += min(b, at+day) - max(a, at)
		}
	}
	return n
}
