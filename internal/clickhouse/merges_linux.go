package clickhouse

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The threads that merge parts, by the name that the engine gives them, and how far they stand back behind the process's other threads.
const (
	mergeThread   = "MergeMutate"
	mergeNiceness = 10
	mostNiceness  = 19
)

// yieldMerges lets merges have the processor that inserts, queries and ingest leave over: whoever waits for a row does not wait for a merge.
// Merges that come later take in more parts, so that each row is merged less often. Should parts pile up all the same, the engine slows
// inserts down, and merges have their turn. The engine's own setting for it (os_threads_nice_value_merge_mutate) does nothing without a
// capability that this does not need. Where the kernel forbids it, all threads count alike as before.
//
// The engine starts those threads with its first table, and keeps them. yieldMerges waits for that, or until ctx ends.
func yieldMerges(ctx context.Context) {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	niceness := min(niceness()+mergeNiceness, mostNiceness)
	for last := 0; ; {
		found := niceThreads(mergeThread, niceness)
		if found > 0 && found == last {
			return // all of them, since it was no other number the time before
		}
		last = found
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// niceness of the process, as it was started.
func niceness() int {
	priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, os.Getpid())
	if err != nil {
		return 0
	}
	return 20 - priority // the system call's own scale, which has no negative numbers
}

// niceThreads makes those of the process that have a name stand back, and returns how many there are.
func niceThreads(named string, niceness int) (found int) {
	names, _ := filepath.Glob("/proc/self/task/*/comm")
	for _, name := range names {
		thread, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if is, _ := os.ReadFile(name); err == nil && strings.TrimSpace(string(is)) == named {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, thread, niceness)
			found++
		}
	}
	return found
}
