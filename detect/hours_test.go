package detect

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Hours of rest that are closed together leave a key, and what all keys share, as they would be had each been closed by itself.
func TestHoursOfRestAreClosedTogetherAsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		from := int32(490_000 + rng.IntN(24*7))
		type one struct {
			e *Engine
			k *keyState
		}
		var both [2]one
		for i := range both {
			e := freshEngine()
			both[i] = one{e, &keyState{born: int64(from-24*9) * hourMillis, hours: &hours{cohort: everybody}}}
			e.all.hour = from
		}
		for day := range rapid.Int32Range(1, 20).Draw(t, "days") {
			at := from + day*24 + int32(rng.IntN(20))
			rest := int32(1 + rng.IntN(60))
			calls, units := float32(rng.IntN(40)), float32(rng.IntN(2))
			for i, b := range both {
				b.k.hours.record[meterUnits] = units
				if i == 0 {
					b.e.closeHours(b.k, at, at+rest, calls)
					continue
				}
				b.e.closeHour(b.k, at, calls)
				for hour := at + 1; hour < at+rest; hour++ {
					b.e.closeHour(b.k, hour, 0)
				}
			}
		}
		a, b := both[0], both[1]
		require.Equal(t, *b.k.hours.habit(), *a.k.hours.habit())
		a.k.hours.tails, b.k.hours.tails = nil, nil
		require.Equal(t, *b.k.hours, *a.k.hours)
		require.Equal(t, b.e.cohorts, a.e.cohorts)
	})
}

func TestARecordIsForgottenAtTheSamePaceWithinTheTableAndBeyond(t *testing.T) {
	for hours := range int32(2 * len(forgottenBy)) {
		require.InEpsilon(t, forgotten(1), forgotten(hours+1)/forgotten(hours), 1e-6)
	}
}
