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
		"Level":  func(s *Settings) { s.Level = 1 },
		"Memory": func(s *Settings) { s.Memory = math.NaN() },
		"Idle":   func(s *Settings) { s.Idle = 0 },
		"Spend":  func(s *Settings) { s.Spend = -1 },
	} {
		s := good
		change(&s)
		_, err := New(s)
		require.ErrorContains(t, err, name)
	}
}

// The invariant that the guarantee rests on, whatever is found: no overspending, ever.
func TestSpendingStaysWithinWhatWasEarned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{
			Level: rapid.Float64Range(0.001, 0.9).Draw(t, "level"), Memory: rapid.Float64Range(1, 5000).Draw(t, "memory"),
			Idle: rapid.Float64Range(0.01, 50).Draw(t, "idle"), Spend: rapid.SampledFrom([]float64{0, 0.001, 0.1, 1}).Draw(t, "spend"),
		}
		b := budget(t, s)
		for _, found := range rapid.SliceOfN(rapid.Bool(), 0, 400).Draw(t, "found") {
			level := b.Begin()
			require.True(t, level >= 0 && level <= 1)
			require.LessOrEqual(t, b.spent, s.Level*(s.Idle+b.found)*(1+1e-9))
			if found {
				b.Discover()
			}
		}
	})
}

// simulate takes up hypotheses of which a share is not null. What is found is found later, as evidence takes time. The
// false discoveries come out faded since their hypothesis began, and the discoveries since they were made, as at the end.
type outcome struct {
	truly, falsely, missed int
	fadedFalse, fadedFound float64
}

func simulate(b *Budget, tests, delay int, share, strength float64, seed uint64) (o outcome) {
	r := rand.New(rand.NewPCG(seed, 8))
	due := make([]int, tests+delay+1)
	for i := range tests + delay {
		for range due[i] {
			b.Discover()
			o.fadedFound++
		}
		o.fadedFalse, o.fadedFound = o.fadedFalse*b.decay, o.fadedFound*b.decay
		level := b.Begin()
		if i >= tests {
			continue
		}
		real, p := r.Float64() < share, r.Float64()
		if real {
			p = math.Pow(p, strength) // log10 p is strength times what it would be
		}
		switch hit := p <= level; {
		case hit:
			due[i+1+r.IntN(delay+1)]++
			if real {
				o.truly++
			} else {
				o.falsely++
				o.fadedFalse++
			}
		case real:
			o.missed++
		}
	}
	return o
}

// The guarantee, over the whole stream: false alerts are at most Level of Idle per memory plus all alerts, however late they come.
func TestTheShareOfFalseAlertsStaysUnderTheLevel(t *testing.T) {
	const tests, memory = 200_000, 5000.0
	for _, level := range []float64{0.05, 0.2} {
		for _, delay := range []int{0, 500} {
			for _, share := range []float64{0, 1e-4, 1e-3, 1e-2, 0.1} {
				b := budget(t, Settings{Level: level, Memory: memory, Idle: 1})
				var all outcome
				for seed := range uint64(5) {
					o := simulate(b, tests, delay, share, 12, seed)
					all.truly += o.truly
					all.falsely += o.falsely
				}
				memories := 5 * tests * (1 - b.decay)
				allowed := level * (memories + float64(all.truly+all.falsely))
				require.LessOrEqual(t, float64(all.falsely), allowed+4*math.Sqrt(allowed), "level %v delay %v share %v: %+v", level, delay, share, all)
			}
		}
	}
}

// The same at one time, for what is still remembered.
func TestTheShareHoldsWithinMemory(t *testing.T) {
	falsely, found := 0.0, 0.0
	const runs = 400
	for seed := range uint64(runs) {
		o := simulate(budget(t, Settings{Level: 0.1, Memory: 500, Idle: 1}), 3000, 100, 0.05, 8, seed)
		falsely += o.fadedFalse / runs
		found += o.fadedFound / runs
	}
	require.LessOrEqual(t, falsely, 0.1*(1+found)*1.1)
}

// With nothing found for a million hypotheses the level is still what it was after the first memories: no alpha-death.
func TestQuietTimesDoNotUseUpTheBudget(t *testing.T) {
	b := budget(t, Settings{Level: 0.1, Memory: 10_000, Idle: 2})
	for range 100_000 {
		b.Begin()
	}
	early := b.Begin()
	for range 1_000_000 {
		b.Begin()
	}
	require.InEpsilon(t, early, b.Begin(), 0.01)
	// Nine tenths of Level*Idle per 1.44 memories.
	require.InEpsilon(t, 0.9*0.1*2/(1.4427*10_000), early, 0.05)
}

// An old burst of discoveries does not pay for later false ones.
func TestOldDiscoveriesAreForgotten(t *testing.T) {
	b := budget(t, Settings{Level: 0.1, Memory: 100, Idle: 1})
	for range 1000 {
		b.Begin()
	}
	quiet := b.Begin()
	for range 50 {
		b.Begin()
		b.Discover()
	}
	require.Greater(t, b.Begin(), 10*quiet)
	for range 3000 {
		b.Begin()
	}
	require.InEpsilon(t, quiet, b.Begin(), 0.01)
}

// What the memory of discoveries buys, as measured: against one fixed threshold with the same guarantee for an idle stream.
func TestABudgetFindsMoreWhereThereIsMore(t *testing.T) {
	const share, strength, tests = 0.05, 8, 200_000
	budgeted := simulate(budget(t, Settings{Level: 0.1, Memory: 5000, Idle: 1}), tests, 0, share, strength, 1)
	fixed := 0
	r := rand.New(rand.NewPCG(1, 8))
	for range tests {
		real, p := r.Float64() < share, r.Float64()
		if real && math.Pow(p, strength) <= 0.1/(1.4427*5000) {
			fixed++
		}
	}
	require.Greater(t, budgeted.truly, fixed*3/2)
}

func TestAStricterLevelIsPaidOffFirst(t *testing.T) {
	b := budget(t, Settings{Level: 0.5, Memory: 100, Idle: 1})
	for range 1000 {
		b.Begin()
	}
	b.SetLevel(0.01)
	b.SetLevel(2)
	require.Zero(t, b.Begin())
	for range 1000 {
		b.Begin()
	}
	require.InEpsilon(t, 0.9*0.01/144, b.Begin(), 0.1)
}

func BenchmarkBegin(b *testing.B) {
	f := budget(b, Settings{Level: 0.1, Memory: 10_000, Idle: 1})
	for b.Loop() {
		f.Begin()
	}
}
