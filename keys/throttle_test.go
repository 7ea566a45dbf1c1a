package keys_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestAThrottledKeyIsSlowedDownUntilItsTimeIsOverOrItIsReinstated(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		k, secret := issue(t, s, keys.New{})
		alert := keys.By{Actor: "detector:volume", Reason: "ten times its usual volume", AlertID: "alrt_1"}
		throttle := func(perMinute int64, minutes int, want bool) {
			t.Helper()
			var until time.Time
			if minutes > 0 {
				until = c.Now().Add(time.Duration(minutes) * time.Minute)
			}
			if _, changed, err := s.Throttle(ctx, k.ID, perMinute, until, alert); err != nil || changed != want {
				t.Fatalf("throttle to %d for %d min: %v, %v", perMinute, minutes, changed, err)
			}
		}
		passes := func(n int) (passed int, last keys.Verdict) {
			for range n {
				if last = v.Verify(keys.Request{Key: secret}); last.Valid {
					passed++
				}
			}
			return passed, last
		}
		throttle(60, 10, true)
		throttle(120, 60, false) // laxer
		throttle(60, 5, false)   // shorter
		throttle(60, 20, true)
		if n, last := passes(10); n != 6 || last.Code != keys.CodeRateLimited || last.RetryAfter != time.Second || last.Reason != alert.Reason {
			t.Errorf("at once %d pass, then %+v; want six seconds' worth", n, last)
		}
		c.Advance(time.Second)
		if n, _ := passes(3); n != 1 {
			t.Errorf("a second later %d pass", n)
		}
		throttle(6, 0, true)
		if n, _ := passes(3); n != 0 {
			t.Errorf("a stricter throttle forgot what was used: %d pass", n)
		}
		read, err := s.Get(ctx, k.ID)
		if err != nil || read.Throttle == nil || read.Throttle.PerMinute != 6 || read.Throttle.AlertID != "alrt_1" {
			t.Errorf("record: %+v, %v", read.Throttle, err)
		}
		other := ada
		other.AlertID = "alrt_2"
		if _, changed, err := s.Reinstate(ctx, k.ID, other); err != nil || changed {
			t.Errorf("dismissing another alert: %v, %v", changed, err)
		}
		if got, changed, err := s.Reinstate(ctx, k.ID, alert); err != nil || !changed || got.Throttle != nil {
			t.Errorf("dismissing the alert: %v, %v", changed, err)
		}
		if n, _ := passes(100); n != 100 {
			t.Errorf("reinstated, %d of 100 pass", n)
		}
		throttle(1, 1, true)
		c.Advance(time.Minute)
		if n, _ := passes(100); n != 100 {
			t.Errorf("when the time is over %d of 100 pass", n)
		}
		throttle(2, 1, true) // the stricter one is over
		for _, bad := range []int64{0, keys.MaxPerMinute + 1} {
			if _, _, err := s.Throttle(ctx, k.ID, bad, time.Time{}, ada); !errors.Is(err, keys.ErrInput) {
				t.Errorf("%d a minute: %v", bad, err)
			}
		}
	})
}

func TestAThrottleHoldsUnderConcurrency(t *testing.T) {
	c := newClock()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), c.Now)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
	k, secret := issue(t, s, keys.New{})
	if _, _, err := s.Throttle(context.Background(), k.ID, 600, time.Time{}, ada); err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int64
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 500 {
				if v.Verify(keys.Request{Key: secret}).Valid {
					passed.Add(1)
				}
			}
		})
	}
	running.Wait()
	if passed.Load() != 60 {
		t.Errorf("%d of 2000 passed at one instant, want 60", passed.Load())
	}
}
