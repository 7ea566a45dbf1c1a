//go:build unix

package ship

import (
	"io/fs"
	"syscall"
)

// inode tells which file it is, whatever it is called.
func inode(info fs.FileInfo) (device, number uint64) {
	if info == nil {
		return 0, 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino
	}
	return 0, 0
}
