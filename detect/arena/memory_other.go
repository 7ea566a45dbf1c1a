//go:build !linux

package arena

// mapMemory takes n zeroed bytes from the heap.
func mapMemory(n int) []byte { return make([]byte, n) }

func unmapMemory([]byte) {}
