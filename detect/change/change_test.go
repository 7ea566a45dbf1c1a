package change

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

func TestLogRatioIsTheRatioOfTheLikelihoods(t *testing.T) {
	logNegBin := func(k, mean, size float64) float64 {
		a, _ := math.Lgamma(k + size)
		b, _ := math.Lgamma(size)
		c, _ := math.Lgamma(k + 1)
		return a - b - c + size*math.Log(size/(size+mean)) + k*math.Log(mean/(size+mean))
	}
	rapid.Check(t, func(t *rapid.T) {
		k := float64(rapid.IntRange(0, 200).Draw(t, "count"))
		mean := rapid.Float64Range(0.01, 100).Draw(t, "mean")
		level := rapid.Float64Range(0.1, 10).Draw(t, "level")
		poisson := distuv.Poisson{Lambda: level * mean}.LogProb(k) - distuv.Poisson{Lambda: mean}.LogProb(k)
		require.InDelta(t, poisson, LogRatio(k, mean, math.Inf(1), level), 1e-7*(1+math.Abs(poisson)))
		require.InDelta(t, poisson, LogRatio(k, mean, 1e12, level), 1e-4*(1+math.Abs(poisson)), "a large size is Poisson")
		size := rapid.Float64Range(0.05, 50).Draw(t, "size")
		want := logNegBin(k, level*mean, size) - logNegBin(k, mean, size)
		require.InDelta(t, want, LogRatio(k, mean, size, level), 1e-7*(1+math.Abs(want)))
	})
}

func TestStrangeBucketsChangeNothing(t *testing.T) {
	var d Drift
	d.Observe(9, 3, 2)
	before := d
	inf, nan := math.Inf(1), math.NaN()
	for _, b := range [][3]float64{{nan, 3, 2}, {-1, 3, 2}, {inf, 3, 2}, {3, 0, 2}, {3, -1, 2}, {3, nan, 2}, {3, inf, 2}, {3, 3, 0}, {3, 3, nan}} {
		d.Observe(b[0], b[1], b[2])
		require.Equal(t, before, d, "%v", b)
	}
	d.Observe(1e300, 1e-300, 1e-300)
	require.False(t, math.IsNaN(d.Up()) || math.IsNaN(d.Down()))
	d.Reset()
	require.Zero(t, d.Up()+d.Down())
	require.Equal(t, 1.0, d.UpBy())
}

func TestOneSpikeIsNoDrift(t *testing.T) {
	var d Drift
	d.Observe(1e9, 3, 2)
	require.LessOrEqual(t, d.Up(), MaxStep*math.Log10E)
}

type law struct {
	name       string
	mean, size float64
	day        bool // the expectation follows the hour
}

var nulls = []law{
	{"Poisson 0.2", 0.2, math.Inf(1), false},
	{"Poisson 3", 3, math.Inf(1), true},
	{"NegBin 5 size 0.3", 5, 0.3, false},
	{"NegBin 20 size 1", 20, 1, true},
	{"NegBin 500 size 5", 500, 5, true},
}

func (l law) at(i int) float64 {
	if l.day {
		return l.mean * (1 + 0.9*math.Sin(float64(i)/24*2*math.Pi))
	}
	return l.mean
}

func (l law) draw(r *rand.Rand, mean float64) float64 {
	if !math.IsInf(l.size, 1) {
		mean = distuv.Gamma{Alpha: l.size, Beta: l.size / mean, Src: r}.Rand()
	}
	if mean <= 0 {
		return 0
	}
	return distuv.Poisson{Lambda: mean, Src: r}.Rand()
}

// The promise: at any time, a surprise of x has probability of at most 10^-x, whatever the law and the time of day.
func TestSurpriseIsAValidPValueAtAnyTime(t *testing.T) {
	for _, l := range nulls {
		r := rand.New(rand.NewPCG(1, 1))
		const buckets = 400_000
		var d Drift
		var up, down [3]int
		for i := range buckets {
			d.Observe(l.draw(r, l.at(i)), l.at(i), l.size)
			for x := range up {
				if d.Up() >= float64(x+1) {
					up[x]++
				}
				if d.Down() >= float64(x+1) {
					down[x]++
				}
			}
		}
		for x := range up {
			// Excursions last for a hundred buckets, so that the noise is that of as many times fewer independent ones.
			level := math.Pow(10, -float64(x+1))
			most := level + 4*math.Sqrt(level*100/buckets)
			require.LessOrEqual(t, float64(up[x])/buckets, most, "%s up at %d", l.name, x+1)
			require.LessOrEqual(t, float64(down[x])/buckets, most, "%s down at %d", l.name, x+1)
		}
	}
}

