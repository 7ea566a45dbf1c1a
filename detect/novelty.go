package detect

import "math"

// What else is new about a client in a new network says little more: they come together. At most this much is added.
const (
	countryBonus = 0.3
	agentBonus   = 0.5
	hostileBonus = 1.0 // the network was behind an alert about another key, or behind guessed keys
	provenBonus  = 1.5 // a person confirmed that this network abused this key
)

// meet rates how new a client is when it comes first.
func (e *Engine) meet(k *keyState, a *actor, net, agent, cc *entry) {
	if k.filling(a.first) {
		return
	}
	s := 0.0
	switch {
	case !net.established():
		a.netNew = true
		s = -math.Log10(k.newRate(kindNet)) + e.unpopular(a.net)
		if e.moving(a.net) {
			s = 0
		} else if e.wasHostile(a.net, a.first) {
			s += hostileBonus
		}
	case a.fresh:
		s = -math.Log10(k.newRate(kindAddr))
	}
	if !cc.established() {
		s += min(countryBonus, -0.3*math.Log10(k.newRate(kindCountry)))
	}
	if !agent.established() {
		s += min(agentBonus, -0.3*math.Log10(k.newRate(kindAgent)))
	}
	if net.hostile() {
		s += provenBonus
	}
	kind := kindAddr
	if a.netNew {
		kind = kindNet
	}
	a.rate = float32(k.newRate(kind))
	a.who = float32(max(0, s))
}

// unpopular compares how thieves choose networks (anywhere) with how customers do (where customers are). It is the logarithm of
// that ratio, between about -0.25 and 0.7.
func (e *Engine) unpopular(net uint32) float64 {
	const networks, enoughKeys = 100.0, 20
	if e.keys.len() < enoughKeys {
		return 0
	}
	p := float64(e.netKeys[net]) / float64(e.keys.len())
	return math.Log10((0.5*p + 0.5/networks) / (0.9*p + 0.1/networks))
}

const strangerHits = 0.04 // false hits of the filter, and objects that everybody asks for

// overlap bets on "a stranger, who cannot know the customer's objects" against "another client of the customer".
func (k *keyState) overlap(a *actor) float64 {
	if a.idN < 4 || k.knownIDs < 0.3 {
		return 0
	}
	rho := 0.7 * float64(k.knownIDs)
	s := float64(a.idKnown)*math.Log10(strangerHits/rho) + float64(a.idN-a.idKnown)*math.Log10((1-strangerHits)/(1-rho))
	return max(-2.5, min(0.5, s)) // half of all new clients of customers have objects of their own
}
