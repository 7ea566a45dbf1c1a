// Package tail turns any non-negative statistic into a tail probability that is learnt from the statistic's own past: how
// often does this stream, undisturbed, show a value as large as this one?
//
// One threshold can serve millions of unlike streams only if each stream's statistic is first put on a common scale.
// A z-score does not do it: on bursty traffic its false alarms are 100 to 10,000 times as frequent as it claims. An
// empirical p-value does not either: with n remembered values it never falls under 1/(n+1). So the body of the
// distribution is a histogram, and the part above a high quantile is a generalised Pareto law (Pickands 1975, Balkema and
// de Haan 1974) that is fitted by probability-weighted moments (Hosking and Wallis 1987).
//
// Two memories share the [Settings] and the arithmetic:
//
//   - [Tail], of fixed size (about 144 bytes), for one of millions of keys: a histogram of 48 exponential buckets whose
//     resolution adapts to the data, with decay;
//   - [Exact], a sorted window of values, for a few streams where every value may be kept.
//
// Promises, each held by a test:
//
//   - P is in (0, 1], never 0, and never rises when x rises;
//   - for independent draws of one distribution the realised rate of P <= p is about p down to 1e-5, within a factor of 2 at 1e-4 for tails up to lognormal
//     (CALIBRATION.md);
//   - learning is capped: a value is learnt as at most the value that the stream reaches once in 16 memories, and
//     [Estimator.Observe] learns a suspicious value with a fraction of its weight, so that an anomaly cannot teach the
//     tail to accept it, while a lasting change is accepted in the end;
//   - the same inputs give the same state, bit by bit; scaling all inputs by a power of two changes no p-value.
//
// Not promised: dependence between successive values (autocorrelation, drift, seasons) is not modelled. Take it out of
// the statistic first (residuals), or measure the false alarm rate on a replay.
//
// Nothing here does I/O, reads a clock or starts a goroutine. An [Estimator] is immutable and may be shared; a [Tail] or
// [Exact] belongs to one goroutine.
package tail

import (
	"fmt"
	"math"
)

// Bounds and defaults of [Settings].
const (
	MinMemory        = 64
	MaxMemory        = 8000
	DefaultMemory    = 2000
	DefaultTailShare = 0.02
	DefaultMaxShape  = 0.9
	// DefaultSuspicious is the p-value under which Observe treats a value as part of an anomaly.
	DefaultSuspicious = 1e-5
	// DefaultSuspiciousWeight is what such a value counts when it is learnt.
	DefaultSuspiciousWeight = 0.125
)

const (
	// smallestP keeps p-values above zero, so that their logarithm is finite.
	smallestP = 1e-300
	// minFitCount is the number of remembered observations from which the tail is extrapolated at all.
	minFitCount = 32
	// minExceedances is how many observations the fit wants above its threshold; a young memory uses a larger share of
	// its values instead of fewer values.
	minExceedances = 16
	// priorShape and priorWeight shrink the fitted shape: with few exceedances the moments say little about it. 0.2 is a tail
	// somewhat heavier than exponential: bursty traffic has such tails, and too heavy a tail errs towards silence.
	priorShape  = 0.2
	priorWeight = 8
	// capsPerMemory sets the influence cap: a value is learnt as at most the value of p = 1/(capsPerMemory*count). Of
	// 16 undisturbed streams 15 never meet the cap within a memory, so that the fit stays nearly unbiased.
	capsPerMemory = 16
)

// Settings say how much is remembered and how the tail is fitted. The zero value of a field means its default.
type Settings struct {
	// Memory is the number of observations that are remembered: the effective size of the window, which decays in steps
	// of a quarter. Between MinMemory and MaxMemory.
	Memory int
	// TailShare is the share of the observations above the threshold from which the Pareto law takes over, in
	// (0, 0.5].
	TailShare float64
	// MaxShape bounds the shape of the Pareto law from above, in [0, 1). The shape is never negative: a bounded tail would claim
	// that values beyond its end point are impossible.
	MaxShape float64
	// Discrete says that the statistic takes whole numbers only; others are rounded up. P is then conservative (P(X >= x) of an atom includes the
	// atom) and the fit uses a continuity correction.
	Discrete bool
	// Suspicious is the p-value under which Observe learns with SuspiciousWeight, in [0, 1); a negative value means never.
	Suspicious float64
	// SuspiciousWeight is the weight of a suspicious observation, in [0, 1]; a negative value means 0.
	SuspiciousWeight float64
}

// Estimator holds checked settings. It is immutable and safe for concurrent use.
type Estimator struct {
	s Settings
}

// New checks the settings and fills in the defaults. The error names the field and its bounds.
func New(s Settings) (*Estimator, error) {
	if s.Memory == 0 {
		s.Memory = DefaultMemory
	}
	if s.TailShare == 0 {
		s.TailShare = DefaultTailShare
	}
	if s.MaxShape == 0 {
		s.MaxShape = DefaultMaxShape
	}
	if s.Suspicious == 0 {
		s.Suspicious = DefaultSuspicious
	}
	switch {
	case s.SuspiciousWeight == 0:
		s.SuspiciousWeight = DefaultSuspiciousWeight
	case s.SuspiciousWeight < 0:
		s.SuspiciousWeight = 0
	}
	switch {
	case s.Memory < MinMemory || s.Memory > MaxMemory:
		return nil, fmt.Errorf("tail: Memory is %d, must be between %d and %d", s.Memory, MinMemory, MaxMemory)
	case !(s.TailShare > 0 && s.TailShare <= 0.5):
		return nil, fmt.Errorf("tail: TailShare is %v, must be above 0 and at most 0.5", s.TailShare)
	case !(s.MaxShape >= 0 && s.MaxShape < 1):
		return nil, fmt.Errorf("tail: MaxShape is %v, must be at least 0 and below 1", s.MaxShape)
	case !(s.Suspicious < 1):
		return nil, fmt.Errorf("tail: Suspicious is %v, must be below 1", s.Suspicious)
	case !(s.SuspiciousWeight <= 1):
		return nil, fmt.Errorf("tail: SuspiciousWeight is %v, must be at most 1", s.SuspiciousWeight)
	}
	return &Estimator{s: s}, nil
}

