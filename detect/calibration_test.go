package detect

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// A bet's realised rate of reaching x under its own null must stay under 10^-x, whenever one looks. The table is in
// CALIBRATION.md.

func rates(t *testing.T, runs int, name string, run func(rng *rand.Rand) float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	var over [4]int
	for range runs {
		s := run(rng)
		for x := range over {
			if s >= float64(x)*0.5+1 {
				over[x]++
			}
		}
	}
	for x, n := range over {
		level := math.Pow(10, -(float64(x)*0.5 + 1))
		got := float64(n) / float64(runs)
		t.Logf("%s: P(evidence >= %.1f) = %.2g, claimed at most %.2g", name, float64(x)*0.5+1, got, level)
		if slack := 4 * math.Sqrt(level/float64(runs)); got > level+slack {
			t.Errorf("%s: evidence %.1f is reached in %.4f of the runs, claimed at most %.4f", name, float64(x)*0.5+1, got, level)
		}
	}
}

func TestErrorBetsAreValidUnderTheirNull(t *testing.T) {
	e := freshEngine()
	k := &keyState{}
	for class, name := range map[int]string{errDenied: "denied", errAbsent: "absent", errDeclined: "declined"} {
		h := e.expectedErrors(k, class)
		rates(t, 4000, name, func(rng *rand.Rand) float64 {
			usual, worst := distuv.Beta{Alpha: h.a, Beta: h.b, Src: rng}, 0.0
			rate := usual.Rand()
			if rng.Float64() < clumsyShare {
				c := clumsyClient[class]
				rate = distuv.Beta{Alpha: c.a, Beta: c.b, Src: rng}.Rand()
			}
			a := &actor{fresh: true}
			for range 200 { // looked at after every request
				a.winN++
				if rng.Float64() < rate {
					a.errK[class]++
				}
				worst = max(worst, e.errorEvidence(k, a))
			}
			return worst
		})
	}
}

func TestMoneyBetsAreValidUnderTheirNull(t *testing.T) {
	rates(t, 4000, "money", func(rng *rand.Rand) float64 {
		client, worst := rng.NormFloat64()*math.Sqrt(clientSpread), 0.0
		var x excess
		for range 100 {
			x.add(client+0.9*rng.NormFloat64(), 0.81)
			worst = max(worst, x.bet(clientSpread))
		}
		return worst
	})
}

func TestWalkBetsAreValidForRandomIds(t *testing.T) {
	null := defaultGaps
	rates(t, 4000, "walk", func(rng *rand.Rand) float64 {
		var w walk
		worst := 0.0
		for range 200 {
			x, class := rng.Float64(), 0
			for class < gapClasses-1 && x > null[class] {
				x -= null[class]
				class++
			}
			w.step(class, &null)
			worst = max(worst, w.score())
		}
		return worst
	})
}

func TestLogBetaIsGonums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(0.01, 500).Draw(t, "a"), rapid.Float64Range(0.01, 500).Draw(t, "b")
		if got, want := (beta{a, b}).lbeta(0, 0), mathext.Lbeta(a, b); math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Fatalf("the logarithm of the beta function of %v, %v is %v, gonum says %v", a, b, got, want)
		}
	})
}

func TestNormalRatioIsGonums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, m := rapid.Float64Range(-5, 5).Draw(t, "x"), rapid.Float64Range(-3, 3).Draw(t, "m")
		v1, v0 := rapid.Float64Range(0.1, 4).Draw(t, "v1"), rapid.Float64Range(0.1, 4).Draw(t, "v0")
		want := (distuv.Normal{Mu: m, Sigma: math.Sqrt(v1)}.LogProb(x) - distuv.Normal{Sigma: math.Sqrt(v0)}.LogProb(x)) / math.Ln10
		if got := logNormalRatio(x, m, v1, 0, v0); math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Fatalf("got %v, gonum says %v", got, want)
		}
	})
}

func TestMoreErrorsAreMoreEvidence(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(10, 250).Draw(t, "n")
		hits := rapid.IntRange(1, n-1).Draw(t, "hits")
		class := rapid.IntRange(0, errorClasses-1).Draw(t, "class")
		less, more := &actor{winN: float32(n), fresh: true}, &actor{winN: float32(n), fresh: true}
		less.errK[class], more.errK[class] = float32(hits), float32(hits+1)
		if a, b := e.errorEvidence(k, less), e.errorEvidence(k, more); b < a-1e-9 {
			t.Fatalf("%d of %d: %v, one more: %v", hits, n, a, b)
		}
	})
}

func TestMoreMoneyIsMoreEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := float32(rapid.IntRange(2, 100).Draw(t, "n"))
		x := rapid.Float64Range(0, 3.4).Draw(t, "x")
		some, more := excess{n, n * float32(x), n * 0.8}, excess{n, n * float32(x+0.1), n * 0.8}
		if a, b := some.bet(clientSpread), more.bet(clientSpread); b < a-1e-6 {
			t.Fatalf("%v: %v, more: %v", x, a, b)
		}
	})
}
