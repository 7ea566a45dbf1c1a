package keys_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

// Two stores on one database are two processes: neither hears the other but through the feed.
func TestASuspendedKeyIsRefusedByEveryProcessWithinTheBound(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, pepper := context.Background(), newPepper(t)
		here, there := newStore(t, open(t), pepper, nil), newStore(t, open(t), pepper, nil)
		near, far := newVerifier(t, here, keys.VerifierConfig{}), newVerifier(t, there, keys.VerifierConfig{})
		run(t, near)
		run(t, far)
		events := there.Subscribe(100)
		defer events.Close()
		var slowest time.Duration
		for range 3 {
			k, secret := issue(t, here, keys.New{})
			await(t, "the new key to be valid elsewhere", func() bool { return far.Verify(keys.Request{Key: secret}).Valid })
			started := time.Now()
			if _, _, err := here.Suspend(ctx, k.ID, time.Time{}, ada); err != nil {
				t.Fatal(err)
			}
			if got := near.Verify(keys.Request{Key: secret}).Code; got != keys.CodeSuspended {
				t.Fatalf("when Suspend returns the process itself says %s", got)
			}
			// The promise is refusal: a node that is starved of its polls answers STALE_FEED.
			await(t, "its refusal elsewhere", func() bool { return !far.Verify(keys.Request{Key: secret}).Valid })
			slowest = max(slowest, time.Since(started))
			await(t, "the suspension elsewhere", func() bool { return far.Verify(keys.Request{Key: secret}).Code == keys.CodeSuspended })
			seen := false
			for !seen {
				select {
				case e := <-events.C():
					seen = e.Value.Key.ID == k.ID && e.Value.Key.Status == keys.Suspended
				case <-time.After(30 * time.Second):
					t.Fatal("no event of the suspension elsewhere")
				}
			}
		}
		t.Logf("refused elsewhere after at most %v", slowest)
		if slowest > keys.DefaultBound {
			t.Errorf("it took %v, the bound is %v", slowest, keys.DefaultBound)
		}
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestASilentFeedFailsClosedOrOpenBySetting(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		pepper := newPepper(t)
		for _, failOpen := range []bool{false, true} {
			t.Run(fmt.Sprintf("open=%v", failOpen), func(t *testing.T) {
				ctx, c := context.Background(), newClock()
				s := newStore(t, open(t), pepper, c.Now)
				v, err := keys.NewVerifier(s, keys.VerifierConfig{FailOpen: failOpen})
				if err != nil {
					t.Fatal(err)
				}
				if err := v.Ready(); !errors.Is(err, keys.ErrStale) {
					t.Errorf("before loading it is ready: %v", err)
				}
				if err := v.Load(ctx); err != nil {
					t.Fatal(err)
				}
				k, secret := issue(t, s, keys.New{})
				c.Advance(keys.DefaultBound)
				if got := v.Verify(keys.Request{Key: secret}); !got.Valid || got.Stale || v.Ready() != nil {
					t.Errorf("silent for the bound: %+v, %v", got, v.Ready())
				}
				c.Advance(time.Millisecond)
				got := v.Verify(keys.Request{Key: secret})
				if got.Valid != failOpen || !got.Stale || (!failOpen && got.Code != keys.CodeStaleFeed) {
					t.Errorf("silent for longer: %+v", got)
				}
				if err := v.Ready(); !errors.Is(err, keys.ErrStale) {
					t.Errorf("and it is ready: %v", err)
				}
				if _, _, err := s.Revoke(ctx, k.ID, ada); err != nil {
					t.Fatal(err)
				}
				defer func() {
					run(t, v)
					await(t, "the feed to catch up", func() bool { return v.Ready() == nil })
				}()
				if got := v.Verify(keys.Request{Key: secret}); got.Code != keys.CodeRevoked {
					t.Errorf("what it does know comes first: %+v", got)
				}
			})
		}
	})
}

func TestAFeedWhoseDatabaseFailsTurnsStale(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		pepper := newPepper(t)
		here := newStore(t, open(t), pepper, nil)
		broken := open(t)
		there := newStore(t, broken, pepper, nil)
		v := newVerifier(t, there, keys.VerifierConfig{Poll: 10 * time.Millisecond, Bound: 300 * time.Millisecond})
		run(t, v)
		_, secret := issue(t, here, keys.New{})
		await(t, "the key", func() bool { return v.Verify(keys.Request{Key: secret}).Valid })
		if err := broken.Close(); err != nil {
			t.Fatal(err)
		}
		await(t, "the feed to be called stale", func() bool { return v.Verify(keys.Request{Key: secret}).Code == keys.CodeStaleFeed })
		if err := v.Ready(); !errors.Is(err, keys.ErrStale) {
			t.Errorf("ready: %v", err)
		}
	})
}

// Verifications, suspensions and reinstatements at once. A verdict taken after Suspend returned and before Reinstate was
// called is never VALID.
func TestVerifyUnderChanges(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx := context.Background()
		s := newStore(t, open(t), newPepper(t), nil)
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		run(t, v)
		const n = 4
		var suspended [n]atomic.Bool
		var ids, secrets [n]string
		for i := range n {
			k, secret := issue(t, s, keys.New{Scopes: []string{"*"}})
			ids[i], secrets[i] = k.ID, secret
		}
		var writers, readers sync.WaitGroup
		stop := make(chan struct{})
		for i := range n {
			writers.Go(func() {
				for range 15 {
					if _, _, err := s.Suspend(ctx, ids[i], time.Time{}, ada); err != nil {
						t.Error(err)
						return
					}
					suspended[i].Store(true)
					time.Sleep(time.Millisecond)
					suspended[i].Store(false)
					if _, _, err := s.Reinstate(ctx, ids[i], ada); err != nil {
						t.Error(err)
						return
					}
				}
			})
			readers.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					if n%20 == 0 {
						time.Sleep(200 * time.Microsecond) // leave the database most of the machine
					}
					before := suspended[i].Load()
					got := v.Verify(keys.Request{Key: secrets[i], RequiredScopes: []string{"a"}})
					if before && suspended[i].Load() && got.Valid {
						t.Errorf("a suspended key was accepted: %+v", got)
						return
					}
					v.Resolve([]byte(secrets[i]))
					v.KeyInfo(ids[i])
				}
			})
		}
		writers.Wait()
		close(stop)
		readers.Wait()
		for i := range n {
			if got := v.Verify(keys.Request{Key: secrets[i]}); !got.Valid || got.Version != 31 {
				t.Errorf("in the end: %+v", got)
			}
		}
		if _, err := s.Audit().Verify(ctx, s.DB().Read()); err != nil {
			t.Error(err)
		}
	})
}

func TestASlowSubscriberIsToldToReadAnew(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		sub := s.Subscribe(2)
		defer sub.Close()
		for range 5 {
			issue(t, s, keys.New{})
		}
		if e := <-sub.C(); !e.Resync {
			t.Errorf("the first event is %+v", e)
		}
	})
}

func TestPollMustBeShorterThanTheBound(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	if _, err := keys.NewVerifier(s, keys.VerifierConfig{Poll: time.Second, Bound: time.Second}); err == nil {
		t.Error("accepted")
	}
}
