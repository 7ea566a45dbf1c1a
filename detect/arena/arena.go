// Package arena holds what the detectors remember of a million keys outside of the garbage collector's heap.
//
// Three reasons. The collector lets the heap grow to twice what is live before it collects; what is remembered would count
// double. It would follow several pointers of every key in every cycle. And pages of 2 MiB, where the system grants them,
// spare most of the address translations that random access to gigabytes costs.
//
// Contract: values in an arena must not point into the Go heap: the collector does not look here. Pointers to values of the
// same arena are fine. Memory is handed out zeroed. It is returned to the system when the [Arena] itself is collected, so whoever
// works on a value keeps the arena alive meanwhile (runtime.KeepAlive). An arena is not safe for concurrent use. Where the
// system's memory cannot be mapped, the arena takes it from the heap, and everything else is the same.
package arena

import (
	"runtime"
	"unsafe"
)

const (
	cacheLine = 64
	smallStep = 32 // sizes up to smallMost are rounded up to multiples of it,
	smallMost = 1024
	bigStep   = 256 // those beyond to multiples of this
	// MostBytes is the largest allocation.
	MostBytes = 16 << 10

	hugePage   = 2 << 20
	leastChunk = 64 << 10
	mostChunk  = 32 << 20
)

const classes = smallMost/smallStep + (MostBytes-smallMost)/bigStep

// Arena hands out memory by size class, from chunks that it takes from the system. The zero value is not usable; see [New].
type Arena struct {
	free  [classes]unsafe.Pointer // lists of freed blocks, linked through their first word
	next  uintptr                 // offset in the newest chunk
	chunk []byte
	all   *chunks
	used  int
}

// chunks is apart from the arena, so that its clean-up can hold it.
type chunks struct {
	list  [][]byte
	bytes int
}

// New returns an empty arena. It takes memory as it is needed, 64 KiB at first.
func New() *Arena {
	a := &Arena{all: &chunks{}}
	runtime.AddCleanup(a, func(c *chunks) {
		for _, m := range c.list {
			unmapMemory(m)
		}
	}, a.all)
	return a
}

// Used is the memory in use, in bytes, with what rounding up costs.
func (a *Arena) Used() int { return a.used }

// Reserved is the memory that was taken from the system, in bytes. The newest part of it may not have been touched.
func (a *Arena) Reserved() int { return a.all.bytes }

// class returns the size class of n bytes, and how many a block of it holds.
func class(n uintptr) (at int, size uintptr) {
	switch {
	case n == 0:
		n = 1
		fallthrough
	case n <= smallMost:
		at = int(n-1) / smallStep
		return at, uintptr(at+1) * smallStep
	case n <= MostBytes:
		at = int(n-smallMost-1) / bigStep
		return smallMost/smallStep + at, smallMost + uintptr(at+1)*bigStep
	}
	panic("arena: a block is larger than MostBytes")
}

func (a *Arena) take(n uintptr) unsafe.Pointer {
	at, size := class(n)
	a.used += int(size)
	if p := a.free[at]; p != nil {
		a.free[at] = *(*unsafe.Pointer)(p)
		clear(unsafe.Slice((*byte)(p), size))
		return p
	}
	if size%cacheLine == 0 { // so that it lies in as few lines as possible
		a.next = (a.next + cacheLine - 1) &^ (cacheLine - 1)
	}
	if a.next+size > uintptr(len(a.chunk)) {
		a.grow()
	}
	p := unsafe.Pointer(&a.chunk[a.next])
	a.next += size
	return p
}

// grow takes a quarter of what there is, in whole huge pages once that is worth it.
func (a *Arena) grow() {
	n := min(max(a.all.bytes/4, leastChunk), mostChunk)
	if n >= hugePage {
		n &^= hugePage - 1
	}
	n &^= leastChunk - 1
	a.chunk, a.next = mapMemory(n), 0
	a.all.list = append(a.all.list, a.chunk)
	a.all.bytes += n
}

func (a *Arena) give(p unsafe.Pointer, n uintptr) {
	at, size := class(n)
	a.used -= int(size)
	*(*unsafe.Pointer)(p) = a.free[at]
	a.free[at] = p
}

// Huge asks the system for huge pages behind values of the collector's heap, before they are written to: for what has to lie there, takes megabytes
// and is looked into at random, as the arena is. The pages reach beyond the values, into what else the heap holds.
func Huge[T any](values []T) {
	var t T
	adviseHuge(unsafe.Pointer(unsafe.SliceData(values)), uintptr(len(values))*unsafe.Sizeof(t))
}

// Alloc returns a zero T.
func Alloc[T any](a *Arena) *T {
	var t T
	return (*T)(a.take(unsafe.Sizeof(t)))
}

// Free takes back what Alloc gave. nil is allowed.
func Free[T any](a *Arena, p *T) {
	if p != nil {
		a.give(unsafe.Pointer(p), unsafe.Sizeof(*p))
	}
}

// Append adds v to a slice of this arena, or to nil, as the built-in function does. It moves the slice when it is full; room is made
// for at least a quarter more.
func Append[T any](a *Arena, s []T, v T) []T {
	if len(s) == cap(s) {
		size := unsafe.Sizeof(v)
		_, block := class(size * uintptr(len(s)+1+len(s)/4))
		room := block / size
		grown := unsafe.Slice((*T)(a.take(room*size)), room)[:len(s)]
		copy(grown, s)
		FreeSlice(a, s)
		s = grown
	}
	return append(s, v)
}

// FreeSlice takes back what Append gave. It must start and end where that did: no part of it.
func FreeSlice[T any](a *Arena, s []T) {
	if cap(s) > 0 {
		var t T
		a.give(unsafe.Pointer(unsafe.SliceData(s)), unsafe.Sizeof(t)*uintptr(cap(s)))
	}
}
