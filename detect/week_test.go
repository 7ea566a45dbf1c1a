package detect

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	monday, friday, saturday, sunday = 0, 4, 5, 6
	crowdStart                       = 1_772_409_600_000 / hourMillis // a Monday
)

// ownWeeks gives four keys of a crowd weeks of their own: one rests on Friday and Saturday, one has a heavy Monday, one rests on Sunday only, one
// works most on Saturday.
func ownWeeks(key int, hour int64) float64 {
	switch d := weekday(int32((crowdStart + hour) / 24)); {
	case key == 3 && (d == friday || d == saturday):
		return 0.02
	case key == 5 && d == monday:
		return 6
	case key == 7 && d == sunday:
		return 0
	case key == 9 && d == saturday:
		return 5
	}
	return 1
}

// What comes back every week is usual.
func TestAWeekOfItsOwnIsNoChange(t *testing.T) {
	for _, d := range shifts(habits(t, 45, 20, 9*7, 5, ownWeeks)) {
		t.Errorf("%s: %s", d.KeyID, d.Reason)
	}
}

// And since it is usual, it does not hide what is not.
func TestAChangeIsSeenInAWeekOfItsOwn(t *testing.T) {
	const days = 9*7 + 5
	told := map[string]string{}
	for _, d := range shifts(habits(t, 46, 40, days, 5, func(key int, hour int64) float64 {
		f := ownWeeks(key, hour)
		if (key == 3 || key == 5 || key == 7) && hour/24 >= days-3 {
			f *= 0.1
		}
		return f
	})) {
		told[d.KeyID] = d.Evidence[0].Detector
	}
	if diff := cmp.Diff(map[string]string{"key_3": "drop", "key_5": "drop", "key_7": "drop"}, told); diff != "" {
		t.Errorf("a tenth of a usual day was not told, or more: %s", diff)
	}
}

func TestAWeekIsNotBelievedWhereDaysJustScatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, scatter := week{}, rapid.Float32Range(0.01, 1).Draw(t, "scatter")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		believed, days := 0, int32(20*52*7)
		for day := range days {
			if w.learn(day, max(0, 1+scatter*float32(rng.NormFloat64()))) || w.believed() {
				believed++
			}
		}
		if believed > int(days)/500 {
			t.Errorf("noise of %.2f was taken for a week on %d of %d days", scatter, believed, days)
		}
	})
}

func TestAWeekIsBelievedAfterFour(t *testing.T) {
	w := week{}
	for day := range int32(28) {
		w.learn(day, []float32{1.5, 1, 1, 0.5, 1, 0, 2}[weekday(day)])
	}
	for day, want := range map[int32]float32{4: 1.5, 5: 1, 7: 0.5, 9: 0, 10: 2} { // day 4 of 1970 was a Monday
		if got := w.factor(day); got != want {
			t.Errorf("day %d: factor %v, want %v", day, got, want)
		}
	}
}
