package tail

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func estimator(tb testing.TB, s Settings) *Estimator {
	tb.Helper()
	e, err := New(s)
	require.NoError(tb, err)
	return e
}

func TestSettingsAreCheckedByName(t *testing.T) {
	for name, s := range map[string]Settings{
		"Memory":           {Memory: MinMemory - 1},
		"TailShare":        {TailShare: 0.6},
		"MaxShape":         {MaxShape: 1},
		"Suspicious ":      {Suspicious: math.NaN()},
		"SuspiciousWeight": {SuspiciousWeight: 2},
	} {
		_, err := New(s)
		require.ErrorContains(t, err, name)
	}
	require.Equal(t, Settings{Memory: 2000, TailShare: 0.02, MaxShape: 0.9, Suspicious: 1e-5, SuspiciousWeight: 0.125},
		estimator(t, Settings{}).Settings())
}

// stream draws from one of many shapes, wild ones included.
func stream(t *rapid.T) []float64 {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 11))
	unit := math.Exp2(rapid.Float64Range(-200, 200).Draw(t, "log2 unit"))
	wild := rapid.SampledFrom([]float64{0, 0.3, 1, 4, 30}).Draw(t, "spread")
	zeros := rapid.SampledFrom([]float64{0, 0.1, 0.9, 0.999}).Draw(t, "zeros")
	round := rapid.Bool().Draw(t, "rounded")
	values := make([]float64, rapid.IntRange(0, 3000).Draw(t, "length"))
	for i := range values {
		if r.Float64() < zeros {
			continue
		}
		values[i] = math.Exp(wild * r.NormFloat64())
		if round {
			values[i] = math.Round(values[i] * 3)
		}
		values[i] *= unit
	}
	return values
}

func TestPIsAProbabilityAndMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		discrete := rapid.Bool().Draw(t, "discrete")
		e, err := New(Settings{Discrete: discrete, Memory: rapid.IntRange(MinMemory, 4000).Draw(t, "memory")})
		require.NoError(t, err)
		var m Tail
		x := e.NewExact()
		values := stream(t)
		top := 1.0
		for _, v := range values {
			e.Observe(&m, v)
			x.Observe(v)
			top = max(top, v)
		}
		probes := append([]float64{0, 5e-324, top, 2 * top, 1e300, math.MaxFloat64, math.Inf(1)}, values[:min(len(values), 50)]...)
		for i := range 200 {
			probes = append(probes, top*math.Exp2(10-float64(i)/4))
		}
		for _, a := range probes {
			for _, judge := range []func(float64) float64{func(v float64) float64 { return e.P(&m, v) }, x.P} {
				p := judge(a)
				require.True(t, p > 0 && p <= 1, "P(%v) = %v", a, p)
				higher := judge(a * 1.01)
				require.LessOrEqual(t, higher, p*(1+1e-12), "P rises between %v and %v", a, a*1.01)
			}
			require.False(t, math.IsInf(e.Surprise(&m, a), 0))
		}
	})
}

func TestTheTotalIsTheSumOfTheCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{Memory: rapid.IntRange(MinMemory, 1000).Draw(t, "memory")})
		require.NoError(t, err)
		var m Tail
		for _, v := range stream(t) {
			e.Learn(&m, v, rapid.SampledFrom([]float64{0, 0.01, 0.5, 1}).Draw(t, "weight"))
			sum := uint32(m.zero)
			for _, c := range m.counts {
				sum += uint32(c)
			}
			require.Equal(t, m.total, sum)
			require.LessOrEqual(t, m.Count(), float64(e.s.Memory))
		}
	})
}

