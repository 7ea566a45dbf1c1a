package fdr

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func budget(tb rapid.TB, s Settings) *Budget {
	b, err := New(s)
	require.NoError(tb, err)
	return b
}

func TestSettingsAreCheckedByName(t *testing.T) {
	good := Settings{Level: 0.1, Memory: 1000, Idle: 1}
	for name, change := range map[string]func(*Settings){
		"Level":     func(s *Settings) { s.Level = 1 },
		"Memory":    func(s *Settings) { s.Memory = math.NaN() },
		"Idle":      func(s *Settings) { s.Idle = 0 },
		"Candidate": func(s *Settings) { s.Candidate = 1 },
		"Spend":     func(s *Settings) { s.Spend = -1 },
	} {
		s := good
		change(&s)
		_, err := New(s)
		require.ErrorContains(t, err, name)
	}
}

func anySettings(t *rapid.T) Settings {
	return Settings{
		Level: rapid.Float64Range(0.001, 0.9).Draw(t, "level"), Memory: rapid.Float64Range(1, 5000).Draw(t, "memory"),
		Idle:      rapid.Float64Range(0.01, 50).Draw(t, "idle"),
		Candidate: rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9}).Draw(t, "candidate"),
		Spend:     rapid.SampledFrom([]float64{0, 0.001, 0.1, 1}).Draw(t, "spend"),
	}
}

func anyPs(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1), rapid.Just(0.0), rapid.Just(1.0), rapid.Float64Range(0, 1e-6), rapid.Just(math.NaN())),
		0, 400).Draw(t, "p")
}

// The invariant that the guarantee rests on, whatever the p-values: no overspending, ever.
func TestSpendingStaysWithinWhatWasEarned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings(t)
		b := budget(t, s)
		for _, p := range anyPs(t) {
			threshold := b.Threshold()
			require.True(t, threshold >= 0 && threshold <= 1)
			require.Equal(t, p <= threshold, b.Test(p))
			require.LessOrEqual(t, b.state.Spent, s.Level*(s.Idle+b.state.Discoveries)*(1+1e-9))
		}
	})
}

// Stored at any test, a budget goes on exactly as it would have.
func TestAStoredBudgetGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings(t)
		a, b := budget(t, s), budget(t, s)
		ps := anyPs(t)
		cut := rapid.IntRange(0, len(ps)).Draw(t, "cut")
		for _, p := range ps[:cut] {
			a.Test(p)
		}
		require.NoError(t, b.Restore(a.State()))
		for _, p := range ps[cut:] {
			require.InDelta(t, a.Threshold(), b.Threshold(), 1e-12)
			a.Test(p)
			b.Test(p)
		}
	})
	b := budget(t, Settings{Level: 0.1, Memory: 10, Idle: 1})
	require.Error(t, b.Restore(State{Spent: math.NaN()}))
	require.NoError(t, b.Restore(State{Spent: 100}))
	overspent := b.Threshold()
	b.Forget(100)
	require.Greater(t, b.Threshold(), 5*overspent, "an overspent state waits until it has faded")
}

// stream makes tests of which a share is not null, with p-values that an alarm of given strength gives.
type outcome struct{ trueAlerts, falseAlerts, missed int }

func simulate(b *Budget, tests int, share, strength float64, seed uint64) (o outcome) {
	r := rand.New(rand.NewPCG(seed, 8))
	for range tests {
		real := r.Float64() < share
		p := r.Float64()
		if real {
			p = math.Pow(p, strength) // log10 p is strength times what it would be
		}
		switch hit := b.Test(p); {
		case hit && real:
			o.trueAlerts++
		case hit:
			o.falseAlerts++
		case real:
			o.missed++
		}
	}
	return o
}

// The guarantee, summed over the whole stream: false alerts are at most Level of Idle per memory plus all alerts.
func TestTheShareOfFalseAlertsStaysUnderTheLevel(t *testing.T) {
	const tests, memory = 200_000, 5000.0
	for _, level := range []float64{0.05, 0.2} {
		for _, candidate := range []float64{0, 0.5} {
			for _, share := range []float64{0, 1e-4, 1e-3, 1e-2, 0.1} {
				b := budget(t, Settings{Level: level, Memory: memory, Idle: 1, Candidate: candidate})
				var all outcome
				for seed := range uint64(5) {
					o := simulate(b, tests, share, 12, seed)
					all.trueAlerts += o.trueAlerts
					all.falseAlerts += o.falseAlerts
				}
				memories := 5 * tests * (1 - b.decay)
				allowed := level * (memories + float64(all.trueAlerts+all.falseAlerts))
				require.LessOrEqual(t, float64(all.falseAlerts), allowed+4*math.Sqrt(allowed), "level %v candidate %v share %v: %+v", level, candidate, share, all)
			}
		}
	}
}

// With nothing found for a million tests the threshold is still what it was after the first memories: no alpha-death.
func TestQuietTimesDoNotUseUpTheBudget(t *testing.T) {
	b := budget(t, Settings{Level: 0.1, Memory: 10_000, Idle: 2})
	for range 100_000 {
		b.Test(1)
	}
	early := b.Threshold()
	for range 1_000_000 {
		b.Test(1)
	}
	require.InEpsilon(t, early, b.Threshold(), 0.01)
	// Nine tenths of Level*Idle per 1.44 memories.
	require.InEpsilon(t, 0.9*0.1*2/(1.4427*10_000), early, 0.05)
}

// An old burst of discoveries does not pay for later false ones.
func TestOldDiscoveriesAreForgotten(t *testing.T) {
	b := budget(t, Settings{Level: 0.1, Memory: 100, Idle: 1})
	for range 1000 {
		b.Test(1)
	}
	quiet := b.Threshold()
	for range 50 {
		b.Test(0)
	}
	require.Greater(t, b.Threshold(), 10*quiet)
	for range 3000 {
		b.Test(1)
	}
	require.InEpsilon(t, quiet, b.Threshold(), 0.01)
}

// What the decay and the candidates buy, as measured: against one fixed threshold with the same guarantee for an idle stream.
func TestABudgetFindsMoreWhereThereIsMore(t *testing.T) {
	const share, strength, tests = 0.05, 8, 200_000
	lord := simulate(budget(t, Settings{Level: 0.1, Memory: 5000, Idle: 1}), tests, share, strength, 1)
	saffron := simulate(budget(t, Settings{Level: 0.1, Memory: 5000, Idle: 1, Candidate: 0.5}), tests, share, strength, 1)
	fixed := 0
	r := rand.New(rand.NewPCG(1, 8))
	for range tests {
		real, p := r.Float64() < share, r.Float64()
		if real && math.Pow(p, strength) <= 0.1/(1.4427*5000) {
			fixed++
		}
	}
	require.Greater(t, lord.trueAlerts, fixed*3/2)
	require.Greater(t, saffron.trueAlerts, fixed*3/2)
}

func BenchmarkTest(b *testing.B) {
	f := budget(b, Settings{Level: 0.1, Memory: 10_000, Idle: 1})
	for i := 0; b.Loop(); i++ {
		f.Test(float64(i%1000) / 1000)
	}
}
