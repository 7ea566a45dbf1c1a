//go:build !linux

package clickhouse

import (
	"context"
	"syscall"
)

// childAttributes put the engine into a process group of its own, so that Ctrl-C in a terminal reaches only us and we
// stop it in order. Should we be killed, the end of its standard input ends it.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// yieldMerges is for Linux, whose threads have priorities of their own.
func yieldMerges(context.Context) {}