func TestStrangeValuesChangeNothing(t *testing.T) {
	e := estimator(t, Settings{})
	var m Tail
	for i := range 100 {
		e.Learn(&m, float64(i), 1)
	}
	before := m
	for _, v := range []float64{math.NaN(), -1, math.Inf(-1)} {
		e.Learn(&m, v, 1)
		require.Equal(t, 1.0, e.P(&m, v))
	}
	e.Learn(&m, 5, 0)
	e.Learn(&m, 5, math.NaN())
	require.Equal(t, before, m)
	require.Equal(t, 1.0, e.P(&Tail{}, 1e9), "an empty memory knows nothing")
	require.Zero(t, e.Quantile(&Tail{}, 0.01))
}

func TestAConstantStreamIsOrdinaryAndItsDoubleIsNot(t *testing.T) {
	e := estimator(t, Settings{})
	var m Tail
	for range 1000 {
		e.Observe(&m, 42)
	}
	require.Greater(t, e.P(&m, 42), 0.5)
	require.Less(t, e.P(&m, 84), 0.002)
	require.Equal(t, 1.0, e.P(&m, 41))
}

// Scaling by a power of two moves every bucket index by a whole number, so even the state's shape is the same.
func TestAPowerOfTwoChangesNoP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{})
		require.NoError(t, err)
		unit := math.Ldexp(1, rapid.IntRange(-60, 60).Draw(t, "exponent"))
		var a, b Tail
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		for range 500 {
			v := math.Exp(r.NormFloat64())
			require.InEpsilon(t, e.Observe(&a, v), e.Observe(&b, v*unit), 1e-9)
		}
	})
}

// The bucket of a value is that of its binary logarithm, but within the last digits of an edge, where the logarithm errs.
func TestABucketIsFoundAsByTheLogarithm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.OneOf(rapid.Float64Range(tiny, huge), rapid.Float64Range(0.5, 1e6), rapid.Map(rapid.IntRange(1, 1<<40), func(n int) float64 { return float64(n) })).Draw(t, "x")
		buckets := math.Log2(x) * (1 << finestScale)
		if math.Abs(buckets-math.Round(buckets)) > 1e-9 && float64(finest(x)) != math.Floor(buckets) {
			t.Fatalf("%v lies in bucket %d, want %v", x, finest(x), math.Floor(buckets))
		}
		octave := rapid.IntRange(-900, 900).Draw(t, "octave")
		if power := math.Ldexp(1, octave); finest(power) != octave<<finestScale || finest(math.Nextafter(power, 0)) != octave<<finestScale-1 {
			t.Fatalf("2^%d does not begin a bucket", octave)
		}
	})
}

func TestTheSameInputsGiveTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{})
		require.NoError(t, err)
		var a, b Tail
		for _, v := range stream(t) {
			require.Equal(t, e.Observe(&a, v), e.Observe(&b, v))
		}
		require.Equal(t, a, b)
	})
}

func TestAbsorbLearnsAsObserveDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{
			Discrete: rapid.Bool().Draw(t, "discrete"), Memory: rapid.IntRange(MinMemory, 1000).Draw(t, "memory"),
			Suspicious: rapid.SampledFrom([]float64{-1, 1e-5, 0.002, 0.3}).Draw(t, "suspicious"),
		})
		require.NoError(t, err)
		var a, b Tail
		for _, v := range stream(t) {
			e.Observe(&a, v)
			e.Absorb(&b, v)
			require.Equal(t, a, b)
		}
	})
}

// A stored state goes on exactly as the original would have.
func TestAStoredStateGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, err := New(Settings{Memory: 300})
		require.NoError(t, err)
		values := stream(t)
		var a, b Tail
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		for _, v := range values[:cut] {
			e.Observe(&a, v)
		}
		stored, err := a.MarshalBinary()
		require.NoError(t, err)
		require.Len(t, stored, EncodedBytes)
		require.NoError(t, b.UnmarshalBinary(stored))
		require.Equal(t, a, b)
		for _, v := range values[cut:] {
			require.Equal(t, e.Observe(&a, v), e.Observe(&b, v))
		}
	})
}

