package accesslog

import (
	"encoding/binary"
	"math/bits"
)

// plain rules out, eight bytes at a time, what most paths and request ids are: what it says yes to is printable and holds no secret that
// its look would tell. What is shorter than eight bytes is left to the long test.
//
// Small letters, digits and slashes have neither the capitals nor the separators that all keys have. Hashes and UUIDs, of small hexadecimal
// digits and hyphens, are no prefix of a key. And without capitals only a prefix makes a word a secret, each of which then has a separator:
// small letters and digits with separators that no prefix has where they stand, "req_0f3a", are none.
func plain(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	hex, separators := uint64(highs), uint64(0)
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		x := w | highs // so that no byte borrows from its neighbour
		apart := separatorsOf(x)
		if (within(x, '/', '9')|within(x, 'a', 'z')|apart)&^w&highs != highs {
			return false
		}
		hex &= within(x, '0', '9') | within(x, 'a', 'f') | within(x, '-', '-')
		separators |= apart & highs
		if last {
			return separators == 0 || hex == highs || harmlessSeparators(v)
		}
	}
}

// separatorsOf sets the top bit of each byte that is a separator, as within does.
func separatorsOf(x uint64) uint64 {
	return within(x, '-', '.') | within(x, '_', '_') | within(x, '~', '~')
}

// harmlessSeparators reports whether no separator stands where a prefix of a key has its first.
func harmlessSeparators(v []byte) bool {
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		separators := separatorsOf(binary.LittleEndian.Uint64(v[i:])|highs) & highs
		for ; separators != 0; separators &= separators - 1 {
			if at := i + bits.TrailingZeros64(separators)>>3; at > 0 && beforeSeparator[v[at-1]] {
				return false
			}
		}
		if last {
			return true
		}
	}
}

// within sets the top bit of each byte that is from..to, of a word whose top bits are set already; what other bits are is no matter.
func within(x uint64, from, to byte) uint64 {
	return (x - ones*uint64(from)) &^ (x - ones*(uint64(to)+1))
}

// beforeSeparator are the bytes that stand before the first separator of one of secretPrefixes, of those without capitals.
var beforeSeparator = func() (before [256]bool) {
	for _, p := range secretPrefixes {
		seen := uint8(0)
		for i := range p {
			class := charClass[p[i]]
			if seen |= class; class&charMark != 0 {
				before[p[i-1]] = true
				break
			}
		}
		if seen&(charUpper|charMark) == 0 {
			panic("accesslog: the prefix " + p + " has neither capitals nor a separator")
		}
	}
	return before
}()
