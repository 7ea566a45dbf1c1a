package arena

import "golang.org/x/sys/unix"

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

func unmapMemory(m []byte) { _ = unix.Munmap(m) } // an error says that the memory is not a mapping: it is the heap's
