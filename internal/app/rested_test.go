package app

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatIsDearToFindIsFoundATwentiethOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := 0
		find := func(takes time.Duration) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				time.Sleep(takes)
				found++
				return found, nil
			}
		}
		dear, cheap := newRested[int](time.Now), newRested[int](time.Now)
		var asking sync.WaitGroup
		for range 10 { // dashboards, every 2 s for 200 s
			asking.Go(func() {
				for start := time.Now(); time.Since(start) < 200*time.Second; time.Sleep(2 * time.Second) {
					if _, err := dear.get(t.Context(), find(time.Second)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		asking.Wait()
		if found < 9 || found > 11 {
			t.Errorf("looked %d times for a second each, in 200 s", found)
		}
		for range 3 {
			was := found
			if n, _ := cheap.get(t.Context(), find(0)); n != was+1 {
				t.Errorf("what costs nothing is %d, want %d", n, was+1)
			}
		}
	})
}

func TestAnErrorIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRested[int](time.Now)
		if _, err := r.get(t.Context(), func(context.Context) (int, error) { time.Sleep(time.Second); return 0, errors.New("away") }); err == nil {
			t.Error("an error is lost")
		}
		if n, err := r.get(t.Context(), func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
			t.Errorf("after an error %d, %v", n, err)
		}
	})
}

func TestWhoWaitsForSomebodyElsesAnswerMayGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRested[int](time.Now)
		go r.get(t.Context(), func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.get(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
	})
}
