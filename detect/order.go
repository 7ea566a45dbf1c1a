package detect

import (
	"math/bits"
	"slices"
)

const (
	digitBits   = 11  // its counters take a sixth of the first-level cache
	radixLeast  = 512 // fewer are sorted by comparison
	orderedBits = 32  // the key's number is above, the position below
)

// sortByKey sorts numbers that are made of a key's number, below keys, and of a position, and that come in the order of their
// positions. A busy second has 100,000 records, and comparing would take longer than much of what is done with them; so they are
// dealt out by the digits of the key's number, the lowest first. The result lies in one of the two slices, the other is for the next call.
func sortByKey(list, spare []uint64, keys int) (sorted, other []uint64) {
	if len(list) < radixLeast {
		slices.Sort(list)
		return list, spare
	}
	spare = slices.Grow(spare[:0], len(list))[:len(list)]
	const digits = 1 << digitBits
	for shift := orderedBits; shift < orderedBits+bits.Len(uint(keys-1)); shift += digitBits {
		var next [digits]uint32
		for _, v := range list {
			next[v>>shift%digits]++
		}
		at := uint32(0)
		for d, n := range next {
			next[d], at = at, at+n
		}
		for _, v := range list {
			d := v >> shift % digits
			spare[next[d]] = v
			next[d]++
		}
		list, spare = spare, list
	}
	return list, spare
}
