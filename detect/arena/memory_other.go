//go:build !linux

package arena

import "unsafe"

// mapMemory takes n zeroed bytes from the heap.
func mapMemory(n int) []byte { return make([]byte, n) }

func adviseHuge(unsafe.Pointer, uintptr) {}

func unmapMemory([]byte) {}
