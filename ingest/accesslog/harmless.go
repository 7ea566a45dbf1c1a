package accesslog

import (
	"encoding/binary"
	"math/bits"
)

// plain rules out what most values are: what it says yes to is printable and holds no secret that its look would tell.
func plain(v []byte) bool { return harmless(v) || wordy(v) }

// harmless rules out, eight bytes at a time, what most paths and request ids are: small letters, digits and slashes, or hashes
// and UUIDs, of small hexadecimal digits and hyphens. The first have neither the capitals nor the separators that all keys
// have, and no prefix of a key is made of the second alone. What is shorter than eight bytes is left to the long test.
func harmless(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	plain, hex := uint64(highs), uint64(highs)
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		x := w | highs // so that no byte borrows from its neighbour
		plain &= (within(x, '/', '9') | within(x, 'a', 'z')) &^ w
		hex &= (within(x, '0', '9') | within(x, 'a', 'f') | within(x, '-', '-')) &^ w
		if last || plain|hex == 0 {
			return plain == highs || hex == highs
		}
	}
}

// within sets the top bit of each byte that is from..to, of a word whose top bits are set already; what other bits are is no matter.
func within(x uint64, from, to byte) uint64 {
	return (x - ones*uint64(from)) &^ (x - ones*(uint64(to)+1))
}

// wordy rules out, eight bytes at a time, what other ids are: small letters, digits and slashes, and separators that no prefix of a key
// has where they stand: "req_0f3a". Without capitals only a prefix makes a word a secret, and each that has none has a separator.
func wordy(v []byte) bool {
	if len(v) < 8 {
		return false
	}
	all := uint64(highs)
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		x := w | highs
		separators := (within(x, '-', '.') | within(x, '_', '_') | within(x, '~', '~')) &^ w & highs
		if all &= (within(x, '/', '9')|within(x, 'a', 'z'))&^w | separators; all != highs {
			return false
		}
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
