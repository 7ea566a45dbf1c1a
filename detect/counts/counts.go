// Package counts gives exact tail probabilities of low counts, where no histogram of the past reaches far enough: requests in a bucket
// (negative binomial), errors among requests (beta-binomial), and things never seen before (Good and Turing).
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

// nearlyPoisson is where the incomplete beta function loses digits and the laws differ by less than a millionth.
func (l NegBin) nearlyPoisson() bool { return l.Size > 1e8*max(1, l.Mean) }

// Size estimates the size by moments from the mean and the variance of counts: Poisson if they vary no more than its counts would.
func Size(mean, variance float64) float64 {
	if !(mean > 0) || !(variance > mean) {
		return math.Inf(1)
	}
	return mean * mean / (variance - mean)
}

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

// Below is P(X <= hits), by symmetry.
func (l BetaBinomial) Below(hits float64) float64 {
	return BetaBinomial{Trials: l.Trials, A: l.B, B: l.A}.Above(math.Floor(l.Trials) - math.Floor(hits))
}

// Unseen estimates the chance that the next draw shows something never seen, from the number of draws and how many things were
// seen exactly once (Good 1953, after Turing; Robbins 1968 for the denominator). 1 with no draws.
func Unseen(once, draws int) float64 {
	if draws <= 0 || once < 0 {
		return 1
	}
	return min(1, float64(once)/float64(draws+1))
}

// Novelty is a p-value for "the draw that has just come showed something new", 1 if it did not. It is valid without any assumption
// on the law: of draws+1 exchangeable draws the last is as likely as any other to be one of those that show a thing of
// its own, and if it is, there are once+1 of them. So P(Novelty <= a) <= a. once and draws are those before the draw. Exchangeable
// means that the habits did not change: forget what is old, and judge a burst of new things by other means too.
func Novelty(isNew bool, once, draws int) float64 {
	if !isNew || draws <= 0 || once < 0 {
		return 1
	}
	return min(1, float64(once+1)/float64(draws+1))
}
