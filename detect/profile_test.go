package detect

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestAKeysProfileIsThatOfItsWeek(t *testing.T) {
	const days = 8 * 7
	s, _ := traffic(47, 20, days, 5, ownWeeks)
	e, b := mustEngine(t), s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	if _, ok := e.Profile("key_nobody"); ok {
		t.Error("a key that never called has a profile")
	}
	for key, want := range map[string]map[int]float32{
		"key_3": {monday: 5, friday: 0.1, saturday: 0.1, sunday: 5}, "key_5": {monday: 30, friday: 5}, "key_7": {saturday: 5, sunday: 0}, "key_9": {saturday: 25, sunday: 5},
	} {
		p, ok := e.Profile(key)
		if !ok {
			t.Fatalf("%s has no profile", key)
		}
		for day, calls := range want {
			noon := p.Week[24*day+12]
			if math.Abs(float64(noon.Expected-calls)) > 0.6*float64(calls)+0.5 || noon.Low > noon.Expected || noon.High < noon.Expected {
				t.Errorf("%s, day %d of the week: %+v, want about %v", key, day, noon, calls)
			}
		}
	}
}

// The band is what it says for hours that scatter more than by counting, and are not known to the engine yet.
func TestNinetyEightHoursInAHundredLieInTheBand(t *testing.T) {
	const weeks, learnt = 6, 5
	scatter := map[int64]float64{}
	s, _ := traffic(48, 30, weeks*7, 6, func(key int, hour int64) float64 {
		id := int64(key)<<32 | hour
		if _, ok := scatter[id]; !ok {
			scatter[id] = distuv.Gamma{Alpha: 5, Beta: 5, Src: newCrowd(1, uint64(id)).rng}.Rand()
		}
		return scatter[id] * (1 + 0.5*math.Sin(float64(hour%24)/24*2*math.Pi))
	})
	b := s.batch(0, len(s.rows))
	known := 0
	counts := map[string]map[int32]float32{}
	for i := range b.Len() {
		hour := int32(b.TimeMillis[i] / hourMillis)
		if hour < crowdStart+learnt*7*24 {
			known = i + 1
			continue
		}
		key := b.KeyID.At(i)
		if counts[key] == nil {
			counts[key] = map[int32]float32{}
		}
		counts[key][hour]++
	}
	e := mustEngine(t)
	e.Observe(b, 0, known)
	inside, all := 0, 0
	for key, by := range counts {
		p, ok := e.Profile(key)
		if !ok {
			t.Fatalf("%s has no profile", key)
		}
		for hour := int32(crowdStart + learnt*7*24); hour < crowdStart+weeks*7*24; hour++ {
			if band := p.Week[HourOfWeek(hour)]; by[hour] >= band.Low && by[hour] <= band.High {
				inside++
			}
			all++
		}
	}
	if share := float64(inside) / float64(all); share < 0.965 || share > 0.998 {
		t.Errorf("%.1f %% of %d hours lie in the band, want about 98", 100*share, all)
	} else {
		t.Logf("%.1f %% of %d hours lie in the band", 100*share, all)
	}
}
