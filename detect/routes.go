package detect

import "math"

// Share of a client's routes that are new to the key: customers' new clients mostly do what the key already does.
var (
	customersNewRoutes = beta{1, 4}
	strangersNewRoutes = beta{2, 1.5}
)

const rareRoute = 0.5 // for every new route that hardly any key of the platform uses, up to four

func routeEvidence(a *actor) float64 {
	if a.routesNew == 0 {
		return 0
	}
	n := float64(a.routesNew) + float64(a.routesKnown)
	return logBayes(float64(a.routesNew), n, customersNewRoutes, strangersNewRoutes) + rareRoute*min(4, float64(a.rare))
}

// dormancy is how unusual the silence was that has just ended: a Pareto tail of shape 1/2 beyond the longest one before.
func (k *keyState) dormancy() float64 {
	if k.gapSec == 0 {
		return 0
	}
	const day = 86400.0
	return max(0, 2*math.Log10((float64(k.gapSec)+day)/(float64(k.maxGapSec)+day)))
}
