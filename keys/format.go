package keys

import (
	"crypto/rand"
	"hash/crc32"
)

// Environment says whether a key is for production or for trying out. It shows in the key's first characters, so that
// neither people nor secret scanners mistake one for the other.
type Environment string

// The environments.
const (
	Live Environment = "live"
	Test Environment = "test"
)

// The shape of a key: prefix, then randomChars characters of base 62 (22 · log2(62) = 131 bits), then the CRC-32 of all
// that in base 62. The checksum lets a gateway or a scanner reject a mistyped or made-up key without asking anyone.
const (
	livePrefix    = "tk_live_"
	testPrefix    = "tk_test_"
	prefixChars   = len(livePrefix)
	randomChars   = 22
	checksumChars = 6 // 62^6 > 2^32
	keyChars      = prefixChars + randomChars + checksumChars
)

// Bounds of keys that were made elsewhere. The lower one keeps a typing error in an import from becoming a key that
// anyone may guess; what is short is protected by the pepper against a thief of the database, and against guessing at the
// gateway only by the alert that guessing raises.
const (
	minForeignBytes = 16
	maxKeyBytes     = 512
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// isBase62 has one bit per ASCII character.
var isBase62 = func() (set [2]uint64) {
	for i := range len(base62) {
		set[base62[i]>>6] |= 1 << (base62[i] & 63)
	}
	return set
}()

func (e Environment) prefix() string {
	if e == Test {
		return testPrefix
	}
	return livePrefix
}

// newSecret makes a key.
func newSecret(e Environment) string {
	key := make([]byte, 0, keyChars)
	key = append(key, e.prefix()...)
	var random [2 * randomChars]byte
	for len(key) < prefixChars+randomChars {
		_, _ = rand.Read(random[:]) // never fails, see crypto/rand
		for _, b := range random {
			// 248 = 4·62: values above would favour the first characters.
			if b < 248 && len(key) < prefixChars+randomChars {
				key = append(key, base62[b%62])
			}
		}
	}
	sum := checksum(key)
	return string(append(key, sum[:]...))
}

func checksum(body []byte) (out [checksumChars]byte) {
	n := crc32.ChecksumIEEE(body)
	for i := checksumChars - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return out
}

// shape is what a string can be, as far as its characters tell.
type shape uint8

const (
	shapeOurs    shape = iota // our prefix and a right checksum
	shapeForeign              // somebody else's key, perhaps imported
	shapeJunk                 // cannot be any key
)

// shapeOf classifies a presented key without knowing any.
func shapeOf(key []byte) shape {
	if len(key) == 0 || len(key) > maxKeyBytes {
		return shapeJunk
	}
	if len(key) < prefixChars || (string(key[:prefixChars]) != livePrefix && string(key[:prefixChars]) != testPrefix) {
		return shapeForeign
	}
	if len(key) != keyChars {
		return shapeJunk
	}
	for _, c := range key[prefixChars:] {
		if c >= 128 || isBase62[c>>6]&(1<<(c&63)) == 0 {
			return shapeJunk
		}
	}
	if checksum(key[:keyChars-checksumChars]) != [checksumChars]byte(key[keyChars-checksumChars:]) {
		return shapeJunk
	}
	return shapeOurs
}