// Settings returns the settings with the defaults filled in.
func (e *Estimator) Settings() Settings { return e.s }

// P is the probability that the stream behind t, undisturbed, shows a value of at least x. It is in (0, 1]; an empty
// memory, x <= 0 and NaN give 1. It does not change t. About 30 ns in the body, 60 ns in the tail.
func (e *Estimator) P(t *Tail, x float64) float64 {
	if !(x > tiny) || t.total == 0 {
		return 1
	}
	x = e.rounded(min(x, huge))
	at := t.position(x)
	if t.fitted && at >= int(t.threshold)-int(t.base) && x > t.from {
		above := t.above(max(int(t.threshold)-int(t.base), 0))
		if e.s.Discrete {
			x -= 0.5
		}
		return clampP(share(above, t.total) * t.law().Survival(x-t.from))
	}
	return clampP(share(t.aboveWithin(at, x, e.s.Discrete), t.total))
}

// Surprise is -log10 of P: 0 for the ordinary, 3 for one in a thousand, at most 300. It is what Fisher's method sums.
func (e *Estimator) Surprise(t *Tail, x float64) float64 {
	return max(0, -math.Log10(e.P(t, x)))
}

// Learn adds x to the memory with a weight in [0, 1] (rounded to eighths, but a positive weight is at least one eighth).
// NaN and negative x are ignored. A value far beyond the tail is learnt as the influence cap. Amortised about 60 ns.
func (e *Estimator) Learn(t *Tail, x, weight float64) {
	units := weightUnits(weight)
	if units == 0 || math.IsNaN(x) || x < 0 {
		return
	}
	if x <= tiny {
		t.zero = addSaturating(t.zero, units)
	} else {
		t.insert(e.rounded(e.capped(t, min(x, huge))), units)
	}
	t.total += uint32(units)
	t.since += units
	if t.total > uint32(e.s.Memory)*unitsPerObservation {
		t.decay()
	}
	if t.since >= t.refitAfter() {
		t.rebalance(e.s.Discrete)
		t.fit(e.s)
	}
}

// Observe returns P of x and then learns x, with SuspiciousWeight if P is under Suspicious. Learning slowly rather than not
// at all is what lets a lasting change be accepted: after about TailShare*Memory/SuspiciousWeight observations.
func (e *Estimator) Observe(t *Tail, x float64) float64 {
	p := e.P(t, x)
	weight := 1.0
	if p < e.s.Suspicious {
		weight = e.s.SuspiciousWeight
	}
	e.Learn(t, x, weight)
	return p
}

// Absorb learns x as Observe does, for those who do not ask for P: that is worked out only where x may be suspicious, which a value
// within the body is not unless Suspicious is large.
func (e *Estimator) Absorb(t *Tail, x float64) {
	body := !t.fitted || !(e.rounded(x) > t.from)
	if body && share(0, t.total) >= e.s.Suspicious {
		e.Learn(t, x, 1)
		return
	}
	e.Observe(t, x)
}

// Fitted says that P reaches beyond what was seen: enough was remembered to fit the tail.
func (t *Tail) Fitted() bool { return t.fitted }

// Quantile is the value that the stream reaches with probability p, the inverse of P within the resolution of the
// histogram. It returns 0 for p >= 1 or an empty memory, and for p in the body the upper edge of the bucket, so that
// P(Quantile(p)) <= p up to the +1 smoothing. Use it for the band of expected values in a report.
func (e *Estimator) Quantile(t *Tail, p float64) float64 {
	if t.total == 0 || !(p < 1) {
		return 0
	}
	p = max(p, smallestP)
	if t.fitted {
		above := t.above(max(int(t.threshold)-int(t.base), 0))
		if at := share(above, t.total); p <= at {
			x := t.from + t.law().Quantile(p/at)
			if e.s.Discrete {
				x = math.Ceil(x + 0.5)
			}
			return min(x, huge)
		}
	}
	var above uint32
	for i := buckets - 1; i >= 0; i-- {
		above += uint32(t.counts[i])
		if share(float64(above), t.total) > p {
			return e.rounded(t.edge(i + 1))
		}
	}
	for i, c := range t.counts { // even the smallest positive value is reached less often
		if c > 0 {
			return e.rounded(t.edge(i))
		}
	}
	return 0
}

// rounded is x, or for a discrete statistic the smallest whole number from x: P(X >= x) is the same there.
func (e *Estimator) rounded(x float64) float64 {
	if e.s.Discrete {
		return math.Ceil(x)
	}
	return x
}

// capped returns the value as which x is learnt.
func (e *Estimator) capped(t *Tail, x float64) float64 {
	if !t.fitted || x <= t.from {
		return x
	}
	limit := 1 / (capsPerMemory * (float64(t.total)/unitsPerObservation + 1))
	if e.P(t, x) >= limit {
		return x
	}
	return min(x, e.Quantile(t, limit))
}

// share is the smoothed share of the memory: (units + 1 observation) / (total + 1 observation), the rank p-value of
// conformal prediction, which is valid for any distribution and never 0.
func share(units float64, total uint32) float64 {
	return (units + unitsPerObservation) / (float64(total) + unitsPerObservation)
}

func clampP(p float64) float64 {
	if !(p > smallestP) {
		return smallestP
	}
	return min(p, 1)
}
