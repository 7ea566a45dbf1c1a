package keys_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var ada = keys.By{Actor: "user:ada", Reason: "asked by the customer", RequestID: "req-1"}

func newPepper(t testing.TB) *keys.Pepper {
	t.Helper()
	p, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newStore(t testing.TB, db *sqlstore.DB, pepper *keys.Pepper, now func() time.Time) *keys.Store {
	t.Helper()
	s, err := keys.NewStore(context.Background(), db, keys.StoreConfig{Pepper: pepper, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newVerifier returns a loaded verifier that nothing keeps fresh: tests that move the clock give it a wide bound.
func newVerifier(t testing.TB, s *keys.Store, cfg keys.VerifierConfig) *keys.Verifier {
	t.Helper()
	v, err := keys.NewVerifier(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	return v
}

const never = 100 * 365 * 24 * time.Hour

// run follows the feed until the test ends.
func run(t testing.TB, v *keys.Verifier) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func issue(t testing.TB, s *keys.Store, n keys.New) (keys.Key, string) {
	t.Helper()
	k, secret, err := s.Issue(context.Background(), n, ada)
	if err != nil {
		t.Fatalf("issue: %v", err)
	}
	return k, secret
}
