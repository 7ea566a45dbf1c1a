package detect

import (
	"math"

	"github.com/tollkeeper/tollkeeper/detect/counts"
)

// beta is a distribution over rates.
type beta struct{ a, b float64 }

// lbeta is the logarithm of the beta function once k hits among n were seen.
func (h beta) lbeta(k, n float64) float64 {
	return lbeta(h.a+k, h.b+n-k)
}

// logBayes returns log10 of how much better h1 than h0 foretells k hits among n: the ratio of two beta-binomial
// probabilities. Its mean under h0 is 1 on the linear scale, so that 10^-x bounds the chance of reaching x (Ville 1939).
func logBayes(k, n float64, h0, h1 beta) float64 {
	l1 := h1.lbeta(k, n) - h1.lbeta(0, 0)
	l0 := h0.lbeta(k, n) - h0.lbeta(0, 0)
	return (l1 - l0) * math.Log10E
}

// cusum adds log10 of a ratio of probabilities to a cumulative sum that restarts at 0 (Page 1954). Most clients have a sum of 0 that stays there:
// those cost no logarithm.
func cusum(sum float32, ratio float64) float32 {
	if sum == 0 && ratio <= 1 {
		return 0
	}
	return max(0, sum+float32(log10(ratio)))
}

// logNormalRatio is log10 of the ratio of two normal densities at x.
func logNormalRatio(x, m1, v1, m0, v0 float64) float64 {
	d1, d0 := x-m1, x-m0
	return 0.5 * (d0*d0/v0 - d1*d1/v1 + ln(v0/v1)) * math.Log10E
}

// moments follows mean and variance of a stream with exponential forgetting: the first 1/rate values count alike.
type moments struct {
	n, mean, m2 float64
}

func (m *moments) add(x, limit float64) {
	m.n++
	a := 1 / min(m.n, limit)
	d := x - m.mean
	m.mean += a * d
	m.m2 += a * (d*(x-m.mean) - m.m2)
	if m.mean > -negligible && m.mean < negligible {
		m.mean = 0
	}
	if m.m2 < negligible {
		m.m2 = 0
	}
}

// negligible is what a mean that only shrinks is taken for 0 below: it would become a subnormal number in the end, over which a processor takes a hundred times
// as long.
const negligible = 1e-18

func (m *moments) variance() float64 { return m.m2 }

// mean of the rate.
func (h beta) mean() float64 { return h.a / (h.a + h.b) }

// high is the share of hits among n that is exceeded in one of a hundred cases.
func (h beta) high(n float64) float64 {
	if n < 1 {
		return 1
	}
	return counts.BetaBinomial{Trials: math.Floor(n), A: h.a, B: h.b}.High(0.01) / math.Floor(n)
}
