package clickhouse

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

// LockedError says that another process has the data folder.
type LockedError struct {
	Folder string
	PID    int // 0 when unknown
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("another process (pid %d)", e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s; stop that one, or choose another folder with --data", e.Folder, who)
}

// lockFolder takes an advisory lock on folder, waiting at most wait for it. The kernel drops the lock when the process
// ends in whatever way, so it is never stale.
func lockFolder(ctx context.Context, folder, name string, wait time.Duration) (unlock func(), err error) {
	path := filepath.Join(folder, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder cannot be written to: %w", err)
	}
	for deadline := time.Now().Add(wait); ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock the data folder %s: %w", folder, err)
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			text, _ := os.ReadFile(path)
			pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
			_ = f.Close()
			return nil, &LockedError{Folder: folder, PID: pid}
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	// The pid is for the reader of the error only; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { _ = f.Close() }, nil
}
