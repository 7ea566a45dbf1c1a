package detect

// idle says of a new client that nothing it did is evidence of anything, and that how new it is, with the most that objects strange to the key would add, is
// less than an alert about it needs. New addresses of customers are mostly like that for as long as they are watched. It costs no logarithm.
func (e *Engine) idle(k *keyState, a *actor) bool {
	switch {
	case a.errK != [errorClasses]float32{errFaulty: a.errK[errFaulty]}, a.errK[errFaulty] > harmlessErrors*a.winN, a.routesNew > 0, a.slow > 0, k.gapSec > 0:
		return false
	case a.walk.score() > 0, k.exhaustion(a) > 0:
		return false
	case a.took.bet(clientSpread) > 0, e.moneyEvidence(k, a) > 0, k.outpace(a).evidence > 0:
		return false
	case a.n < leastRequestsFlag:
		return true
	}
	most := float32(0)
	if a.objects >= oddLeast {
		most = oddCopy
	}
	return a.who+most < a.level
}
