package tail

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// The generalised Pareto law is gonum's Pareto law shifted by its scale (shape > 0), the exponential law (shape 0), or a scaled
// Beta law (shape < 0: 1 + shape*y/scale is Beta(-1/shape, 1)).
func TestSurvivalAgreesWithGonum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := math.Exp(rapid.Float64Range(-20, 20).Draw(t, "log scale"))
		y := scale * math.Exp(rapid.Float64Range(-8, 8).Draw(t, "log y"))
		shape := rapid.Float64Range(0.01, 2).Draw(t, "shape")

		pareto := distuv.Pareto{Xm: scale / shape, Alpha: 1 / shape}
		require.InEpsilon(t, pareto.Survival(y+scale/shape), GPD{shape, scale}.Survival(y), 1e-9)

		if want := (distuv.Exponential{Rate: 1 / scale}).Survival(y); want > 1e-290 {
			require.InEpsilon(t, want, GPD{0, scale}.Survival(y), 1e-9)
		}
		if x := 1 - shape*y/scale; x > 1e-6 {
			require.InEpsilon(t, distuv.Beta{Alpha: 1 / shape, Beta: 1}.CDF(x), GPD{-shape, scale}.Survival(y), 1e-6)
		}
	})
}

func TestSurvivalAtTheEdges(t *testing.T) {
	for _, c := range []struct {
		law  GPD
		y    float64
		want float64
	}{
		{GPD{0.5, 1}, 0, 1},
		{GPD{0.5, 1}, -3, 1},
		{GPD{0.5, 1}, math.NaN(), 1},
		{GPD{-0.5, 1}, 2, 0},
		{GPD{-0.5, 1}, 5, 0},
		{GPD{0, 0}, 1, 0},
		{GPD{0.5, 1}, math.Inf(1), 0},
		{GPD{0, 1}, math.Inf(1), 0},
	} {
		require.Equal(t, c.want, c.law.Survival(c.y), "%v at %v", c.law, c.y)
	}
}

func TestQuantileInvertsSurvival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		law := GPD{rapid.Float64Range(-0.4, 0.9).Draw(t, "shape"), rapid.Float64Range(1e-3, 1e6).Draw(t, "scale")}
		p := math.Pow(10, -rapid.Float64Range(0.001, 8).Draw(t, "-log10 p"))
		require.InEpsilon(t, p, law.Survival(law.Quantile(p)), 1e-6)
	})
	require.Zero(t, GPD{0.1, 1}.Quantile(1))
}

// The moments are those of the law itself: a0 = E[Y], a1 = E[Y (1-F)], integrated numerically by gonum.
func TestMomentsOfALargeSampleAreTheIntegrals(t *testing.T) {
	for _, law := range []GPD{{0, 2}, {0.2, 1}, {0.4, 5}} {
		sample := drawGPD(law, 200_000, 1)
		var m moments
		for i := len(sample) - 1; i >= 0; i-- {
			m.add(sample[i], 1)
		}
		// Substituting p = 1-F turns the moments into integrals of the quantile over (0, 1).
		a0 := quad.Fixed(law.Quantile, 0, 1, 4000, nil, 0)
		a1 := quad.Fixed(func(p float64) float64 { return p * law.Quantile(p) }, 0, 1, 4000, nil, 0)
		n := float64(len(sample))
		require.InEpsilon(t, a0, m.sum/n, 0.03, "a0 of %v", law)
		require.InEpsilon(t, a1, m.weighted/(n*(n-1)), 0.03, "a1 of %v", law)
	}
}

func TestFitRecoversTheLaw(t *testing.T) {
	for _, law := range []GPD{{0, 2}, {0.1, 1e-6}, {0.3, 1}, {0.5, 1e9}} {
		var m moments
		sample := drawGPD(law, 50_000, 2)
		for i := len(sample) - 1; i >= 0; i-- {
			m.add(sample[i], 1)
		}
		got, ok := m.law(DefaultMaxShape)
		require.True(t, ok)
		require.InDelta(t, law.Shape, got.Shape, 0.05, "%v", law)
		require.InEpsilon(t, law.Scale, got.Scale, 0.08, "%v", law)
	}
}

func TestTiedValuesCountAsTheirMeanRank(t *testing.T) {
	var one, many moments
	one.add(3, 1)
	one.add(2, 4)
	one.add(1, 1)
	for _, v := range []float64{3, 2, 2, 2, 2, 1} {
		many.add(v, 1)
	}
	require.Equal(t, many.weight, one.weight)
	require.InDelta(t, many.sum, one.sum, 1e-12)
	require.InDelta(t, many.weighted, one.weighted, 1e-12)
}

func TestNothingIsFittedToNothing(t *testing.T) {
	var m moments
	_, ok := m.law(0.9)
	require.False(t, ok, "no exceedance")
	m.add(1, 1)
	_, ok = m.law(0.9)
	require.False(t, ok, "one exceedance")
	m = moments{}
	m.add(0, 50)
	_, ok = m.law(0.9)
	require.False(t, ok, "all at the threshold")
}

func drawGPD(law GPD, n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	sample := make([]float64, n)
	for i := range sample {
		sample[i] = law.Quantile(1 - r.Float64())
	}
	sort.Float64s(sample)
	return sample
}
