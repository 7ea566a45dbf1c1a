// Package heaptest measures memory for tests.
package heaptest

import "runtime"

// InUse returns how many bytes of the heap are still in use after a collection; twice, for pools give up what they keep at the second.
func InUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
