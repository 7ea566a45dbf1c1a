package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// cleanups end what was started, in reverse order: whatever flushes through a connection ends before the connection does.
// Each is registered as soon as its thing exists, so that a failed start leaves nothing behind.
type cleanups struct {
	mu    sync.Mutex
	steps []cleanup
}

type cleanup struct {
	name string
	end  func(context.Context) error
}

func (c *cleanups) add(name string, end func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, cleanup{name, end})
}

// run ends everything within the time that ctx leaves and returns what went wrong. A second call does nothing.
func (c *cleanups) run(ctx context.Context, ended func(name string, took time.Duration)) error {
	c.mu.Lock()
	steps := c.steps
	c.steps = nil
	c.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		start := time.Now()
		if err := steps[i].end(ctx); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
		}
		ended(steps[i].name, time.Since(start))
	}
	return errors.Join(errs...)
}

// lockFolder makes the data folder and keeps every other process out of it until the returned function is called.
func lockFolder(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made: %w; name another one with --data", dir, errors.Unwrap(err))
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s cannot be written: %w; give this user the right to, or name another one with --data", dir, errors.Unwrap(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder %s is used by another tollkeeper process; stop that one, or name another folder with --data", dir)
	}
	return func() { f.Close() }, nil
}
