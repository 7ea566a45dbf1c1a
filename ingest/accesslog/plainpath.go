package accesslog

import (
	"encoding/binary"
	"math/bits"
)

// maxPlainPath is how long a plainPath may be: a bit of a word for each byte, and one for its end.
const maxPlainPath = 63

// plainPath is a path of small letters, digits and slashes, as most are. It is looked through once, eight bytes at a time, for where it
// ends, for whether it may hold a secret (see harmless) and for what its segments are made of.
type plainPath struct {
	text            []byte
	slashes, digits uint64 // bit i: byte i is one
}

// plainTarget takes a request target apart whose path is plain: splitTarget and clean would give the same. It says no where it is not sure.
// It looks at what the slice has room for behind the target, and lets that count for nothing.
func plainTarget(t []byte) (p plainPath, query []byte, ok bool) {
	if len(t) == 0 || t[0] != '/' {
		return p, nil, false
	}
	end := 0
	for ; ; end += 8 {
		if end > maxPlainPath || end+8 > cap(t) {
			return p, nil, false
		}
		w := binary.LittleEndian.Uint64(t[end : end+8])
		x := w | highs
		slash, digit, letter := within(x, '/', '/')&^w&highs, within(x, '0', '9')&^w&highs, within(x, 'a', 'z')&^w&highs
		p.slashes |= uint64(moveMask(slash)) << (uint(end) & 63)
		p.digits |= uint64(moveMask(digit)) << (uint(end) & 63)
		if other := highs &^ (slash | digit | letter); other != 0 {
			end += bits.TrailingZeros64(other) >> 3
			break
		}
		if end+8 >= len(t) {
			end += 8
			break
		}
	}
	end = min(end, len(t))
	if end > maxPlainPath {
		return p, nil, false
	}
	if end < len(t) {
		if t[end] != '?' && t[end] != '#' {
			return p, nil, false
		}
		query = t[end+1:]
	}
	p.text = t[:end:end]
	p.slashes &= before(end)
	p.digits &= before(end)
	return p, query, true
}

// before has the bits of the bytes before one of a plainPath, or before its end.
func before(i int) uint64 { return 1<<(uint(i)&63) - 1 }

// route is appendRoute of a plain path of which no segment is empty; false where it is not. What is put together anew is appended to dst.
func (p *plainPath) route(dst *[]byte) ([]byte, bool) {
	ends := p.slashes&^1 | (before(len(p.text)) + 1)
	if bits.OnesCount64(ends) > maxRouteSegments {
		return nil, false
	}
	from, kept := len(*dst), 0 // up to there the path is in dst
	for start := 1; ends != 0; ends &= ends - 1 {
		end := bits.TrailingZeros64(ends)
		if end == start {
			return nil, false
		}
		span := before(end) &^ before(start)
		if digits := p.digits & span; digits == span || end-start > maxLiteralSegment || digits != 0 && isID(p.text[start:end], classDigit|classLower) {
			*dst = append(append(*dst, p.text[kept:start]...), idSegment...)
			kept = end
		}
		start = end + 1
	}
	if kept == 0 {
		return p.text, true
	}
	*dst = append(*dst, p.text[kept:]...)
	return (*dst)[from:len(*dst):len(*dst)], true
}
