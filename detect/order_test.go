package detect

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSortByKeySortsAsComparingDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SampledFrom([]int{1, 2, 100, 1 << digitBits, 1<<digitBits + 1, 1 << 22, 1 << 31}).Draw(t, "keys")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var spare []uint64
		for range 2 {
			list := make([]uint64, rapid.IntRange(0, 3*radixLeast).Draw(t, "records"))
			for i := range list {
				list[i] = uint64(r.IntN(keys))<<orderedBits | uint64(i)
			}
			want := slices.Clone(list)
			slices.Sort(want)
			list, spare = sortByKey(list, spare, keys)
			require.Equal(t, want, list)
		}
	})
}
