package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyActor is a client of whom anything may be known.
func anyActor(t *rapid.T) *actor {
	f := func(name string, most float32) float32 { return rapid.Float32Range(0, most).Draw(t, name) }
	a := &actor{
		fresh: rapid.Bool().Draw(t, "fresh"), netNew: rapid.Bool().Draw(t, "new network"), n: rapid.Uint32Range(1, 5000).Draw(t, "calls"),
		who: f("who", 4), line: f("line", 1), routesNew: rapid.Uint8Range(0, 6).Draw(t, "new routes"), routesKnown: rapid.Uint8Range(0, 6).Draw(t, "known routes"),
		rare: rapid.Uint8Range(0, 6).Draw(t, "rare"), winN: f("window", 256), units: f("units", 1e6), last: rapid.Int64Range(0, 5*hourMillis).Draw(t, "last"),
		idN: f("ids", 256), money: excess{n: f("money", 256)}, size: excess{n: f("sizes", 256)}, body: excess{n: f("bodies", 256)}, used: [meters]float32{f("took", 1e4), f("bytes", 1e6), f("units now", 1e6)},
	}
	for c := range a.errK {
		a.errK[c] = f("share of errors", 1) * f("fewer", 1) * a.winN
	}
	for i := range a.walk.sum {
		a.walk.sum[i] = f("walk", 9)
	}
	a.walk.n = rapid.Uint16().Draw(t, "steps")
	a.idKnown = f("share known", 1) * a.idN
	a.idAgain = f("share again", 1) * (a.idN - a.idKnown)
	residual, variance := rapid.Float32Range(-5, 5), rapid.Float32Range(0, 5)
	a.took.n = f("timed", excessWindow)
	for _, x := range []*excess{&a.money, &a.size, &a.body, &a.took} {
		x.sum, x.variance = x.n*residual.Draw(t, "beyond"), x.n*variance.Draw(t, "variance")
	}
	a.slow = f("share of slow calls", 1) * a.took.n
	a.most = [2]float32{f("five minutes", 1e4), f("five minutes before", 1e4)}
	a.objects = f("objects", 1) * (a.idN - a.idAgain)
	a.ownObjects = f("own objects", 1) * a.objects
	a.cadence = cadence{mean: f("interval", 1e6), sum: f("regular", 50), n: rapid.Uint16().Draw(t, "intervals")}
	a.leap = leap{count: rapid.Uint16Range(0, 9).Draw(t, "leaps"), say: f("leap", maxLeap)}
	return a
}

// The shortcut must never hide what the whole evidence would act on.
func TestAHarmlessClientIsOneThatNothingIsDoneAbout(t *testing.T) {
	e, err := New(Config{})
	require.NoError(t, err)
	p := e.policies.For("key", nil)
	rapid.Check(t, func(t *rapid.T) {
		a := anyActor(t)
		k := &keyState{
			id: "key", days: 9, maxGapSec: rapid.Uint32Range(0, 1e6).Draw(t, "longest break"), gapSec: rapid.Uint32Range(0, 1e7).Draw(t, "break"),
			knownIDs: rapid.Float32Range(0, 1).Draw(t, "ids known"), errN: rapid.Float32Range(0, 128).Draw(t, "own answers"),
			hours: &hours{seen: 50, record: [meters]float32{rapid.Float32Range(0, 100).Draw(t, "record"), 100, 100}},
		}
		for c := range k.errK {
			k.errK[c] = rapid.Float32Range(0, 0.5).Draw(t, "own errors") * k.errN
		}
		f := e.find(k, a)
		if wanted, score := e.weigh(k, a, &f, p, 0); e.harmless(k, a) {
			require.Equal(t, ActionObserve, wanted, "score %v", score)
		}
	})
}

