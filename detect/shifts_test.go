package detect

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// habits makes days of traffic of a few keys with so many calls an hour each, by a factor for key and hour.
func habits(t *testing.T, seed uint64, keys int, days int64, perHour float64, factor func(key int, hour int64) float64) []Decision {
	t.Helper()
	s, end := traffic(seed, keys, days, perHour, factor)
	return restarted(t, s.batch(0, len(s.rows)), 0, end)
}

func traffic(seed uint64, keys int, days int64, perHour float64, factor func(key int, hour int64) float64) (s *story, end int64) {
	s = &story{c: newCrowd(keys, seed), rows: make([]usage.Record, 0, int(float64(keys)*float64(days)*24*perHour*1.1))}
	start := s.c.millis
	for hour := range days * 24 {
		for i := range s.c.keys {
			for range int(distuv.Poisson{Lambda: max(1e-9, perHour*factor(i, hour)), Src: s.c.rng}.Rand()) {
				s.c.millis = start + hour*hourMillis + s.c.rng.Int64N(hourMillis)
				s.rows = append(s.rows, s.c.record(&s.c.keys[i]))
			}
		}
	}
	return s, start + days*testDay
}

// restarted hands the first records to an engine as history, and what follows as it comes.
func restarted(t *testing.T, b *usage.Batch, cut int, end int64) []Decision {
	t.Helper()
	e := mustEngine(t)
	e.WarmUp(b, 0, cut)
	e.Observe(b, cut, b.Len())
	e.Advance(end)
	return e.Drain()
}

func shifts(ds []Decision) (out []Decision) {
	for _, d := range ds {
		if d.Phase == PhaseOpened && len(d.Evidence) == 1 && d.Evidence[0].Family == FamilyVolume && strings.Contains("drift_up drift_down drop silence", d.Evidence[0].Detector) {
			out = append(out, d)
		}
	}
	return out
}

func TestSlowGrowthIsToldAndNobodyIsStopped(t *testing.T) {
	const day = 24
	ds := habits(t, 41, 12, 34, 4, func(key int, hour int64) float64 {
		if key == 3 && hour > 14*day {
			f := 1.0
			for range (hour - 14*day) / day {
				f *= 1.08
			}
			return min(f, 5)
		}
		return 1
	})
	told := shifts(ds)
	if len(told) == 0 || told[0].KeyID != "key_3" || told[0].Evidence[0].Detector != "drift_up" {
		t.Fatalf("growth of 8 %% a day was not told: %+v", told)
	}
	for _, d := range told {
		if d.KeyID != "key_3" || d.Action != ActionObserve || d.Wanted != ActionObserve {
			t.Errorf("got %s of %s (wanted %s): %s", d.Action, d.KeyID, d.Wanted, d.Reason)
		}
		if ev := d.Evidence[0]; ev.Observed <= ev.Expected || ev.Low >= ev.Expected || ev.High <= ev.Expected || ev.PValue > 1e-4 {
			t.Errorf("the numbers don't fit: %+v", ev)
		}
	}
	for _, d := range acted(ds) {
		t.Errorf("growth got %s: %s", d.Action, d.Reason)
	}
}

func TestACustomerWhoGoesSilentIsToldAndOneWhoRestsIsNot(t *testing.T) {
	ds := shifts(habits(t, 42, 12, 16, 6, func(key int, hour int64) float64 {
		switch {
		case key == 3 && hour > 14*24+2:
			return 0
		case key == 5 && hour%24 < 9: // its night
			return 0
		}
		return 1
	}))
	if len(ds) != 1 || ds[0].KeyID != "key_3" || ds[0].Evidence[0].Detector != "silence" || ds[0].Action != ActionObserve {
		t.Fatalf("got %+v", ds)
	}
	if late := ds[0].TimeMillis - ds[0].Actor.SinceMs; late > 8*hourMillis {
		t.Errorf("it took %d hours to see it", late/hourMillis)
	}
}

func TestADropOfOneKeyIsTold(t *testing.T) {
	ds := shifts(habits(t, 43, 30, 24, 8, func(key int, hour int64) float64 {
		if key == 7 && hour > 22*24 {
			return 0.08
		}
		return 1
	}))
	if !slices.ContainsFunc(ds, func(d Decision) bool { return d.KeyID == "key_7" && d.Evidence[0].Detector == "drop" }) {
		t.Errorf("a tenth of its usual calls was not told: %+v", ds)
	}
	for _, d := range ds {
		if d.KeyID != "key_7" {
			t.Errorf("an undisturbed key: %s", d.Reason)
		}
	}
}

