// Package combine joins several p-values about one question into one.
//
// Which rule is right depends on what is known about their dependence, and on how many of them speak when something is wrong:
//
//   - [Fisher]: independent p-values, weak evidence spread over many of them. Anti-conservative under positive dependence;
//   - [Harmonic]: any dependence, at the price of a factor; a single strong one among many weak ones comes through.
//
// Everything is in surprise, -log10 p, so that evidence does not underflow: p = 1 is 0, p = 1e-400 is 400. Negative values and
// NaN are taken for 0. No evidence at all gives 0. The functions allocate nothing and are pure.
package combine

import "math"

func clean(surprise float64) float64 {
	if !(surprise > 0) {
		return 0
	}
	return min(surprise, math.MaxFloat64)
}

// Fisher is the surprise of the sum (Fisher 1925): twice the sum of -ln p of n independent uniform p-values is chi-squared with 2n
// degrees of freedom, whose survival function is exp(-s) times the first n terms of the series of exp(s).
func Fisher(surprises ...float64) float64 {
	s := 0.0
	for _, x := range surprises {
		s += clean(x) * math.Ln10
	}
	if len(surprises) == 0 || s == 0 {
		return 0
	}
	if math.IsInf(s, 1) {
		return math.MaxFloat64
	}
	// The logarithm of the series, by its largest term: the terms rise up to index s.
	top := float64(len(surprises) - 1)
	at := math.Min(top, math.Floor(s))
	gamma, _ := math.Lgamma(at + 1)
	largest := at*math.Log(s) - gamma
	sum, term := 1.0, 1.0
	for j := at; j > 0 && term > 1e-17*sum; j-- {
		term *= j / s
		sum += term
	}
	term = 1.0
	for j := at + 1; j <= top && term > 1e-17*sum; j++ {
		term *= s / j
		sum += term
	}
	return max(0, (s-largest-math.Log(sum))*math.Log10E)
}

// Harmonic is the surprise of the harmonic mean p-value (Wilson 2019), made valid under any dependence by the factor e*ln n of Vovk
// and Wang (2020); for one or two p-values by Bonferroni's n, which is smaller there.
func Harmonic(surprises ...float64) float64 {
	n := float64(len(surprises))
	if n == 0 {
		return 0
	}
	factor := n
	if n > 2 {
		factor = min(n, math.E*math.Log(n))
	}
	return max(0, harmonicMean(surprises...)-math.Log10(factor), bonferroni(surprises...))
}

// harmonicMean is the surprise of the plain harmonic mean. As a p-value it is right to a small factor for small values of independent
// p-values; see Harmonic for a valid one.
func harmonicMean(surprises ...float64) float64 {
	if len(surprises) == 0 {
		return 0
	}
	most := 0.0
	for _, x := range surprises {
		most = max(most, clean(x))
	}
	sum := 0.0
	for _, x := range surprises { // relative to the largest, which may be beyond 1e308
		sum += math.Pow(10, clean(x)-most)
	}
	return max(0, most+math.Log10(sum/float64(len(surprises))))
}

// bonferroni is Bonferroni's: n times the smallest p.
func bonferroni(surprises ...float64) float64 {
	most := 0.0
	for _, x := range surprises {
		most = max(most, clean(x))
	}
	return max(0, most-math.Log10(max(1, float64(len(surprises)))))
}
