package prefetch

import (
	"slices"
	"testing"
	"unsafe"
)

// All that can be seen of it: that nothing happens, even past the end of memory.
func TestNothingHappens(t *testing.T) {
	s := []uint64{1, 2, 3}
	want := slices.Clone(s)
	Slice(s)
	Slice([]uint64(nil))
	Of(&s[1])
	Lines(unsafe.Pointer(unsafe.SliceData(s)), 1<<16)
	Lines(nil, 1)
	Line(unsafe.Pointer(&s[1]))
	Line(nil)
	if !slices.Equal(s, want) {
		t.Fatalf("%v became %v", want, s)
	}
}
