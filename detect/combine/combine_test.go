package combine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

var rules = map[string]func(...float64) float64{
	"Fisher": Fisher, "Harmonic": Harmonic, "harmonicMean": harmonicMean, "bonferroni": bonferroni,
}

func surprise(p float64) float64 { return -math.Log10(p) }

func TestFisherIsChiSquared(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 20), 1, 40).Draw(t, "surprises")
		sum := 0.0
		for _, x := range xs {
			sum += 2 * x * math.Ln10
		}
		want := distuv.ChiSquared{K: 2 * float64(len(xs))}.Survival(sum)
		if want > 1e-280 {
			require.InDelta(t, surprise(want), Fisher(xs...), 1e-8*max(1, surprise(want)))
		}
	})
}

func TestHarmonicMeanIsTheharmonicMean(t *testing.T) {
	require.InDelta(t, surprise(3/(1/0.5+1/0.01+1/0.2)), harmonicMean(surprise(0.5), surprise(0.01), surprise(0.2)), 1e-12)
	require.InDelta(t, 400+math.Log10(0.5), harmonicMean(400, 3), 1e-9, "beyond what a float64 p-value can hold")
}

func TestEveryRuleIsMonotoneSymmetricAndBounded(t *testing.T) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				xs := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 8), rapid.Float64Range(8, 400)), 1, 12).Draw(t, "surprises")
				got := rule(xs...)
				require.False(t, math.IsNaN(got) || math.IsInf(got, 0) || got < 0)
				shuffled := rapid.Permutation(xs).Draw(t, "shuffled")
				require.InDelta(t, got, rule(shuffled...), 1e-9*max(1, got))
				more := slices.Clone(xs)
				more[rapid.IntRange(0, len(xs)-1).Draw(t, "which")] += rapid.Float64Range(0, 5).Draw(t, "more")
				require.GreaterOrEqual(t, rule(more...), got-1e-6, "more evidence may not count less")
			})
			require.Zero(t, rule())
			require.Zero(t, rule(0, 0, 0))
			require.Zero(t, rule(math.NaN(), -5))
			require.False(t, math.IsInf(rule(math.Inf(1), 1), 0))
			require.InDelta(t, 3.0, rule(3), 1e-9, "one p-value is itself")
		})
	}
}

// rate is how often the combined p-value is at or under level for null p-values from a draw.
func rate(rule func(...float64) float64, level float64, draw func(*rand.Rand, []float64)) float64 {
	const rounds = 40_000
	r := rand.New(rand.NewPCG(5, 5))
	xs := make([]float64, 8)
	hits := 0
	for range rounds {
		draw(r, xs)
		if rule(xs...) >= surprise(level) {
			hits++
		}
	}
	return float64(hits) / rounds
}

// What each rule claims about eight null p-values: independent, equal, and half-way (a common normal factor).
func TestRealisedRates(t *testing.T) {
	correlated := func(share float64) func(*rand.Rand, []float64) {
		return func(r *rand.Rand, xs []float64) {
			common := r.NormFloat64()
			for i := range xs {
				z := math.Sqrt(share)*common + math.Sqrt(1-share)*r.NormFloat64()
				xs[i] = surprise(distuv.UnitNormal.Survival(z))
			}
		}
	}
	for _, level := range []float64{0.01, 0.001} {
		noise := 4 * math.Sqrt(level/40_000)
		for _, share := range []float64{0, 0.5, 1} {
			name := fmt.Sprintf("level %v, common share %v", level, share)
			for _, valid := range []string{"Harmonic", "bonferroni"} {
				require.LessOrEqual(t, rate(rules[valid], level, correlated(share)), level+noise, "%s: %s", valid, name)
			}
		}
		require.InDelta(t, level, rate(Fisher, level, correlated(0)), 0.1*level+noise, "Fisher, independent")
		require.Greater(t, rate(Fisher, level, correlated(0.5)), 3*level, "Fisher is not for dependent p-values")
	}
}
