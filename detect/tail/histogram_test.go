package tail

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Wherever the window lies, a value that was in a bucket is in the one of twice the width that holds it, and the top bucket stays the top.
func TestCoarseningMovesEachBucketIntoTheWiderOneThatHoldsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		is := Tail{placed: true, scale: int8(rapid.IntRange(coarsestScale+1, finestScale).Draw(t, "scale")), base: rapid.Int32Range(-1e5, 1e5).Draw(t, "base")}
		wide := map[int]uint16{}
		for i := range is.counts {
			is.counts[i] = rapid.Uint16Range(0, 3).Draw(t, "count")
			wide[(int(is.base)+i)>>1] += is.counts[i]
		}
		top := (int(is.base) + buckets - 1) >> 1
		is.coarsen()
		require.Equal(t, top, int(is.base)+buckets-1)
		for i, c := range is.counts {
			require.Equal(t, wide[int(is.base)+i], c, "bucket %d", i)
		}
	})
}
