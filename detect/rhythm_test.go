package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestCadenceBetsAreValidForCallsByChance(t *testing.T) {
	for name, gap := range map[string]func(rng *rand.Rand) float64{
		"calls by chance":       func(rng *rand.Rand) float64 { return rng.ExpFloat64() * 90e3 },
		"many calls by chance":  func(rng *rand.Rand) float64 { return rng.ExpFloat64() * 900 },
		"by chance, in seconds": func(rng *rand.Rand) float64 { return 1000 * math.Floor(rng.ExpFloat64()*4) },
		"people":                func(rng *rand.Rand) float64 { return math.Exp(9 + 1.5*rng.NormFloat64()) },
	} {
		rates(t, 3000, name, func(rng *rand.Rand) float64 {
			var c cadence
			at, worst := int64(1e12), 0.0
			for range 300 {
				at += int64(gap(rng))
				c.tick(at)
				worst = max(worst, c.score())
			}
			return worst
		})
	}
}

func TestAGapOffTheBeatTakesAwayMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := math.Pow(10, rapid.Float64Range(-30, 30).Draw(t, "log10 of the gap"))
		step := cadenceStep(y)
		if offBeat(y) && step >= -cadenceLittle {
			t.Fatalf("a gap of %v means says %v", y, step)
		}
		if besideBeat(y) && step > 0 {
			t.Fatalf("a gap of %v means adds %v", y, step)
		}
	})
}

// From 11 s on: at 10 s the mean of what is left of a gap beyond a burst is now above leastTick, now below.
func TestAClockIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.Float64Range(11e3, 3600e3).Draw(t, "every")
		calls := rapid.IntRange(1, 4).Draw(t, "calls of a burst")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var c cadence
		for i := range 40 {
			at := 1e12 + every*(float64(i)+0.03*rng.Float64())
			for j := range calls {
				c.tick(int64(at) + int64(j)*300)
			}
		}
		if c.score() < clockwork {
			t.Fatalf("a client that calls every %.0f s is not seen as regular: %v after %d gaps", every/1000, c.score(), c.n)
		}
	})
}

func TestRegularityIsEvidenceOnlyAmongClientsThatAreNone(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	clock := cadence{n: 60, sum: 20, mean: 60e3}
	k.actors = []actor{{}, {fresh: true, cadence: clock}}
	got := e.regularity(k, &k.actors[1])
	if got <= 0.5 || got > -math.Log10(leastClockwork) {
		t.Errorf("the evidence about a new clock is %v, want it bounded by the share of honest ones", got)
	}
	e.all.paced, e.all.clockwork = 100, 70
	if more := e.regularity(k, &k.actors[1]); more >= got {
		t.Errorf("where most customers' clients are clocks a new one says %v, elsewhere %v", more, got)
	}
	k.actors[0].cadence = clock
	if s := e.regularity(k, &k.actors[1]); s != 0 {
		t.Errorf("beside the customer's own clock a new one says %v", s)
	}
}

func TestWhoCallsAtNightToAKeyOfTheOfficeIsTold(t *testing.T) {
	h := &hours{hour: 20_000*24 + 3, known: [2]uint8{9, 9}}
	for _, day := range []int{0, 24} {
		for at := 9; at < 18; at++ {
			h.day[day+at] = 40
		}
	}
	k, a := &keyState{hours: h}, &actor{fresh: true, hour: h.hour}
	if s := k.offHours(a); s < 0.4 {
		t.Errorf("at three in the morning: %v", s)
	}
	h.hour += 7
	a.hour = h.hour
	if s := k.offHours(a); s != 0 {
		t.Errorf("at ten: %v", s)
	}
	h.hour -= 7
	a.hour, a.fresh = h.hour, false
	if s := k.offHours(a); s != 0 {
		t.Errorf("the customer's own client at three: %v", s)
	}
}

func TestWhoCallsOnTheDayOnWhichAKeyRestsIsTold(t *testing.T) {
	h := &hours{hour: 20_000*24 + 10, known: [2]uint8{9, 9}}
	for i := range h.day {
		h.day[i] = 40
	}
	k, a := &keyState{hours: h}, &actor{fresh: true, hour: h.hour}
	if s := k.offHours(a); s != 0 {
		t.Errorf("on a day like others: %v", s)
	}
	h.differs = -950
	if s := k.offHours(a); s < 0.4 {
		t.Errorf("on a day with a twentieth of the calls: %v", s)
	}
}

