package tail

import "math"

// GPD is the generalised Pareto law of an excess over a threshold. Scale is positive, in the units of the excess. Shape 0 is the
// exponential law, shape above 0 a power tail with index 1/Shape.
type GPD struct {
	Shape, Scale float64
}

// nearlyExponential is the shape under which the limit of shape 0 is used: the power form loses its digits there.
const nearlyExponential = 1e-6

// Survival is P(Y > y). It is 1 for y <= 0 and may underflow to 0.
func (g GPD) Survival(y float64) float64 {
	switch {
	case !(y > 0):
		return 1
	case !(g.Scale > 0):
		return 0
	case math.Abs(g.Shape) < nearlyExponential:
		return math.Exp(-y / g.Scale)
	}
	base := 1 + g.Shape*(y/g.Scale)
	if base <= 0 { // beyond the end point of a negative shape
		return 0
	}
	return math.Exp(-math.Log(base) / g.Shape)
}

// Quantile is the excess that is exceeded with probability p in (0, 1]; the inverse of Survival.
func (g GPD) Quantile(p float64) float64 {
	if !(p < 1) {
		return 0
	}
	if math.Abs(g.Shape) < nearlyExponential {
		return -g.Scale * math.Log(p)
	}
	return g.Scale * math.Expm1(-g.Shape*math.Log(p)) / g.Shape
}

// moments accumulates the first two probability-weighted moments a_s = E[Y (1-F(Y))^s] of excesses that arrive in
// descending order with weights, in observations. Equal values may be added as one; so may the values of a bucket, at
// their mean.
type moments struct {
	weight, sum, weighted float64
}

func (m *moments) add(excess, weight float64) {
	// (1-F) of the j-th largest of n is (j-1)/(n-1) in Hosking and Wallis' unbiased estimator; the division comes at
	// the end, and w equal values have the mean rank (w-1)/2 above what was there before.
	m.sum += weight * excess
	m.weighted += weight * excess * (m.weight + max(weight-1, 0)/2)
	m.weight += weight
}

// law solves for the Pareto law by probability-weighted moments: with a0 = E[Y] and a1 = E[Y(1-F)],
// shape = 2 - a0/(a0 - 2 a1) (Hosking and Wallis 1987, whose k is -shape). The shape is shrunk to the prior and bounded by
// [0, maxShape]; the scale then follows from the mean, so that the bounded law keeps the mean excess. Finally the shape grows
// by 1/n: that is the predictive law of an exponential tail whose mean was estimated from n values, (1 + y/(n mean))^-n,
// without which p-values far out are too small by the error of the fit.
func (m *moments) law(maxShape float64) (GPD, bool) {
	if m.weight < 2 || !(m.sum > 0) {
		return GPD{}, false
	}
	a0 := m.sum / m.weight
	a1 := m.weighted / (m.weight * (m.weight - 1))
	shape := maxShape
	if d := a0 - 2*a1; d > a0*1e-9 {
		shape = 2 - a0/d
	}
	shape = min(max(shape, -0.5), maxShape) // a bound before shrinking, so that no wild estimate outweighs the prior
	shape = (shape*m.weight + priorShape*priorWeight) / (m.weight + priorWeight)
	shape = min(max(shape, 0), maxShape)
	scale := a0 * (1 - shape)
	return GPD{Shape: min(shape+1/m.weight, max(maxShape, shape)), Scale: scale}, scale > 0
}
