package rate_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/keys/rate"
)

func TestABurstPassesAtOnceAndThenOneAnInterval(t *testing.T) {
	b := rate.New("k", rate.PerMinute("throttle", 60, 6))
	for range 6 {
		require.True(t, b.Take(0).OK)
	}
	require.Equal(t, rate.Answer{Wait: time.Second}, b.Take(0))
	require.Equal(t, rate.Answer{Wait: 1}, b.Take(time.Second-1), "a nanosecond too early")
	require.True(t, b.Take(time.Second).OK)
	require.False(t, b.Take(time.Second).OK)
}

func TestACallCountsAgainstAllLimitsOrAgainstNone(t *testing.T) {
	b := rate.New("k", rate.Limit{Name: "second", Interval: time.Second, Burst: 1}, rate.Limit{Name: "hour", Interval: time.Hour, Burst: 2})
	require.True(t, b.Take(0).OK)
	for range 10 {
		require.Equal(t, rate.Answer{Limit: 0, Wait: time.Second}, b.Take(0), "refused by the one, it takes nothing from the other")
	}
	require.True(t, b.Take(time.Second).OK, "the hour has one left")
	require.Equal(t, rate.Answer{Limit: 1, Wait: time.Hour - 2*time.Second}, b.Take(2*time.Second), "the longest wait is told")
}

func TestOtherLimitsGoOnWhereTheOldOnesStand(t *testing.T) {
	old := rate.New("k", rate.PerMinute("throttle", 60, 6))
	for range 6 {
		old.Take(0)
	}
	strict := rate.New("k", rate.PerMinute("throttle", 6, 6))
	strict.Inherit(old)
	require.Equal(t, 6*time.Second, strict.Take(0).Wait)
	strict.Take(6 * time.Second)
	lax := rate.New("k", rate.PerMinute("throttle", 6000, 6))
	lax.Inherit(strict)
	require.Equal(t, 10*time.Millisecond, lax.Take(6*time.Second).Wait, "nobody waits for longer than the limit in force has it")
}

func TestWhatIsKnownElsewhereCountsHere(t *testing.T) {
	b := rate.New("k", rate.PerMinute("throttle", 60, 6))
	b.Learn(0, []time.Duration{5 * time.Second})
	require.True(t, b.Peek(0).OK)
	require.True(t, b.Take(0).OK)
	require.Equal(t, time.Second, b.Peek(0).Wait)
	b.Learn(0, []time.Duration{time.Second})
	require.Equal(t, time.Second, b.Peek(0).Wait, "older news changes nothing")
}

// In any stretch of time no more passes than a burst and what the time is worth, and one who keeps to the rate is never refused.
func TestNoMorePassesThanTheLimitsAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := []rate.Limit{
			{Name: "a", Interval: time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "interval")), Burst: rapid.Int64Range(1, 20).Draw(t, "burst")},
			{Name: "b", Interval: time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "interval2")), Burst: rapid.Int64Range(1, 50).Draw(t, "burst2")},
		}
		b := rate.New("k", limits...)
		var passed []time.Duration
		at := time.Duration(0)
		for _, step := range rapid.SliceOfN(rapid.Int64Range(0, 2e9), 1, 100).Draw(t, "steps") {
			at += time.Duration(step)
			a := b.Take(at)
			if a.OK {
				passed = append(passed, at)
				continue
			}
			require.False(t, b.Peek(at+a.Wait-1).OK)
			require.True(t, b.Peek(at+a.Wait).OK, "it says when to come back")
		}
		for i := range passed {
			for j := i; j < len(passed); j++ {
				for _, l := range limits {
					require.LessOrEqual(t, int64(j-i+1), l.Burst+int64((passed[j]-passed[i])/l.Interval))
				}
			}
		}
	})
}

func TestTheLimitHoldsUnderConcurrency(t *testing.T) {
	b := rate.New("k", rate.PerMinute("throttle", 600, 6))
	var passed atomic.Int64
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 500 {
				if b.Take(0).OK {
					passed.Add(1)
				}
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 60, passed.Load())
}

func TestDecidingAllocatesNothing(t *testing.T) {
	var l rate.Limiter = rate.Local{}
	b := rate.New("k", rate.PerMinute("a", 60, 6), rate.PerMinute("b", 600, 6))
	at := time.Duration(0)
	require.Zero(t, testing.AllocsPerRun(100, func() { at += time.Millisecond; l.Take(b, at) }))
}
