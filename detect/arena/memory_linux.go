package arena

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapMemory takes n zeroed bytes from the system.
func mapMemory(n int) []byte {
	m, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	if n >= hugePage {
		_ = unix.Madvise(m, unix.MADV_HUGEPAGE) // a wish: without it everything works, more slowly
	}
	return m
}

// adviseHuge asks for huge pages wherever n bytes from p on lie. What lies around them in the same huge pages is the heap's as well.
func adviseHuge(p unsafe.Pointer, n uintptr) {
	from := uintptr(p) &^ (hugePage - 1)
	to := (uintptr(p) + n + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_HUGEPAGE) // a wish, as above
}

func unmapMemory(m []byte) { _ = unix.Munmap(m) } // an error says that the memory is not a mapping: it is the heap's
