package clickhouse

import "syscall"

// childAttributes put the engine into a process group of its own, so that Ctrl-C in a terminal reaches only us and we
// stop it in order, and have the kernel end it should we be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
