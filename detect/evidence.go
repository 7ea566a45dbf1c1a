package detect

import "math"

// finding is the evidence about one actor: log10 of the bet, by family.
type finding struct {
	by      [familyCount]float64
	overlap float64 // against (negative) or for: whether it asks for the objects that the customer uses
}

func (f *finding) who() float64 { return f.by[FamilyNovelty] }

// total is what all families together say.
func (f *finding) total() float64 {
	s := 0.0
	for _, v := range f.by {
		s += v
	}
	return s
}

// harmonic is the harmonic mean of the families' p-values (Wilson 2019), valid under any dependence up to a small factor.
func (f *finding) harmonic() float64 {
	n, sum := 0.0, 0.0
	for _, v := range f.by {
		if v > 0 {
			n++
			sum += math.Pow(10, v)
		}
	}
	if n == 0 {
		return 1
	}
	return min(1, n/sum)
}

// fisher combines two p-values of one family, given and returned as -log10 (Fisher 1925): with s the sum of the natural
// logarithms, p = exp(-s)(1+s).
func fisher(x, y float64) float64 {
	x, y = max(0, x), max(0, y)
	if x == 0 || y == 0 {
		return x + y
	}
	s := (x + y) * math.Ln10
	return max(x, y, x+y-math.Log10(1+s))
}

// Bounds of what one family may say: past them more of the same tells nothing new.
const (
	maxEnumeration   = 8
	maxErrors        = 6
	maxMoney         = 6
	maxRouteEvidence = 2.5
	maxPace          = 2.5
)

// find weighs everything known about an actor.
func (e *Engine) find(k *keyState, a *actor) (f finding) {
	f.by[FamilyNovelty] = float64(a.who)
	f.by[FamilyEnumeration] = min(maxEnumeration, max(a.walk.score(), k.exhaustion(a)))
	f.by[FamilyErrors] = min(maxErrors, e.errorEvidence(k, a))
	f.by[FamilyMoney] = min(maxMoney, e.moneyEvidence(k, a))
	f.by[FamilyRoutes] = max(-0.5, min(maxRouteEvidence, routeEvidence(a)))
	f.by[FamilyVolume] = k.outpace(a)
	f.by[FamilyDormancy] = k.dormancy()
	f.overlap = k.overlap(a)
	return f
}
