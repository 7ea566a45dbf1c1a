package counter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestAssignmentGoesOnFromTheLedger(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.accounts["key_1"], w.accounts["key_2"] = "acc_1", "acc_1"
	w.SetLimits([]Limit{monthly("calls", ScopeKey, 100), monthly("sum", ScopeAccount, 100)}, nil)
	w.ledger.land(call("key_1", "2026-11-02T00:00:00Z"), call("key_1", "2026-10-31T00:00:00Z"), call("key_2", "2026-11-03T00:00:00Z"))
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 1)
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 2)

	seen := call("key_1", "2026-11-24T11:00:00Z")
	w.Observe("log", 0, batch(seen)) // observed, and not yet landed
	w.ledger.land(call("key_2", "2026-11-24T11:00:00Z"))
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 2) // not thrown back by the ledger, which lags
	w.wantUsed(t, ScopeKey, "key_2", "calls", 2) // another process counted it
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 4)

	// The partition goes to another process, which counts one more, and comes back.
	w.Revoked("log", 0)
	w.ledger.land(seen, call("key_1", "2026-11-24T11:30:00Z"))
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeKey, "key_1", "calls", 3)
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 5)

	w.ledger.err = errors.New("the engine is away")
	if err := w.Assigned(context.Background(), "log", 1); !errors.Is(err, w.ledger.err) {
		t.Errorf("error %v", err)
	}
}

func TestAKeyTakesItsUseToItsNewAccount(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.SetLimits([]Limit{monthly("sum", ScopeAccount, 100)}, nil)
	before := call("key_1", "2026-11-05T11:00:00Z")
	w.ledger.land(before) // by an earlier process, when the key had no account
	if err := w.Assigned(context.Background(), "log", 0); err != nil {
		t.Fatal(err)
	}
	first, next := call("key_1", "2026-11-24T11:00:00Z"), call("key_1", "2026-11-24T11:00:01Z")
	w.Observe("log", 0, batch(first))
	w.accounts["key_1"] = "acc_1" // given to an account after its first call
	w.Observe("log", 0, batch(next))
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 2)
	w.ledger.land(first, next)
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 3)
	w.accounts["key_1"] = "acc_2"
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantUsed(t, ScopeAccount, "acc_1", "sum", 0)
	w.wantUsed(t, ScopeAccount, "acc_2", "sum", 3)
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.cfg.MaxKeys = 2
	w.SetLimits([]Limit{monthly("calls", ScopeKey, 1)}, nil)
	for i := range 5 {
		key := fmt.Sprint("key_", i)
		w.accounts[key] = "acc_1"
		r := call(key, "2026-11-24T11:00:00Z")
		r.Units = []usage.Unit{{Name: fmt.Sprint("unit_", i), Value: 1}}
		w.Observe("log", 0, batch(r))
	}
	if w.keys.len() != 2 || w.untracked.Load() != 3 {
		t.Errorf("%d keys kept and %d turned away, want 2 and 3", w.keys.len(), w.untracked.Load())
	}
	for i := range 2 * maxUnits {
		w.units.id(fmt.Sprint("more_", i), freeUnits)
	}
	if n := len(w.units.ids); n != freeUnits {
		t.Errorf("%d unit names kept, want %d", n, freeUnits)
	}
	w.Revoked("log", 0)
	w.now = w.now.AddDate(0, 2, 0)
	if err := w.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := w.keys.len(); n != 0 {
		t.Errorf("%d keys kept that were last used two months ago", n)
	}
}

func TestReloadsAskedForTogetherShareOne(t *testing.T) {
	w := newWorld("2026-11-24T12:00:00Z")
	w.reload.Lock()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := w.Reload(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for w.requested.Load() != 8 {
		time.Sleep(time.Millisecond)
	}
	w.reload.Unlock()
	wg.Wait()
	if w.ledger.loads != 2 { // the month and the day
		t.Errorf("%d loads for 8 reloads, want 2", w.ledger.loads)
	}
}
