package detect

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A key whose hours were closed as they ended, round by round, is as one whose history was read later, calls only.
func TestHoursThatAreClosedRoundByRoundAreAsThoseThatAreClosedByTheNextCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		hour := int32(490_000 + rng.IntN(24*7))
		watched := float32(rapid.SampledFrom([]int{0, 12, 21, 40}).Draw(t, "hours watched"))
		var engines [2]*Engine
		var keys [2]*keyState
		for i := range engines {
			engines[i] = freshEngine()
			keys[i] = &keyState{born: int64(hour-24*9) * hourMillis, hours: &hours{hour: hour, seen: watched}}
		}
		for range rapid.IntRange(1, 60).Draw(t, "hours with calls") {
			calls, bytes := float32(1+rng.IntN(60)), float32(rng.IntN(9000))
			gone := int32(1 + rng.IntN([]int{2, 20, 60, 400}[rng.IntN(4)]))
			for i, k := range keys {
				k.hours.cur[meterRequests], k.hours.cur[meterBytes] = calls, bytes
				if i == 0 {
					engines[i].rollHours(k, hour+gone)
					continue
				}
				for at := hour + 1; at <= hour+gone; at++ {
					engines[i].rollHours(k, at)
				}
			}
			hour += gone
		}
		almost := cmp.Options{cmpopts.EquateApprox(1e-4, 1e-5), cmp.Exporter(func(reflect.Type) bool { return true })}
		if diff := cmp.Diff(keys[0].hours, keys[1].hours, almost); diff != "" {
			t.Fatalf("at once (-), round by round (+): %s", diff)
		}
		if diff := cmp.Diff(engines[0].cohorts, engines[1].cohorts, almost); diff != "" {
			t.Fatalf("cohorts: %s", diff)
		}
	})
}

// quietKeys lets keys call in the first hour of the story's day, and returns its end.
func quietKeys(e *Engine, keys int) (ends int64) {
	s := &story{c: newCrowd(keys, 61)}
	start := s.c.millis - s.c.millis%hourMillis
	for i := range s.c.keys {
		s.c.millis = start + int64(i)*hourMillis/int64(keys)
		s.rows = append(s.rows, s.c.record(&s.c.keys[i]))
	}
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	return start + hourMillis
}

// A round holds nobody up: it takes the first minute of an hour, key by key, as time passes.
func TestARoundIsSpreadOverTheFirstMinuteOfAnHour(t *testing.T) {
	const keys = 120
	e := mustEngine(t)
	ends := quietKeys(e, keys)
	closed := func() (n int) {
		for i := range e.keys.used {
			if e.keys.at(uint32(i)).hours.hour == int32(ends/hourMillis) {
				n++
			}
		}
		return n
	}
	for _, second := range []int64{0, 15, 30, 59, 60, 61} {
		e.Advance(ends + second*1000)
		require.EqualValues(t, min(second, 60)*keys/60, closed(), "after %d seconds", second)
	}
}

// However long nobody called, one round closes all hours that have passed.
func TestARoundAfterALongSilenceClosesAllHours(t *testing.T) {
	e := mustEngine(t)
	ends := quietKeys(e, 5)
	e.Advance(ends + 30*hourMillis + roundMillis)
	for i := range e.keys.used {
		h := e.keys.at(uint32(i)).hours
		require.EqualValues(t, ends/hourMillis+30, h.hour)
		require.EqualValues(t, 31, h.habit().idle)
		require.Zero(t, h.cur[meterRequests])
	}
}

// What an hour of units is on the platform is learnt from every hour that had any, whether a round closes it or the next call.
func TestARoundTeachesThePlatformWhatAnHourOfUnitsIs(t *testing.T) {
	for name, close := range map[string]func(e *Engine, k *keyState, t int64){
		"a round":       func(e *Engine, _ *keyState, t int64) { e.Advance(t + roundMillis) },
		"the next call": func(e *Engine, k *keyState, t int64) { e.meter(k, &obs{t: t}) },
	} {
		t.Run(name, func(t *testing.T) {
			e := mustEngine(t)
			ends := quietKeys(e, 1)
			e.JudgeNow()
			k := e.keys.at(0)
			k.hours.cur[meterUnits] = 500
			close(e, k, ends)
			require.EqualValues(t, 1, e.unitsHour.n)
			require.InEpsilon(t, 500, math.Exp(float64(e.unitsHour.mean)), 1e-4)
		})
	}
}

// A key that is silent is told at the end of the round, unless it called meanwhile or was forgotten.
func TestWhoCallsBeforeTheRoundIsOverIsNotSilent(t *testing.T) {
	for name, meanwhile := range map[string]func(e *Engine, s *story, now int64){
		"nothing": func(*Engine, *story, int64) {},
		"a call": func(e *Engine, s *story, now int64) {
			s.c.millis = now
			r := s.c.record(&s.c.keys[3])
			b := (&story{rows: append(s.rows[:0:0], r)}).batch(0, 1)
			e.Observe(b, 0, 1)
			e.JudgeNow()
		},
		"it is forgotten": func(e *Engine, _ *story, _ int64) { e.Forget("key_3") },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := traffic(62, 12, 15, 6, func(key int, hour int64) float64 {
				if key == 3 && hour > 14*24+2 {
					return 0
				}
				return 1
			})
			e := mustEngine(t)
			b := s.batch(0, len(s.rows))
			silent := func() bool {
				return slices.ContainsFunc(shifts(e.Drain()), func(d Decision) bool { return d.Evidence[0].Detector == "silence" })
			}
			at := slices.IndexFunc(s.rows, func(r usage.Record) bool { return r.TimeMillis >= (crowdStart+14*24+3)*hourMillis })
			e.Observe(b, 0, at)
			e.Drain()
			for hour := int64(crowdStart + 14*24 + 4); ; hour++ {
				to := at + slices.IndexFunc(s.rows[at:], func(r usage.Record) bool { return r.TimeMillis >= hour*hourMillis })
				e.Observe(b, at, to)
				at = to
				e.Advance(hour*hourMillis + roundMillis - 1000)
				require.False(t, silent(), "told before the round is over")
				if len(e.round.found) > 0 {
					meanwhile(e, s, hour*hourMillis+roundMillis-1000)
					e.Advance(hour*hourMillis + roundMillis)
					require.Equal(t, name == "nothing", silent())
					return
				}
				e.Advance(hour*hourMillis + roundMillis)
				require.Less(t, hour, int64(crowdStart+15*24), "its silence was never found")
			}
		})
	}
}
