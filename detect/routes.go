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
	at int32 // hour of the latest
	n  uint8
}

const doorsHours = 24 // after that it is another go

func (d *doors) try(t int64) {
	hour := int32(t / hourMillis)
	if hour-d.at > doorsHours {
		d.n = 0
	}
	d.at = hour
	if d.n < math.MaxUint8 {
		d.n++
	}
}

// tries says that the client of the latest call at t has just tried so many doors that it does not know what it may do, as the customer's own program does.
func (d *doors) tries(t int64) bool {
	const several = 4
	return d.n >= several && int32(t/hourMillis)-d.at <= doorsHours
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
