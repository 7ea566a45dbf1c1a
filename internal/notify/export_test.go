package notify

import (
	"context"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Step does the next thing that Run would do.
func (n *Notifier) Step(ctx context.Context) (time.Duration, error) { return n.step(ctx) }

// Backoff is how long Run waits after so many tries in vain.
func (n *Notifier) Backoff(tries int) time.Duration { return n.backoff(tries) }

// Leave lets another process send, as the end of Run does.
func (n *Notifier) Leave(ctx context.Context) { n.leave(ctx) }

var (
	Sign       = sign
	RetryAfter = retryAfter
)

// Memory is what a process notes in the database.
type Memory struct{ s store }

// NewMemory is that of the process named me.
func NewMemory(db *sqlstore.DB, me string) Memory { return Memory{store{db, Default, me}} }

// Begin, Hold and Add are the store's.
func (m Memory) Begin(ctx context.Context, cursor int64, now time.Time) error {
	return m.s.begin(ctx, cursor, now)
}

func (m Memory) Hold(ctx context.Context, now, until time.Time) (bool, error) {
	return m.s.hold(ctx, now, until)
}

func (m Memory) Add(ctx context.Context, from, to int64, list ...Message) error {
	return m.s.add(ctx, from, to, nil, list)
}

// ErrLost says that another process has taken over.
var ErrLost = errLost

// Lease is how long the process that sends may be silent, Refusals how often a message may be refused.
const (
	Lease    = lease
	Refusals = refusals
)
