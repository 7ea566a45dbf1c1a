// Package folderlock keeps a data folder to one process at a time.
//
// The lock is the kernel's (flock) on a file in the folder: it ends with the process in whatever way that ends, so it is
// never stale, and the file is left where it is. It says nothing to processes that do not ask for it, and nothing on
// file systems that do not keep such locks (some network ones).
package folderlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// retryEvery is how often a lock that is waited for is asked for.
const retryEvery = 50 * time.Millisecond

// InUseError says that another process has the folder.
type InUseError struct {
	Folder string
	PID    int // 0 when unknown
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("another process (pid %d)", e.PID)
	}
	return fmt.Sprintf("data folder %s is in use by %s; stop that one, or choose another folder with --data", e.Folder, who)
}

// Acquire makes the folder if it is missing, for this user alone, and takes the lock that the file of that name in it
// stands for. It waits at most wait, or until ctx ends, and then returns an [*InUseError]. Other errors name the folder
// and what to do.
func Acquire(ctx context.Context, folder, name string, wait time.Duration) (release func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made; choose another one with --data: %w", folder, err)
	}
	path := filepath.Join(folder, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written; give this user the right to, or choose another one with --data: %w", folder, err)
	}
	for deadline := time.Now().Add(wait); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock data folder %s: %w", folder, err)
		}
		if ctx.Err() != nil || !time.Now().Before(deadline) {
			text, _ := os.ReadFile(path)
			pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
			_ = f.Close()
			return nil, &InUseError{Folder: folder, PID: pid}
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
	// The pid is for the reader of the error only; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { _ = f.Close() }, nil
}