// Nor what little is left of it for a client that does nothing: every second one that is drawn here is one.
func TestAnIdleClientIsOneThatNothingIsDoneAbout(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	idle := 0
	rapid.Check(t, func(t *rapid.T) {
		a := anyActor(t)
		a.fresh, a.level = true, rapid.Float32Range(2, 6).Draw(t, "level")
		k := &keyState{
			id: "key", days: 9, knownIDs: rapid.Float32Range(0, 1).Draw(t, "ids known"), errN: 128,
			hours: &hours{seen: 50, record: [meters]float32{100, 1e6, rapid.Float32Range(0, 2e6).Draw(t, "units of an hour")}},
		}
		calm := func(what string, deed func()) {
			if rapid.IntRange(0, 9).Draw(t, what) > 0 {
				deed()
			}
		}
		calm("no errors", func() { a.errK = [errorClasses]float32{} })
		calm("known routes", func() { a.routesNew = 0 })
		calm("quick", func() { a.slow, a.took.sum = 0, min(a.took.sum, a.took.n) })
		calm("no walk", func() { a.walk.sum = [3]float32{a.walk.sum[0] / 20} })
		calm("few ids", func() { a.idN /= 10 })
		calm("no money", func() { a.money.sum, a.size.sum, a.body.sum, a.units = 0, 0, 0, 0 })
		calm("no pace", func() { a.used, a.most = [meters]float32{}, [2]float32{} })
		if !e.idle(k, a) {
			return
		}
		idle++
		f := e.find(k, a)
		wanted, score := e.weigh(k, a, &f, p, 0)
		require.Equal(t, ActionObserve, wanted, "score %v", score)
		require.Zero(t, a.soon, "weigh has nothing to remember of it")
	})
	require.Positive(t, idle)
}

// What shift leaves out is nothing.
func TestAMeanNearerToTheClientsIsNoEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, mean := float64(rapid.IntRange(2, 300).Draw(t, "n")), rapid.Float64Range(-5, 1).Draw(t, "mean")
		v := max(rapid.Float64Range(0, 30).Draw(t, "variance"), 0.1) / n
		require.LessOrEqual(t, logNormalRatio(mean, abuseShift, abuseVariance+v, 0, clientSpread+v), 0.0)
	})
}

// What a stranger does may be several things that are seldom, and the more there is in all, the less of each; who it is alone never suspends.
func TestSeveralWeakFindingsSuspendWithMoreEvidenceInAll(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	wants := func(who, volume, money float64) bool {
		f := finding{}
		f.by[FamilyNovelty], f.by[FamilyVolume], f.by[FamilyMoney] = who, volume, money
		wanted, _ := e.weigh(&keyState{}, &actor{fresh: true, netNew: true, n: 100}, &f, p, 0)
		return wanted == ActionSuspend
	}
	require.True(t, wants(2.0, 1.25, 1.25), "severalWhat and just enough in all")
	require.False(t, wants(2.5, 1, 1), "less of it, and just enough in all")
	require.True(t, wants(3.0, 1, 1), "less of it, and more in all")
	rapid.Check(t, func(t *rapid.T) {
		who, volume, money := rapid.Float64Range(0, 9).Draw(t, "who"), rapid.Float64Range(0, 1.4).Draw(t, "volume"), rapid.Float64Range(0, 1.4).Draw(t, "money")
		if volume+money < leastWhat && wants(who, volume, money) {
			t.Fatal("suspended for who it is")
		}
		if wants(who, volume, money) && !(wants(who+0.1, volume, money) && wants(who, volume+0.1, money) && wants(who, volume, money+0.1)) {
			t.Fatal("more evidence, and no suspension")
		}
	})
}

// What is enough at once is not enough after a day: who had a day's chances to look bad needs more. So does a machine in the customer's own network. Waiting counts half of a deed, and by itself
// never stops anybody.
func TestASuspensionPaysForTheTimeThatItTook(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	wants := func(who, size, latency float64, hours int64, netNew bool) bool {
		f := finding{}
		f.by[FamilyNovelty], f.by[FamilyMoney], f.by[FamilyLatency] = who, size, latency
		wanted, _ := e.weigh(&keyState{}, &actor{fresh: true, netNew: netNew, n: 100, first: 1, last: 1 + hours*hourMillis}, &f, p, 0)
		return wanted == ActionSuspend
	}
	require.True(t, wants(2.6, 2, 0, 0, true), "two families, within the hour")
	require.False(t, wants(2.6, 2, 0, 24, true), "the same after a day")
	require.False(t, wants(2.6, 2, 0, 0, false), "the same in the customer's own network")
	require.True(t, wants(4, 2, 0, 24, false), "more of it")
	require.True(t, wants(3.2, 0.9, 5, 0, true), "large answers, and calls that take far longer than others'")
	rapid.Check(t, func(t *rapid.T) {
		who, latency := rapid.Float64Range(0, 9).Draw(t, "who"), rapid.Float64Range(0, 9).Draw(t, "latency")
		size, hours := rapid.Float64Range(0, 4).Draw(t, "size"), rapid.Int64Range(0, 100).Draw(t, "hours")
		if wants(who, 0, latency, hours, true) {
			t.Fatal("stopped for being new and slow")
		}
		if wants(who, size, latency, hours+1, true) && !wants(who, size, latency, hours, true) {
			t.Fatal("the later, the less is asked for")
		}
	})
}

