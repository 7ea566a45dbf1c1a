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
	if n < 2 {
		return 0
	}
	v := max(float64(variance/n), 0.1) / float64(n)
	return max(0, logNormalRatio(float64(sum/n), abuseShift, abuseVariance+v, 0, clientSpread+v))
}

// paceSlope turns "x times the busiest hour so far" into evidence: records of heavy-tailed hours are broken by x with a chance of
// x^-1.67 (a Pareto tail of shape 0.6).
const paceSlope = 1.67

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
	x := float64(a.units) / a.hours() / e.unitsReference(k)
	if x <= 1 {
		return 0
	}
	return min(3, paceSlope*math.Log10(x))
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

// outpace compares a new client's pace with the busiest hour the key ever had.
func (k *keyState) outpace(a *actor) float64 {
	if k.hours == nil || !a.fresh || k.hours.record[meterRequests] == 0 {
		return 0
	}
	x := float64(a.n) / a.hours() / max(20, float64(k.hours.record[meterRequests]))
	if x <= 1 {
		return 0
	}
	return min(maxPace, paceSlope*math.Log10(x))
}