// runLength is the mean number of buckets until the surprise first reaches x.
func runLength(l law, x, level float64, rounds, most int, pick func(*Drift) float64) float64 {
	r := rand.New(rand.NewPCG(2, 2))
	sum := 0
	for range rounds {
		var d Drift
		for i := range most {
			sum++
			d.Observe(l.draw(r, level*l.at(i)), l.at(i), l.size)
			if pick(&d) >= x {
				break
			}
		}
	}
	return float64(sum) / float64(rounds)
}

func TestTheFirstFalseAlarmIsLateAndTheChangeIsFoundSoon(t *testing.T) {
	for _, l := range nulls {
		require.GreaterOrEqual(t, runLength(l, 2, 1, 200, 2000, (*Drift).Up), 100.0, "%s up", l.name)
		require.GreaterOrEqual(t, runLength(l, 2, 1, 200, 2000, (*Drift).Down), 100.0, "%s down", l.name)
	}
	// Delay at surprise 4 (a false alarm in 10,000 buckets at most), against what the information in a bucket allows.
	for _, c := range []struct {
		law   law
		level float64
		most  float64
	}{
		{nulls[0], 4, 60}, {nulls[1], 1.5, 45}, {nulls[1], 2, 15}, {nulls[3], 2, 60}, {nulls[4], 1.5, 40}, {nulls[4], 4, 10},
	} {
		require.LessOrEqual(t, runLength(c.law, 4, c.level, 100, 5000, (*Drift).Up), c.most, "%s times %v", c.law.name, c.level)
	}
	require.LessOrEqual(t, runLength(nulls[1], 4, 0.25, 100, 5000, (*Drift).Down), 15.0)
	require.LessOrEqual(t, runLength(nulls[4], 4, 0.5, 100, 5000, (*Drift).Down), 40.0)
}

func TestTheFactorIsToldApart(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for level, by := range map[float64]float64{1.5: 1.5, 2: 2, 5: 4} {
		var d Drift
		for i := range 400 {
			d.Observe(nulls[1].draw(r, level*nulls[1].at(i)), nulls[1].at(i), math.Inf(1))
		}
		require.Equal(t, by, d.UpBy())
	}
}

// The run length of one sum agrees with the Markov chain of Brook and Evans (1972), solved by gonum: the sum is rounded to cells and the
// mean time to absorption is (I-Q)^-1 1.
func TestRunLengthAgreesWithTheMarkovChain(t *testing.T) {
	const mean, level, limit, cells = 3.0, 2.0, 4.0, 600
	poisson := distuv.Poisson{Lambda: mean}
	width := limit / (cells - 0.5)
	chain := mat.NewDense(cells, cells, nil)
	for from := range cells {
		chain.Set(from, from, 1)
		for k := range 40 {
			to := int(math.Round(max(0, float64(from)*width+min(LogRatio(float64(k), mean, math.Inf(1), level), MaxStep)) / width))
			if to < cells {
				chain.Set(from, to, chain.At(from, to)-poisson.Prob(float64(k)))
			}
		}
	}
	ones := mat.NewVecDense(cells, nil)
	for i := range cells {
		ones.SetVec(i, 1)
	}
	var times mat.VecDense
	require.NoError(t, times.SolveVec(chain, ones))
	require.GreaterOrEqual(t, times.AtVec(0), math.Exp(limit), "Lorden's bound")

	r := rand.New(rand.NewPCG(4, 4))
	const rounds = 600
	sum := 0
	for range rounds {
		s := float32(0)
		for float64(s) < limit {
			sum++
			s = next(s, LogRatio(distuv.Poisson{Lambda: mean, Src: r}.Rand(), mean, math.Inf(1), level))
		}
	}
	require.InEpsilon(t, times.AtVec(0), float64(sum)/rounds, 0.2)
}

func BenchmarkObserve(b *testing.B) {
	var d Drift
	for i := 0; b.Loop(); i++ {
		d.Observe(float64(i%7), 3, 2)
	}
}
