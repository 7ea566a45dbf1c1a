package detect

import "math"

// What a stranger's requests take, on the natural log scale above what is usual: around twelve times (e^2.5), give or
// take. Customers' clients differ among themselves by a factor of two (e^0.7).
const (
	abuseShift    = 2.5
	abuseVariance = 1.0
	clientSpread  = 0.5 // variance
)

// shift bets on "takes far more each time" against "a client like others", for n requests with that sum of residuals and
// that sum of variances.
func shift(n, sum, variance float32) float64 {
	if n < 2 || sum <= n { // nearer to the clients' mean, whatever the variances are
		return 0
	}
	v := max(float64(variance/n), 0.1) / float64(n)
	return max(0, logNormalRatio(float64(sum/n), abuseShift, abuseVariance+v, 0, clientSpread+v))
}

// paceSlope turns "x times the busiest hour so far" into evidence: records of heavy-tailed hours are broken by x with a chance of
// x^-1.67 (a Pareto tail of shape 0.6).
const (
	paceSlope = 1.67
	paceCalls = 20
)

func (e *Engine) moneyEvidence(k *keyState, a *actor) float64 {
	each := max(shift(a.moneyN, a.moneySum, a.moneyVar), shift(a.sizeN, a.sizeSum, a.sizeVar))
	return together(each, e.spending(k, a))
}

// spending compares a fresh actor's units an hour with the busiest hour of the key, or where the key never used any, with that
// of other keys.
func (e *Engine) spending(k *keyState, a *actor) float64 {
	if a.units == 0 || !a.fresh || k.hours == nil {
		return 0
	}
	x := float64(a.units) / a.hours()
	if a.hour == k.hours.hour {
		x = max(x, float64(a.took[meterUnits]))
	}
	if x /= e.unitsReference(k); x <= 1 {
		return 0
	}
	return min(maxPace, paceSlope*math.Log10(x))
}

func (e *Engine) unitsReference(k *keyState) float64 {
	if r := float64(k.hours.record[meterUnits]); r > 0 {
		return r
	}
	if e.unitsHour.n >= 5 {
		return math.Exp(e.unitsHour.mean)
	}
	return math.MaxFloat64
}

// hours is for how long the actor has been there, at least one.
func (a *actor) hours() float64 { return max(1, float64(a.last-a.first)/hourMillis) }

// take counts what the client takes in the running hour.
func (a *actor) take(o *obs) {
	if hour := int32(o.t / hourMillis); hour > a.hour {
		a.hour, a.took = hour, [meters]float32{}
	}
	a.took[meterRequests]++
	a.took[meterBytes] += o.bytes
	a.took[meterUnits] += o.units
}

// outpace compares what a new client takes in an hour, in calls or bytes, with the busiest hour of the whole key: what it takes is its
// own doing, not the key's. Units are the money detector's.
func (k *keyState) outpace(a *actor) (evidence float64, meter int, times float64) {
	if k.hours == nil || !a.fresh || k.hours.record[meterRequests] == 0 || a.hour != k.hours.hour {
		return 0, 0, 0
	}
	// The hour of a key that makes three calls is judged as one that makes twenty.
	least := max(1, paceCalls/float64(k.hours.record[meterRequests]))
	for m := meterRequests; m <= meterBytes; m++ {
		if rec := float64(k.hours.record[m]) * least; rec > 0 {
			if x := float64(a.took[m]) / rec; x > times {
				times, meter = x, m
			}
		}
	}
	if times <= 1 {
		return 0, 0, 0
	}
	return min(maxPace, paceSlope*math.Log10(times)), meter, times
}