// A holiday, an outage, a launch: what all keys do is about none of them.
func TestWhatAllKeysDoIsNoFindingAboutOne(t *testing.T) {
	for name, factor := range map[string]float64{"outage": 0, "holiday": 0.15, "launch": 4} {
		ds := habits(t, 44, 30, 16, 6, func(_ int, hour int64) float64 {
			if hour > 14*24+5 {
				return factor
			}
			return 1
		})
		if n := len(shifts(ds)); n > 0 {
			t.Errorf("%s: %d keys were told apart, first: %s", name, n, shifts(ds)[0].Reason)
		}
		if n := len(acted(ds)); n > 0 {
			t.Errorf("%s: %d alerts", name, n)
		}
	}
}

func TestAPolicyMayMakeChangesAlerts(t *testing.T) {
	p, err := ParsePolicies([]byte("version: 1\npolicies: [{id: all, changes: flag}]"))
	if err != nil || p.List[0].Changes != ActionFlag {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := ParsePolicies([]byte("version: 1\npolicies: [{id: all, changes: suspend}]")); err == nil || !strings.Contains(err.Error(), "observe or flag") {
		t.Errorf("nobody is suspended for being quiet, but the file was taken: %v", err)
	}
}

// The p-values of days under the law that they claim, with mean and scatter learnt from the key itself.
func TestDayBetsAreValidUnderTheirNull(t *testing.T) {
	worst := map[string][]float64{}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 120 {
		e := freshEngine()
		k := &keyState{hours: &hours{}}
		k.hours.habits(e.mem).whole = true
		size := 2 + 20*rng.Float64()
		for day := range int32(70) {
			mean := distuv.Gamma{Alpha: size, Beta: size / 150, Src: rng}.Rand()
			b := k.hours.habits(e.mem)
			b.count, b.whole = float32(distuv.Poisson{Lambda: mean, Src: rng}.Rand()), true
			e.closeDay(k, day, 0)
			if k.hours.closed != 0 {
				s := e.dayShift(k)
				worst["drop"] = append(worst["drop"], s.drop)
				worst["drift"] = append(worst["drift"], max(b.drift.Up(), b.drift.Down()))
				k.hours.closed = 0
			}
		}
	}
	for name, list := range worst {
		i := 0
		rates(t, len(list), name, func(*rand.Rand) float64 { i++; return list[i-1] })
	}
}

// A process that takes a partition over tells of the same shifts; one that was told before the change of hands may be told again, as
// part of the same alert.
func TestShiftsAreToldTheSameAfterARestart(t *testing.T) {
	s, end := traffic(45, 12, 26, 4, func(key int, hour int64) float64 {
		switch {
		case key == 3 && hour > 14*24:
			return 1 + float64(hour-14*24)/24*0.3
		case key == 5 && hour > 20*24+7, key == 6 && hour > 22*24:
			return 0
		}
		return 1
	})
	b := s.batch(0, len(s.rows))
	told := map[string]int64{}
	for _, d := range shifts(restarted(t, b, 0, end)) {
		told[d.EpisodeID] = d.TimeMillis
	}
	if len(told) < 3 {
		t.Fatalf("%d shifts were told, want three keys", len(told))
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range 8 {
		cut := len(s.rows)/2 + rng.IntN(len(s.rows)/2)
		for cut < len(s.rows)-1 && s.rows[cut].TimeMillis/1000 == s.rows[cut-1].TimeMillis/1000 {
			cut++
		}
		again := map[string]bool{}
		for _, d := range shifts(restarted(t, b, cut, end)) {
			again[d.EpisodeID] = true
			if _, ok := told[d.EpisodeID]; !ok {
				t.Errorf("only after a restart at %d: %s of %s", cut, d.Reason, d.KeyID)
			}
		}
		for id, at := range told {
			if at > s.rows[cut].TimeMillis+1000 && !again[id] {
				t.Errorf("not told after a restart at %d: %s", cut, id)
			}
		}
	}
}

// Keys that were forgotten leave gaps among the numbers of keys: those with the highest numbers are looked at all the same.
func TestSilenceIsToldOfAKeyWhenOthersWereForgotten(t *testing.T) {
	const days, quiet = 16, 14*24 + 2
	s, end := traffic(49, 12, days, 6, func(key int, hour int64) float64 {
		switch {
		case key == 11 && (hour < 2 || hour > quiet), key < 3 && hour > 24:
			return 0
		}
		return 1
	})
	e, b := mustEngine(t), s.batch(0, len(s.rows))
	cut := slices.IndexFunc(b.TimeMillis, func(at int64) bool { return at >= (crowdStart+10*24)*hourMillis })
	e.Observe(b, 0, cut)
	if e.keys.at(uint32(e.keys.used-1)).id != "key_11" {
		t.Fatal("the key that came last has not the highest number")
	}
	for _, id := range []string{"key_0", "key_1", "key_2"} {
		e.Forget(id)
	}
	e.Observe(b, cut, b.Len())
	e.Advance(end)
	if !slices.ContainsFunc(shifts(e.Drain()), func(d Decision) bool { return d.KeyID == "key_11" && d.Evidence[0].Detector == "silence" }) {
		t.Error("its silence was not told")
	}
}
