package tail

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// traffic is a law of independent draws.
type traffic struct {
	name     string
	discrete bool
	heavy    bool
	draw     func(*rand.Rand) float64
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 30 { // by halves: exp(-mean) must not underflow, and the loop stays short
		return poisson(r, mean/2) + poisson(r, mean/2)
	}
	limit, product, k := math.Exp(-mean), r.Float64(), 0.0
	for product > limit {
		product *= r.Float64()
		k++
	}
	return k
}

// gamma draws by Marsaglia and Tsang (2000).
func gamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1) * math.Pow(r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

func negBin(r *rand.Rand, mean, size float64) float64 {
	return poisson(r, gamma(r, size)*mean/size)
}

var laws = []traffic{
	{"Poisson 0.2", true, false, func(r *rand.Rand) float64 { return poisson(r, 0.2) }},
	{"Poisson 3", true, false, func(r *rand.Rand) float64 { return poisson(r, 3) }},
	{"NegBin mean 5 size 0.3", true, false, func(r *rand.Rand) float64 { return negBin(r, 5, 0.3) }},
	{"NegBin mean 20 size 1", true, false, func(r *rand.Rand) float64 { return negBin(r, 20, 1) }},
	{"exponential", false, false, func(r *rand.Rand) float64 { return r.ExpFloat64() }},
	{"half-normal", false, false, func(r *rand.Rand) float64 { return math.Abs(r.NormFloat64()) }},
	{"lognormal s=1", false, false, func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }},
	{"Pareto index 3", false, true, func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1.0/3) }},
	{"normal 1000 sd 10", false, false, func(r *rand.Rand) float64 { return 1000 + 10*r.NormFloat64() }},
}

var nominal = []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}

// realised is the share of p-values at or below each nominal level: keys streams of length draws, the first skip not counted.
func realised(tb testing.TB, law traffic, exact bool, keys, draws, skip int) []float64 {
	tb.Helper()
	e, err := New(Settings{Discrete: law.discrete})
	if err != nil {
		tb.Fatal(err)
	}
	hits := make([]float64, len(nominal))
	tests := 0.0
	for key := range keys {
		r := rand.New(rand.NewPCG(uint64(key), 7))
		var t Tail
		x := e.NewExact()
		for i := range draws {
			v := law.draw(r)
			var p float64
			if exact {
				p = x.Observe(v)
			} else {
				p = e.Observe(&t, v)
			}
			if i < skip {
				continue
			}
			tests++
			for j, level := range nominal {
				if p <= level {
					hits[j]++
				}
			}
		}
	}
	for j := range hits {
		hits[j] /= tests
	}
	return hits
}

// Factor 1.6 is what a fit to 40 exceedances may cost, plus four standard deviations of the count of hits.
func TestRealisedRateMatchesP(t *testing.T) {
	for _, law := range laws {
		for _, exact := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/exact=%v", law.name, exact), func(t *testing.T) {
				t.Parallel()
				got := realised(t, law, exact, 40, 8000, 1000)
				for j, level := range nominal[:5] { // what the package promises: down to 1e-5
					noise := 4 * math.Sqrt(level/(40*7000))
					most := 1.6*level + noise
					if law.heavy && level < 1e-2 {
						most = 6*level + noise // a power tail is beyond what 40 exceedances can tell
					}
					if got[j] > most {
						t.Errorf("P <= %g happens at rate %.2g, at most %.2g is wanted", level, got[j], most)
					}
					if least := 0.7*level - noise; !law.discrete && level >= 1e-2 && got[j] < least {
						t.Errorf("P <= %g happens at rate %.2g, at least %.2g is wanted", level, got[j], least)
					}
				}
			})
		}
	}
}

var update = flag.Bool("update", false, "write CALIBRATION.md")

// The table that is committed: go test ./detect/tail -run CalibrationTable -update.
func TestCalibrationTable(t *testing.T) {
	const file = "CALIBRATION.md"
	if !*update {
		table, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, law := range laws {
			require.Contains(t, string(table), law.name, "run the test with -update")
		}
		return
	}
	var b strings.Builder
	b.WriteString(`# Calibration of the tail

Realised rate of P <= p: 150 streams of 8,000 independent draws each, the first 1,000 not counted, each value learnt after it
was judged (Observe, default settings). Made by "go test ./detect/tail -run CalibrationTable -update"; seeds are fixed, so the
table is reproducible. A rate under p is safe and costs detection; a rate above p is false alarms that were not asked for.
Discrete laws stay under p because P(X >= x) includes the atom at x. A resolution of 0.5% is too coarse for the last row:
subtract a location first, or use Exact.

| traffic | memory | 1e-1 | 1e-2 | 1e-3 | 1e-4 | 1e-5 | 1e-6 |
|---|---|---|---|---|---|---|---|
`)
	for _, law := range laws {
		for _, exact := range []bool{false, true} {
			name := map[bool]string{false: "Tail", true: "Exact"}[exact]
			fmt.Fprintf(&b, "| %s | %s |", law.name, name)
			for _, rate := range realised(t, law, exact, 150, 8000, 1000) {
				fmt.Fprintf(&b, " %.1e |", rate)
			}
			b.WriteString("\n")
		}
	}
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
}
