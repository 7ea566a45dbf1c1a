package tail

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The sorted window is what sorting the last Memory values would give (nothing here is so extreme that the cap applies).
func TestTheWindowHoldsTheLastValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{Memory: MinMemory})
		require.NoError(t, err)
		x := e.NewExact()
		values := rapid.SliceOfN(rapid.Float64Range(100, 130), 0, 400).Draw(t, "values")
		for _, v := range values {
			x.Learn(v)
		}
		want := slices.Clone(values[max(0, len(values)-MinMemory):])
		for i, v := range x.arrived { // the cap may have lowered some
			at := (i - x.next + len(x.arrived)) % len(x.arrived)
			require.LessOrEqual(t, v, want[at])
			want[at] = v
		}
		slices.Sort(want)
		require.Equal(t, len(want), len(x.sorted))
		require.True(t, slices.Equal(want, x.sorted))
	})
}

// With a window that is large enough, order of arrival is forgotten: P depends on the set of values only.
func TestExactForgetsTheOrder(t *testing.T) {
	e := estimator(t, Settings{Memory: 1000})
	rapid.Check(t, func(t *rapid.T) {
		n := 31 // below the first fit, so that the cap does not depend on what came before
		values := rapid.SliceOfN(rapid.Float64Range(0, 100), n, n).Draw(t, "values")
		shuffled := rapid.Permutation(values).Draw(t, "shuffled")
		a, b := e.NewExact(), e.NewExact()
		for i := range values {
			a.Learn(values[i])
			b.Learn(shuffled[i])
		}
		for _, v := range values {
			require.Equal(t, a.P(v), b.P(v))
		}
	})
}

// Both memories see the same stream; where the buckets resolve it they must agree.
func TestTailAgreesWithExact(t *testing.T) {
	for _, law := range laws {
		if law.name == "normal 1000 sd 10" { // finer than the buckets
			continue
		}
		e := estimator(t, Settings{Discrete: law.discrete})
		r := rand.New(rand.NewPCG(9, 9))
		var m Tail
		x := e.NewExact()
		for range 1900 { // within the memory: no decay, no eviction
			v := law.draw(r)
			e.Observe(&m, v)
			x.Observe(v)
		}
		for _, p := range []float64{0.5, 0.1, 0.01, 1e-3, 1e-4} {
			v := x.sorted[min(int(float64(len(x.sorted))*(1-p)), len(x.sorted)-1)]
			require.InDelta(t, math.Log10(x.P(v)), math.Log10(e.P(&m, v)), 0.35, "%s at %v", law.name, v)
		}
	}
}
