package tail

import (
	"math"
	"sort"
)

// Exact is the memory for a few streams where every value may be kept: the last Memory values, in order of size and in order of
// arrival (16 bytes each). The tail is fitted to the exceedances themselves, not to buckets, so it also serves a statistic whose
// values differ by less than the resolution of [Tail]. Weights are not kept: a suspicious value is learnt as the value of
// p = Suspicious, if SuspiciousWeight is above 0.
//
// A value is inserted by binary search and one copy: about 0.3 µs at 2,000 values.
type Exact struct {
	s       Settings
	arrived []float64 // ring
	sorted  []float64 // ascending
	next    int       // where the next arrival goes once the ring is full
	since   int
	from    float64
	law     GPD
	fitted  bool
}

// NewExact returns an empty memory under the estimator's settings. Memory may not exceed MaxMemory there; here that is only a
// matter of speed.
func (e *Estimator) NewExact() *Exact { return &Exact{s: e.s} }

// Count is the number of remembered values.
func (t *Exact) Count() float64 { return float64(len(t.sorted)) }

// Threshold returns where the Pareto law takes over, and the law. The last result says whether there is one.
func (t *Exact) Threshold() (from float64, law GPD, fitted bool) { return t.from, t.law, t.fitted }

// P is as [Estimator.P].
func (t *Exact) P(x float64) float64 {
	n := len(t.sorted)
	if !(x > tiny) || n == 0 {
		return 1
	}
	x = t.rounded(min(x, huge))
	if t.fitted && x > t.from {
		zeta := rank(n-sort.Search(n, func(i int) bool { return t.sorted[i] > t.from }), n)
		if t.s.Discrete {
			return clampP(zeta * t.law.Survival(x-0.5-t.from))
		}
		return clampP(zeta * t.law.Survival(x-t.from))
	}
	return clampP(rank(n-sort.SearchFloat64s(t.sorted, x), n))
}

// Surprise is -log10 of P.
func (t *Exact) Surprise(x float64) float64 { return max(0, -math.Log10(t.P(x))) }

// Learn adds x, as at most the influence cap. NaN and negative values are ignored.
func (t *Exact) Learn(x float64) {
	if math.IsNaN(x) || x < 0 {
		return
	}
	t.learnCapped(min(x, huge), 1/(capsPerMemory*float64(len(t.sorted)+1)))
}

// Observe returns P of x and then learns x; a suspicious one as at most the value of p = Suspicious.
func (t *Exact) Observe(x float64) float64 {
	p := t.P(x)
	switch {
	case p >= t.s.Suspicious:
		t.Learn(x)
	case t.s.SuspiciousWeight > 0 && !math.IsNaN(x) && x >= 0:
		t.learnCapped(min(x, huge), t.s.Suspicious)
	}
	return p
}

func (t *Exact) learnCapped(x, limit float64) {
	if t.fitted && x > t.from && t.P(x) < limit {
		n := len(t.sorted)
		zeta := rank(n-sort.Search(n, func(i int) bool { return t.sorted[i] > t.from }), n)
		x = min(x, t.from+t.law.Quantile(min(limit/zeta, 1)))
	}
	x = t.rounded(x)
	if len(t.sorted) < t.s.Memory {
		t.arrived = append(t.arrived, x)
		i := sort.SearchFloat64s(t.sorted, x)
		t.sorted = append(t.sorted, 0)
		copy(t.sorted[i+1:], t.sorted[i:])
		t.sorted[i] = x
	} else {
		old := t.arrived[t.next]
		t.arrived[t.next] = x
		t.next = (t.next + 1) % len(t.arrived)
		replace(t.sorted, old, x)
	}
	if t.since++; t.since >= max(4, len(t.sorted)/32) {
		t.fit()
	}
}

// replace swaps old for x in a sorted slice, moving only what lies between.
func replace(sorted []float64, old, x float64) {
	i := sort.SearchFloat64s(sorted, old)
	j := sort.SearchFloat64s(sorted, x)
	if j > i {
		j--
		copy(sorted[i:j], sorted[i+1:j+1])
	} else {
		copy(sorted[j+1:i+1], sorted[j:i])
	}
	sorted[j] = x
}

func (t *Exact) fit() {
	n := len(t.sorted)
	t.since, t.fitted = 0, false
	if n < minFitCount {
		return
	}
	k := int(math.Ceil(max(t.s.TailShare*float64(n), minExceedances)))
	from := t.sorted[n-k-1]
	if t.s.Discrete {
		from += 0.5
	}
	var m moments
	for i := n - 1; i >= 0 && t.sorted[i] > from; i-- {
		m.add(t.sorted[i]-from, 1)
	}
	if from > 0 {
		t.law, t.fitted = m.law(t.s.MaxShape)
		t.from = from
	}
}

func rank(above, n int) float64 { return float64(above+1) / float64(n+1) }

func (t *Exact) rounded(x float64) float64 {
	if t.s.Discrete {
		return math.Ceil(x)
	}
	return x
}
