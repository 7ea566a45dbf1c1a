package jsonscan

import "math/bits"

const (
	blockBytes = 64
	// maxMarked bounds the memory of marks: 8 KiB. Longer lines are rare, and read without them.
	maxMarked = 64 << 10
)

// marks tells where in a line a string may end: a bit for each byte that is a quote, a backslash or a control character. They are
// made for the whole line at once, 64 bytes in a few instructions, and save a loop per string whose turns no processor can predict.
// Where those instructions are not at hand there are none.
type marks []uint64

// over marks a line, where it is cheap; else it leaves no marks.
func (m *marks) over(line []byte) {
	if !marksAreCheap || len(line) > maxMarked || len(line) == 0 {
		*m = (*m)[:0]
		return
	}
	full, rest := len(line)/blockBytes, len(line)%blockBytes
	const behind = 2 // one for what is left over, one that is always empty
	if cap(*m) < full+behind {
		*m = make(marks, full+behind, 2*full+behind)
	}
	*m = (*m)[:full+behind]
	if full > 0 {
		markBlocks(&(*m)[0], &line[0], full)
	}
	(*m)[full], (*m)[full+1] = 0, 0
	if rest > 0 {
		var last [blockBytes]byte
		copy(last[:], line[full*blockBytes:])
		markBlocks(&(*m)[full], &last[0], 1)
		(*m)[full] &= 1<<rest - 1
	}
}

// next returns where the first mark is from i on, or a place before it: a string that begins at i does not end earlier.
func (m marks) next(i int) int {
	block, bit := uint(i)/blockBytes, uint(i)%blockBytes
	if block+1 >= uint(len(m)) {
		return i
	}
	return i + bits.TrailingZeros64(m[block]>>bit|m[block+1]<<1<<(blockBytes-1-bit))
}

// string is scanString with the help of the marks.
func (s *Scanner) string(b []byte, i int) (end int, escaped, ok bool) {
	if i = s.marks.next(i); i < len(b) && b[i] == '"' {
		return i, false, true
	}
	return scanString(b, min(i, len(b)))
}
