package detect

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheLogarithmByTableIsTheLogarithm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.OneOf(rapid.Float32Range(1e-37, math.MaxFloat32), rapid.Float32Range(1, 1e6)).Draw(t, "x")
		require.InDelta(t, math.Log(float64(x)), logOf(x), 4e-15*max(1, math.Abs(math.Log(float64(x)))/16))
	})
}