func FuzzUnmarshalBinary(f *testing.F) {
	e := estimator(f, Settings{Memory: MinMemory})
	var m Tail
	for i := range 200 {
		stored, _ := m.MarshalBinary()
		if i%20 == 0 {
			f.Add(stored)
		}
		e.Observe(&m, float64(i*i%97))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Tail
		if err := m.UnmarshalBinary(b); err != nil {
			require.ErrorIs(t, err, ErrEncoding)
			require.Equal(t, Tail{}, m)
			return
		}
		for i := range 300 { // whatever was accepted must not make the arithmetic fail
			p := e.Observe(&m, math.Exp2(float64(i%60-30)))
			require.True(t, p > 0 && p <= 1)
		}
	})
}

func TestATailTakes144Bytes(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Tail{}), uintptr(144))
}

func TestQuantileIsTheInverseOfP(t *testing.T) {
	for _, law := range laws {
		e := estimator(t, Settings{Discrete: law.discrete})
		r := rand.New(rand.NewPCG(3, 3))
		var m Tail
		for range 4000 {
			e.Observe(&m, law.draw(r))
		}
		for _, p := range []float64{0.3, 0.1, 0.03, 1e-2, 1e-3, 1e-5, 1e-8} {
			q := e.Quantile(&m, p)
			require.LessOrEqual(t, e.P(&m, q*(1+1e-9)), p*1.0001, "%s at %g", law.name, p)
			if !law.discrete {
				require.GreaterOrEqual(t, e.P(&m, q*0.85), p, "%s at %g", law.name, p)
			}
		}
	}
}

// What the tail is for: an attack of 200 observations at 20 times the level must not teach it that this is ordinary, and one absurd
// value must not move it at all.
func TestAnAnomalyDoesNotTeachTheTail(t *testing.T) {
	e := estimator(t, Settings{})
	r := rand.New(rand.NewPCG(1, 1))
	draw := func() float64 { return negBin(r, 20, 2) }
	var clean Tail
	for range 2000 {
		e.Observe(&clean, draw())
	}
	spiked := clean
	e.Observe(&spiked, 1e12)
	require.InEpsilon(t, e.Quantile(&clean, 1e-4), e.Quantile(&spiked, 1e-4), 0.1, "one absurd value")

	attacked := clean
	for i := range 200 {
		p := e.Observe(&attacked, 400+draw())
		require.Less(t, p, 1e-4, "observation %d of the attack passes as ordinary", i)
	}
	require.Greater(t, e.P(&attacked, 20), 0.2, "the body is what it was")
}

func TestALastingChangeIsAcceptedInTheEnd(t *testing.T) {
	e := estimator(t, Settings{Memory: 1000})
	r := rand.New(rand.NewPCG(1, 2))
	var m Tail
	for range 2000 {
		e.Observe(&m, negBin(r, 20, 2))
	}
	for range 3000 {
		e.Observe(&m, 50*negBin(r, 20, 2))
	}
	require.Greater(t, e.P(&m, 1000), 0.1)
	for range 9000 { // and back, until the old level has decayed: the window must follow the level down, too
		e.Observe(&m, negBin(r, 20, 2)/50)
	}
	require.Less(t, e.P(&m, 20), 1e-4)
	require.Greater(t, e.P(&m, 0.3), 0.2)
}

func BenchmarkObserve(b *testing.B) {
	e := estimator(b, Settings{})
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 1<<14)
	for i := range values {
		values[i] = math.Exp(r.NormFloat64())
	}
	b.Run("Tail", func(b *testing.B) {
		b.ReportAllocs()
		var m Tail
		for i := 0; b.Loop(); i++ {
			e.Observe(&m, values[i&(len(values)-1)])
		}
	})
	b.Run("Exact", func(b *testing.B) {
		b.ReportAllocs()
		x := e.NewExact()
		for i := 0; b.Loop(); i++ {
			x.Observe(values[i&(len(values)-1)])
		}
	})
}