// Pace that a client reaches hours after it came is growth up to ten times the key's busiest hour, and tells nothing of a thief. What it does otherwise is
// believed whenever it does it.
func TestGrowthIsNoDeed(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	wants := func(hours int64, family Family, what float64) Action {
		f := finding{}
		f.by[FamilyNovelty], f.by[family] = 3.2, what
		wanted, _ := e.weigh(&keyState{}, &actor{fresh: true, netNew: true, n: 100, first: 1, last: 1 + hours*hourMillis}, &f, p, 0)
		return wanted
	}
	require.Equal(t, ActionSuspend, wants(2, FamilyVolume, 2.5), "busier than the key ever was within two hours")
	require.Equal(t, ActionFlag, wants(6, FamilyVolume, 2.5), "six hours after it came")
	require.Equal(t, ActionSuspend, wants(6, FamilyVolume, 4), "far busier, six hours after it came")
	require.Equal(t, ActionSuspend, wants(6, FamilyErrors, 2.5), "refused, six hours after it came")
}

// Behind an app come strangers every day, so that nobody is quite new. Who does as much more than a thief elsewhere has to do is stopped there as well.
func TestWhoIsHalfNewIsStoppedForMore(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	wants := func(who, errors float64) bool {
		f := finding{}
		f.by[FamilyNovelty], f.by[FamilyErrors], f.by[FamilyVolume], f.by[FamilyMoney] = who, errors, 1.4, 1.4
		wanted, _ := e.weigh(&keyState{}, &actor{fresh: true, netNew: true, n: 100}, &f, p, 0)
		return wanted == ActionSuspend
	}
	require.True(t, wants(1.2, 0.5), "new")
	require.False(t, wants(1.1, 0.5), "half new")
	require.True(t, wants(1.1, 1.7), "half new, and ten times the odds by what it does")
	require.False(t, wants(0.6, 3.9), "known")
}

// However a suspension comes about, the total is what the policy asks for, unless ids are walked through by whomever it is.
func TestASuspensionHasTheEvidenceThatThePolicyAsksFor(t *testing.T) {
	e, err := New(Config{})
	require.NoError(t, err)
	p := e.policies.For("key", nil)
	k := &keyState{id: "key"}
	rapid.Check(t, func(t *rapid.T) {
		a := &actor{fresh: true, n: 100}
		f := finding{moved: rapid.Float64Range(-3, 0).Draw(t, "moved"), overlap: rapid.Float64Range(-2.5, 1).Draw(t, "overlap")}
		f.by[FamilyNovelty] = rapid.Float64Range(1, 4).Draw(t, "who")
		for _, what := range []Family{FamilyEnumeration, FamilyErrors, FamilyMoney, FamilyVolume} {
			f.by[what] = rapid.Float64Range(0, 1.6).Draw(t, "what")
		}
		if wanted, score := e.weigh(k, a, &f, p, 0); wanted == ActionSuspend {
			require.GreaterOrEqual(t, score, p.Required.Suspend)
		}
	})
}

// The customer's own program knows what it may do. One that is refused again and again, on four routes and more that hardly anybody uses, all of a sudden, is in other hands. Refusals alone are
// a right that was taken away or a broken release, and routes that came one by one over the weeks are a program that grows.
func TestWhoTriesDoorsOnTheCustomersOwnMachineIsStopped(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	wants := func(errors, routes float64, doors int, apartHours int64) Action {
		a, now := &actor{n: 5000, winN: 200}, int64(1000*hourMillis)
		for range doors {
			now += apartHours * hourMillis
			a.doors.try(now, a.n)
		}
		f := finding{}
		f.by[FamilyErrors], f.by[FamilyRoutes] = errors, routes
		a.last = now
		wanted, _ := e.weigh(&keyState{}, a, &f, p, now)
		return wanted
	}
	require.Equal(t, ActionSuspend, wants(4.2, 2.5, 4, 0))
	require.Equal(t, ActionFlag, wants(6, 0, 0, 0), "refused on its own routes")
	require.Equal(t, ActionFlag, wants(6, 2.5, 3, 0), "three new routes")
	require.Equal(t, ActionFlag, wants(6, 2.5, 8, 2*doorsHours), "one new route every other day")
	require.Equal(t, ActionObserve, wants(3, 2.5, 8, 0), "some refusals")
}
