package detect

import "github.com/tollkeeper/tollkeeper/detect/combine"

// finding is the evidence about one actor: log10 of the bet, by family.
type finding struct {
	by      [familyCount]float64
	moved   float64 // against: the customer's own clients fell silent as it came
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

// harmonic is the families' common p-value by the harmonic mean, valid however they depend on each other.
func (f *finding) harmonic() float64 {
	var speaking [familyCount]float64
	n := 0
	for _, v := range f.by {
		if v > 0 {
			speaking[n] = v
			n++
		}
	}
	return probability(combine.Harmonic(speaking[:n]...))
}

// together combines two bets of one family. Where one is silent the other counts alone; and two never count less than the better
// of them, since either is a bet by itself.
func together(x, y float64) float64 {
	x, y = max(0, x), max(0, y)
	if x == 0 || y == 0 {
		return x + y
	}
	return max(x, y, combine.Fisher(x, y))
}

// Bounds of what one family may say: past them more of the same tells nothing new.
const (
	maxEnumeration   = 8
	maxErrors        = 6
	maxMoney         = 6
	maxRouteEvidence = 2.5
	maxPace          = 4.0
)

// find weighs everything known about an actor.
func (e *Engine) find(k *keyState, a *actor) (f finding) {
	f.by[FamilyNovelty] = float64(a.who)
	f.by[FamilyEnumeration] = min(maxEnumeration, max(a.walk.score(), k.exhaustion(a)))
	f.by[FamilyErrors] = min(maxErrors, max(e.errorEvidence(k, a), e.doorEvidence(k, a)))
	f.by[FamilyMoney] = min(maxMoney, e.moneyEvidence(k, a))
	f.by[FamilyRoutes] = max(-0.5, min(maxRouteEvidence, routeEvidence(a)))
	f.by[FamilyVolume] = k.outpace(a).evidence
	// Many calls use many units: what the pace says about units it does not say once more about calls.
	f.by[FamilyVolume] = max(0, f.by[FamilyVolume]-e.spending(k, a))
	f.by[FamilyDormancy] = e.dormancy(k)
	f.by[FamilyGeography] = a.distance()
	f.by[FamilyRhythm] = together(e.regularity(k, a), k.offHours(a))
	// Large answers and many units take their time: what they say is not said once more.
	f.by[FamilyLatency] = max(0, min(maxLatency, e.latencyEvidence(k, a))-f.by[FamilyMoney])
	f.overlap = k.overlap(a)
	f.moved = e.succession(k, a, a.last)
	return f
}