func TestHoursOfRestAreEvidenceBoundedAndOnlyWhenKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &hours{hour: 20_000*24 + 3, known: [2]uint8{9, 9}}
		for i := range h.day {
			h.day[i] = rapid.Float32Range(0, 50).Draw(t, "calls")
		}
		k, a := &keyState{hours: h}, &actor{fresh: true, hour: h.hour}
		busy := k.offHours(a)
		if busy < 0 || busy > -restWeight*math.Log10(restRemainder) {
			t.Fatalf("evidence %v", busy)
		}
		s := slotOf(h.hour)
		h.day[s+1], h.day[s] = h.day[s+1]+h.day[s], 0 // as many calls on a day as before
		if rest := k.offHours(a); rest < busy-1e-6 {
			t.Fatalf("an hour without calls says %v, with some %v", rest, busy)
		}
		h.known = [2]uint8{restKnown - 1, restKnown - 1}
		if x := k.offHours(a); x != 0 {
			t.Fatalf("a rhythm of %d days says %v", restKnown-1, x)
		}
	})
}

func TestWhoGoesOnWithTheCustomersWorkAfterItFellSilentSpeaksForAMove(t *testing.T) {
	e := freshEngine()
	now := int64(20_000*24+12) * hourMillis
	moved := func(silence int64, change func(k *keyState, a *actor)) float64 {
		h := &hours{hour: int32(now / hourMillis), known: [2]uint8{9, 9}}
		for i := range h.day {
			h.day[i] = 20
		}
		k := &keyState{hours: h, lastKnown: now - silence, sets: sets{entries: []entry{{id: 7, state: establishedBit}}, n: [setKinds]uint8{kindAgent: 1}}}
		a := &actor{fresh: true, netNew: true, agent: 7}
		if change != nil {
			change(k, a)
		}
		return e.succession(k, a, now)
	}
	before := 0.0
	for _, silence := range []int64{0, hourMillis / 4, hourMillis, 6 * hourMillis, 24 * hourMillis} {
		s := moved(silence, nil)
		if s > before || s < math.Log10(takenShare/movedShare) {
			t.Errorf("after %s of silence: %v, before: %v", span(silence), s, before)
		}
		before = s
	}
	if before > -0.5 {
		t.Errorf("a day of silence says %v", before)
	}
	for name, change := range map[string]func(k *keyState, a *actor){
		"another program":  func(_ *keyState, a *actor) { a.agent = 8 },
		"new routes":       func(_ *keyState, a *actor) { a.routesNew = 1 },
		"the same network": func(_ *keyState, a *actor) { a.netNew = false },
		"a key that slept": func(k *keyState, _ *actor) { k.gapSec = 40 * 3600 },
	} {
		if s := moved(24*hourMillis, change); s != 0 {
			t.Errorf("%s: %v, want no word for a move", name, s)
		}
	}
}

func TestAskingForOneKnownObjectAgainAndAgainIsNoKnowledge(t *testing.T) {
	k := &keyState{knownIDs: 0.9}
	once := k.overlap(&actor{objects: 10, ownObjects: 1})
	if once <= 0 {
		t.Errorf("one of ten objects is the customer's, and that speaks for it: %v", once)
	}
	if most := k.overlap(&actor{objects: 10, ownObjects: 9}); most > -1 {
		t.Errorf("nine of ten objects are the customer's: %v", most)
	}
	if s := k.overlap(&actor{objects: 3}); s != 0 {
		t.Errorf("three strange objects say %v", s)
	}
}

func TestTheHoursOfAKeyThatWorkedOnADayAreHardlyBelieved(t *testing.T) {
	before := -1.0
	for days := float32(1); days < 15; days += 0.5 {
		s := (&keyState{days: days}).acquainted()
		if s < before || s > 1 {
			t.Errorf("after %v days: %v, before: %v", days, s, before)
		}
		before = s
	}
	if before != 1 {
		t.Errorf("after two weeks a key's past is believed by %v", before)
	}
}

// What is kept of a sum over two days is the sum.
func TestTheCallsOfASilenceAreSummedUpOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := freshEngine()
		keys := []*keyState{{hours: &hours{seen: 500}}, {hours: &hours{seen: 500}}}
		at := int64(1_800_000_000_000)
		for _, k := range keys {
			for s := range k.hours.day {
				k.hours.day[s] = float32(rapid.IntRange(0, 50).Draw(t, "calls"))
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			at += rapid.Int64Range(1, 3*hourMillis).Draw(t, "later")
			k := rapid.SampledFrom(keys).Draw(t, "key")
			if k.lastKnown == 0 || rapid.Bool().Draw(t, "calls") {
				k.lastKnown = at - rapid.Int64Range(0, 60*hourMillis).Draw(t, "silent")
			}
			if got, want := e.missed(k, at), freshEngine().missed(k, at); math.Abs(got-want) > 1e-9*max(1, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}
