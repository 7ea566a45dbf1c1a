// Package prefetch asks the processor to bring memory into its caches before it is needed.
//
// Whoever goes through gigabytes in random order waits for every cache line, about a hundred nanoseconds each. The processor can wait for
// many lines at once, but only if it knows of them early, and what is looked up next depends on what was read before. So a program
// that has a list of lookups asks for the first line of one a few lookups ahead, then follows the pointer in it, and finds everything
// there when it does the work. A plain load would do, but it holds up what comes after it; a prefetch doesn't. Go offers no such
// instruction to programs, hence the assembly.
package prefetch

import "unsafe"

// Lines asks for the cache lines that n bytes from p on lie in; n is positive. The memory need not be readable, and nothing
// observable happens. Where there is no such instruction known for a processor, Lines does nothing.
func Lines(p unsafe.Pointer, n uintptr) { lines(p, n) }

// Line asks for the one cache line that p lies in.
func Line(p unsafe.Pointer) { line(p) }

// Of asks for all of a value.
func Of[T any](p *T) { lines(unsafe.Pointer(p), unsafe.Sizeof(*p)) }

// Slice asks for all elements of a slice.
func Slice[T any](s []T) {
	if len(s) > 0 {
		lines(unsafe.Pointer(unsafe.SliceData(s)), uintptr(len(s))*unsafe.Sizeof(s[0]))
	}
}
