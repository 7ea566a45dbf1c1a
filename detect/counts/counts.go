// Package counts gives exact tail probabilities of low counts, where no histogram of the past reaches far enough: requests in a bucket
// (negative binomial), errors among requests (beta-binomial).
//
// All functions are pure. Probabilities are in [0, 1], and tails keep their relative accuracy far out; arguments outside of a law's
// range give 1, "nothing to see", so that a broken baseline raises no alarm.
package counts

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// NegBin is a negative binomial law by mean and size: the variance is Mean + Mean²/Size, and Size = math.Inf(1) is Poisson.
type NegBin struct {
	Mean, Size float64
}

func (l NegBin) valid() bool {
	return l.Mean > 0 && !math.IsInf(l.Mean, 1) && l.Size > 0
}

// Above is P(X >= count), by the regularised incomplete beta function (gamma for Poisson).
func (l NegBin) Above(count float64) float64 {
	count = math.Ceil(count)
	if !l.valid() || !(count > 0) {
		return 1
	}
	if math.IsInf(count, 1) {
		return 0
	}
	if l.nearlyPoisson() {
		return mathext.GammaIncReg(count, l.Mean)
	}
	return mathext.RegIncBeta(count, l.Size, l.Mean/(l.Mean+l.Size))
}

// Below is P(X <= count).
func (l NegBin) Below(count float64) float64 {
	count = math.Floor(count)
	if !l.valid() || math.IsNaN(count) || math.IsInf(count, 1) {
		return 1
	}
	if count < 0 {
		return 0
	}
	if l.nearlyPoisson() {
		return mathext.GammaIncRegComp(count+1, l.Mean)
	}
	return mathext.RegIncBeta(l.Size, count+1, l.Size/(l.Mean+l.Size))
}

// Low and High are the ends of the band outside of which a count falls with probability p at most on either side.
func (l NegBin) Low(p float64) float64 {
	if !l.valid() || !(p > 0) {
		return 0
	}
	return smallest(func(x float64) bool { return l.Below(x) > p })
}

// High is the upper end; infinite for p of 0.
func (l NegBin) High(p float64) float64 {
	if !l.valid() || !(p > 0) {
		return math.Inf(1)
	}
	return smallest(func(x float64) bool { return l.Above(x+1) <= p })
}

// smallest whole number from 0 that holds; what holds once holds for all that are larger.
func smallest(holds func(float64) bool) float64 {
	above := 1.0
	for !holds(above) && above < 1e15 {
		above *= 2
	}
	below := -1.0
	for above-below > 1 {
		if mid := math.Floor((above + below) / 2); holds(mid) {
			above = mid
		} else {
			below = mid
		}
	}
	return above
}

// nearlyPoisson is where the incomplete beta function loses digits and the laws differ by less than a millionth.
func (l NegBin) nearlyPoisson() bool { return l.Size > 1e8*max(1, l.Mean) }

// BetaBinomial is the law of hits among Trials whose rate is uncertain, as Beta(A, B): with h hits in n past trials and a prior of a and
// b, A = a+h and B = b+n-h.
type BetaBinomial struct {
	Trials, A, B float64
}

// logP is the logarithm of P(X = k).
func (l BetaBinomial) logP(k float64) float64 {
	n := l.Trials
	return lchoose(n, k) + mathext.Lbeta(l.A+k, l.B+n-k) - mathext.Lbeta(l.A, l.B)
}

func lchoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// Above is P(X >= hits). It sums from hits upwards until the terms no longer matter: at most Trials steps, some tens in the tail.
func (l BetaBinomial) Above(hits float64) float64 {
	hits = math.Ceil(hits)
	if !(l.Trials >= 1) || math.IsInf(l.Trials, 1) || !(l.A > 0) || !(l.B > 0) || !(hits > 0) {
		return 1
	}
	n := math.Floor(l.Trials)
	if hits > n {
		return 0
	}
	l.Trials = n
	sum, term := 0.0, 1.0
	for k := hits; k <= n; k++ {
		sum += term
		ratio := (n - k) / (k + 1) * (l.A + k) / (l.B + n - k - 1)
		if term *= ratio; ratio < 1 && term < 1e-12*sum*(1-ratio) {
			break
		}
	}
	return min(1, sum*math.Exp(l.logP(hits)))
}

// High is the smallest number of hits that is exceeded with probability p at most.
func (l BetaBinomial) High(p float64) float64 {
	return min(l.Trials, smallest(func(x float64) bool { return x >= l.Trials || l.Above(x+1) <= p }))
}
