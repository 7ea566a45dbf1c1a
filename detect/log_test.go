package detect

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheLogarithmByTableIsTheLogarithm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.OneOf(rapid.Float64Range(0, math.MaxFloat64), rapid.Float64Range(0, 2), rapid.Float64Range(1, 1e6)).Draw(t, "x")
		if want := math.Log(x); want != ln(x) {
			require.InDelta(t, want, ln(x), 1e-15*max(1, math.Abs(want)))
		}
	})
	for _, x := range []float64{0, math.Inf(1), math.Inf(-1), math.NaN(), -1, 5e-324} {
		require.Equal(t, math.Float64bits(math.Log(x)), math.Float64bits(ln(x)), "%v", x)
	}
}

func TestTheBetaFunctionIsTheBetaFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		argument := rapid.OneOf(rapid.Float64Range(1e-9, 10), rapid.Float64Range(1, 1000), rapid.Float64Range(1e-100, 1e6))
		a, b := argument.Draw(t, "a"), argument.Draw(t, "b")
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		require.InDelta(t, x+y-z, lbeta(a, b), 2e-14*(10+math.Abs(x)+math.Abs(y)+math.Abs(z)))
	})
	require.True(t, math.IsInf(lbeta(0, 1), 1))
}
