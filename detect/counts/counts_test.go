package counts

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func TestPoissonIsGonums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean := rapid.Float64Range(0.01, 200).Draw(t, "mean")
		k := float64(rapid.IntRange(0, 300).Draw(t, "count"))
		l, oracle := NegBin{mean, math.Inf(1)}, distuv.Poisson{Lambda: mean}
		require.InDelta(t, oracle.CDF(k), l.Below(k), 1e-9)
		require.InDelta(t, 1-oracle.CDF(k-1), l.Above(k), 1e-9)
	})
}

// A negative binomial count is a Poisson count whose mean is gamma distributed: summed term by term.
func TestNegBinIsTheSumOfItsTerms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean, size := rapid.Float64Range(0.05, 40).Draw(t, "mean"), rapid.Float64Range(0.1, 30).Draw(t, "size")
		count := rapid.IntRange(1, 150).Draw(t, "count")
		below := 0.0
		for k := range count {
			a, _ := math.Lgamma(float64(k) + size)
			b, _ := math.Lgamma(size)
			c, _ := math.Lgamma(float64(k) + 1)
			below += math.Exp(a - b - c + size*math.Log(size/(size+mean)) + float64(k)*math.Log(mean/(size+mean)))
		}
		l := NegBin{mean, size}
		require.InDelta(t, below, l.Below(float64(count-1)), 1e-8)
		require.InDelta(t, 1-below, l.Above(float64(count)), 1e-8)
	})
}

func TestTailsFarOutKeepTheirDigits(t *testing.T) {
	// P(X >= k) of a geometric law (size 1) is (mean/(1+mean))^k exactly.
	require.InEpsilon(t, math.Pow(0.75, 900), NegBin{3, 1}.Above(900), 1e-6)
	require.InEpsilon(t, math.Exp(-300), NegBin{300, math.Inf(1)}.Below(0), 1e-9)
	require.InEpsilon(t, NegBin{5, math.Inf(1)}.Above(20), NegBin{5, 1e9}.Above(20), 1e-5)
}

// A beta-binomial count is a binomial one whose rate is beta distributed: integrated by gonum.
func TestBetaBinomialIsTheMixture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "trials")
		k := rapid.IntRange(1, n).Draw(t, "hits")
		a, b := rapid.Float64Range(2, 30).Draw(t, "a"), rapid.Float64Range(2, 30).Draw(t, "b")
		rate := distuv.Beta{Alpha: a, Beta: b}
		want := quad.Fixed(func(p float64) float64 {
			return rate.Prob(p) * (1 - distuv.Binomial{N: float64(n), P: p}.CDF(float64(k-1)))
		}, 0, 1, 300, nil, 0)
		l := BetaBinomial{float64(n), a, b}
		require.InDelta(t, want, l.Above(float64(k)), 1e-5)
	})
}

func TestBetaBinomialOfManyTrials(t *testing.T) {
	l := BetaBinomial{1e6, 50, 5000}
	require.InDelta(t, 0.5, l.Above(9_834), 0.01)
	require.Less(t, l.Above(30_000), 1e-10)
}

func TestTailsAreMonotoneProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-5, 500).Draw(t, "x")
		y := x + rapid.Float64Range(0, 50).Draw(t, "more")
		n := NegBin{rapid.Float64Range(1e-6, 1e6).Draw(t, "mean"), rapid.OneOf(rapid.Float64Range(0.01, 1e12), rapid.Just(math.Inf(1))).Draw(t, "size")}
		b := BetaBinomial{float64(rapid.IntRange(1, 500).Draw(t, "trials")), rapid.Float64Range(0.1, 100).Draw(t, "a"), rapid.Float64Range(0.1, 100).Draw(t, "b")}
		for _, tail := range []func(float64) float64{n.Above, b.Above} {
			p, q := tail(x), tail(y)
			require.True(t, p >= 0 && p <= 1 && q <= p+1e-9, "%v %v", p, q)
		}
		p, q := n.Below(x), n.Below(y)
		require.True(t, p >= 0 && p <= 1 && q >= p-1e-9, "%v %v", p, q)
	})
}

func TestABrokenBaselineRaisesNoAlarm(t *testing.T) {
	for _, bad := range []float64{0, -1, math.NaN()} {
		require.Equal(t, 1.0, NegBin{bad, 1}.Above(9))
		require.Equal(t, 1.0, NegBin{1, bad}.Above(9))
		require.Equal(t, 1.0, NegBin{bad, 1}.Below(0))
		require.Equal(t, 1.0, BetaBinomial{9, bad, 1}.Above(9))
		require.Equal(t, 1.0, BetaBinomial{bad, 1, 1}.Above(9))
	}
	require.Equal(t, 1.0, NegBin{1, 1}.Above(math.NaN()))
	require.Zero(t, NegBin{math.NaN(), 1}.Low(0.01))
	require.True(t, math.IsInf(NegBin{1, -1}.High(0.01), 1))
}

// The ends of a band: no further in, no further out.
func TestABandHoldsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := NegBin{rapid.Float64Range(0.01, 1e5).Draw(t, "mean"), rapid.Float64Range(0.05, 1e4).Draw(t, "size")}
		p := rapid.Float64Range(1e-6, 0.2).Draw(t, "p")
		low, high := n.Low(p), n.High(p)
		require.True(t, n.Below(low) > p && (low == 0 || n.Below(low-1) <= p), "low %v", low)
		require.True(t, n.Above(high+1) <= p && (high == 0 || n.Above(high) > p), "high %v", high)
		b := BetaBinomial{float64(rapid.IntRange(1, 500).Draw(t, "trials")), rapid.Float64Range(0.1, 100).Draw(t, "a"), rapid.Float64Range(0.1, 100).Draw(t, "b")}
		high = b.High(p)
		require.True(t, high <= b.Trials && (high == b.Trials || b.Above(high+1) <= p) && (high == 0 || b.Above(high) > p), "hits %v", high)
	})
}
