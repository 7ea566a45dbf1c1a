package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
