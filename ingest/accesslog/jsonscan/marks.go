package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

const (
	blockBytes = 64
	wordBytes  = 8 // of marks for a block
	// maxMarked bounds the memory of marks: 8 KiB. Longer lines are rare, and read without them.
	maxMarked = 64 << 10
)

// marks tells where in a line a string may end: a bit for each byte that is a quote, a backslash or a control character. They are
// made for the whole line at once, 64 bytes in a few instructions, and save a loop per string whose turns no processor can predict.
// Where those instructions are not at hand there are none.
type marks []byte

// over marks a line, where it is cheap; else it leaves no marks.
func (m *marks) over(line []byte) {
	if !marksAreCheap || len(line) > maxMarked || len(line) == 0 {
		*m = (*m)[:0]
		return
	}
	full, rest := len(line)/blockBytes, len(line)%blockBytes
	const behind = 2 * wordBytes // one for what is left over, one that is always empty
	size := full*wordBytes + behind
	if cap(*m) < size {
		*m = make(marks, size, 2*size)
	}
	*m = (*m)[:size]
	if full > 0 {
		markBlocks(&(*m)[0], &line[0], full)
	}
	left := (*m)[full*wordBytes:]
	clear(left)
	if rest == 0 {
		return
	}
	if full > 0 { // the last block's worth, of which the first bytes are marked already
		markBlocks(&left[0], &line[len(line)-blockBytes], 1)
		binary.LittleEndian.PutUint64(left, binary.LittleEndian.Uint64(left)>>(blockBytes-rest))
		return
	}
	var last [blockBytes]byte
	copy(last[:], line)
	markBlocks(&left[0], &last[0], 1)
	binary.LittleEndian.PutUint64(left, binary.LittleEndian.Uint64(left)&(1<<rest-1))
}

// next returns where the first mark is from i on, or a place before it: a string that begins at i does not end earlier.
func (m marks) next(i int) int {
	if uint(i)/8+wordBytes <= uint(len(m)) {
		if w := binary.LittleEndian.Uint64(m[uint(i)/8:]) >> (uint(i) % 8); w != 0 {
			return i + bits.TrailingZeros64(w)
		}
		return m.far(uint(i) / 8)
	}
	return i
}

// far goes on behind the word at that byte, which has no mark that counts.
func (m marks) far(at uint) int {
	for at += wordBytes; at+wordBytes <= uint(len(m)); at += wordBytes {
		if w := binary.LittleEndian.Uint64(m[at:]); w != 0 {
			return int(8*at) + bits.TrailingZeros64(w)
		}
	}
	return int(8 * at)
}

// string is scanString with the help of the marks.
func (s *Scanner) string(b []byte, i int) (end int, escaped, ok bool) {
	if i = s.marks.next(i); i < len(b) && b[i] == '"' {
		return i, false, true
	}
	return scanString(b, min(i, len(b)))
}
