// Package combine joins several p-values about one question into one.
//
// Which rule is right depends on what is known about their dependence, and on how many of them speak when something is wrong:
//
//   - [Fisher]: independent p-values, weak evidence spread over many of them. Anti-conservative under positive dependence;
//   - [Harmonic]: any dependence, at the price of a factor; a single strong one among many weak ones comes through;
//   - [Cauchy]: as Harmonic without the price: nearly exact for small p under most dependence, but not proven for all. Values near 1
//     count a little against those near 0;
//   - [Minimum]: any dependence, Bonferroni; the bench mark.
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
	return max(0, HarmonicMean(surprises...)-math.Log10(factor), Minimum(surprises...))
}

// HarmonicMean is the surprise of the plain harmonic mean. As a p-value it is right to a small factor for small values of independent
// p-values; see Harmonic for a valid one.
func HarmonicMean(surprises ...float64) float64 {
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

// Minimum is Bonferroni's: n times the smallest p.
func Minimum(surprises ...float64) float64 {
	most := 0.0
	for _, x := range surprises {
		most = max(most, clean(x))
	}
	return max(0, most-math.Log10(max(1, float64(len(surprises)))))
}

// Cauchy is the surprise of the Cauchy combination (Liu and Xie 2020): the mean of tan((1/2-p)pi) is again a standard
// Cauchy variable if the p-values are uniform, exactly so when they are independent or equal.
func Cauchy(surprises ...float64) float64 {
	if len(surprises) == 0 {
		return 0
	}
	const far = 15 // surprise beyond which tan((1/2-p)pi) is 1/(p pi) to all digits
	most := 0.0
	for _, x := range surprises {
		most = max(most, clean(x))
	}
	if most == 0 {
		return 0
	}
	n := float64(len(surprises))
	if most > far {
		// One term outweighs everything that is not far as well: the mean of 1/(p pi), inverted.
		sum := 0.0
		for _, x := range surprises {
			if x = clean(x); x > far-6 {
				sum += math.Pow(10, x-most)
			}
		}
		return max(0, most+math.Log10(sum/n))
	}
	sum := 0.0
	for _, x := range surprises {
		// A p of exactly 1 would be minus infinity and veto everything. Discrete and clipped p-values are often 1, and mean
		// "nothing to see", not "certainly not"; so none counts against the others more than a p of 0.95.
		p := min(math.Pow(10, -clean(x)), 0.95)
		sum += 1 / math.Tan(math.Pi*p)
	}
	return max(0, -math.Log10(math.Atan2(1, sum/n)/math.Pi))
}
