package detect

import (
	"fmt"
	"math"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What else is new about a client in a new network says little more: they come together. At most this much is added.
const (
	countryBonus = 0.3
	agentBonus   = 0.4
	hostileBonus = 1.0 // the network was behind an alert about another key, or behind guessed keys
	renumbered   = 0.5 // arrivals of addresses in memory: the key's line has shown that it gets new ones
	provenBonus  = 1.5 // a person confirmed that this network abused this key
)

// meet rates how new a client is when it comes first.
func (e *Engine) meet(k *keyState, a *actor, seen *sighting) {
	net := seen.at[kindNet]
	if k.hours != nil {
		a.mark, a.minutes, a.seldoms = k.hours.record, k.hours.minutes.record, k.hours.seldom.record
	}
	if k.filling(a.first) {
		return
	}
	a.netNew = !net.established()
	who, line := e.strangeness(k, a, seen, true)
	// People who move together come with several programs, of which one is the first. Where the rest is enough for a suspension that is no excuse, but an alert must say
	// more than that the next one is there.
	if seen.again() {
		next, _ := e.strangeness(k, a, seen, false)
		line += max(0, who-next)
	}
	a.who, a.line = float32(who), float32(line)
	if net.hostile() {
		a.who += provenBonus
	}
}

const newcomers = 32

// joined rates a client anew whose latest call is from one more address, where all else about it is the customer's: machines that live for an hour, and telephones, show up
// at new addresses all the time, and all of them are one client that is there for days. By then the key has shown how often that happens, and what it showed before
// today speaks for the rest of them. Addresses that come today say nothing of themselves: a thief may bring as many as it likes.
func (k *keyState) joined(a *actor, seen *sighting, t int64) {
	if k.day == int32(a.first/86400e3) || seen.at[kindNet].hostile() {
		return
	}
	for _, kind := range [...]int{kindNet, kindAgent, kindCountry} {
		if !seen.at[kind].established() {
			return
		}
	}
	a.thin(newcomers)
	rate := k.rateOf(kindAddr, max(0, k.arrived[kindAddr]-float32(k.today[kindAddr])))
	a.settled = max(a.settled, a.who-a.elsewhere+float32(math.Log10(rate)))
}

// strangeness is how new a client is that comes first, by what this key showed before what is new about it was there, or by all that it showed so far; and how much of that an address
// that changed during a silence explains. It notes what is rarest about the client.
func (e *Engine) strangeness(k *keyState, a *actor, seen *sighting, before bool) (who, line float64) {
	rate := func(kind int) float64 {
		if before {
			return k.rateBut(kind, seen.at[kind])
		}
		return k.newRate(kind)
	}
	agent := seen.at[kindAgent]
	s := 0.0
	switch {
	case a.netNew:
		s = -math.Log10(rate(kindNet)) + e.unpopular(a.net)
		if e.moving(a.net) {
			s = 0
		} else if e.wasHostile(a.net, a.first) {
			s += hostileBonus
		}
	case a.fresh:
		days, rate := 1.0, rate(kindAddr)
		if k.arrived[kindAddr] >= renumbered && agent.established() {
			days += float64(k.gapSec) / 86400 // lines that are renumbered are so while the key rests, too
		}
		s = -math.Log10(min(1, days*rate))
		// Of others it may be so as well: an alert must say more than that.
		line = s + math.Log10(min(1, (1+float64(k.gapSec)/86400)*rate))
	}
	news := kindAddr
	if a.netNew {
		news = kindNet
	}
	if !seen.at[kindCountry].established() {
		s += min(countryBonus, -0.3*math.Log10(rate(kindCountry)))
	}
	if !agent.established() {
		// New together with the network it says little more. But where new networks or addresses are daily bread, as behind an app, a
		// program that was never there is the news; unless it comes from many of them, as a release does.
		program := -math.Log10(rate(kindAgent))
		if k.everywhere(a.agent) {
			program = 0
		}
		if program > s {
			news = kindAgent
		}
		s = max(s, program) + min(agentBonus, 0.3*min(s, program))
	}
	if before {
		a.news, a.rate = uint8(news), float32(rate(news))
	}
	return max(0, s), line
}

// A client that has been there for days without being told apart is less of a stranger: whoever takes something takes it soon. That is no excuse
// where what it does is enough for a suspension, since a thief may have joined it.
const (
	strangerMillis = 2 * 86400e3
	calmPerDay     = 0.2
	maxCalm        = 1.0
)

// calm is how much less an alert believes that a client is a stranger.
func (a *actor) calm() float64 {
	return min(maxCalm, calmPerDay*float64(max(0, a.last-a.first-strangerMillis))/86400e3)
}

// What a suspension pays for, in evidence. Every hour for which a client is watched is another chance to look bad for somebody who does nothing
// bad, and what it takes in an hour is told of its busiest: found within the hour is more than found after a day. It is bounded, since a thief may join a
// client that was there. And in networks that are the key's own, customers put new machines every day.
const (
	maxLooks   = 0.75
	atHome     = 0.75
	maxSettled = 0.5 // what speaks for the machines that come and go; a thief may have come among them
)

// dues is how much more evidence a suspension of that client takes.
func (a *actor) dues() float64 {
	s := min(maxLooks, log10(1+float64(a.last-a.first)/hourMillis))
	if !a.netNew {
		s += atHome
	}
	return s + min(maxSettled, float64(a.settled))
}

// Whoever takes something takes it soon. A program that goes into production, a contractor's, a connector does a little at first, and hours later
// several times what the key ever did. So a suspension believes pace that a client reaches soon after it came; from what it reaches hours later
// beyond that it takes ten times the busiest hour of the key for growth. It is told all the same.
const (
	soonMillis  = 3 * hourMillis
	grownMillis = 6 * hourMillis
	growth      = paceSlope // of ten times the busiest hour
)

// grown is how much of the evidence of a client's pace a suspension takes for growth. It keeps what was reached soon.
func (a *actor) grown(pace float64) float64 {
	settled := float64(a.last-a.first-soonMillis) / (grownMillis - soonMillis)
	if settled <= 0 {
		a.soon = max(a.soon, float32(pace))
	}
	pace = max(0, pace-float64(a.soon))
	return min(pace, growth*max(0, min(1, settled)))
}

// everywhere says that an agent is used from several networks already.
func (k *keyState) everywhere(agent uint32) bool {
	const networks = 3
	var seen [networks]uint32
	n := uint8(0)
	for i := range k.actors {
		if k.actors[i].agent == agent {
			n = note(seen[:], n, k.actors[i].net)
		}
	}
	return n == networks
}

// unpopular compares how thieves choose networks (anywhere) with how customers do (where customers are). It is the logarithm of
// that ratio, between about -0.25 and 0.7.
func (e *Engine) unpopular(net uint32) float64 {
	const networks, enoughKeys = 100.0, 20
	if e.keys.len() < enoughKeys {
		return 0
	}
	p := float64(e.netKeys[net]) / float64(e.keys.len())
	return log10((0.5*p + 0.5/networks) / (0.9*p + 0.1/networks))
}

const (
	strangerHits = 0.04 // false hits of the filter, and objects that everybody asks for
	maxFamiliar  = 2.5  // what known objects say for a client
	oddLeast     = 4    // different objects, before their being strange says anything
	// A new program of a customer mostly has objects of its own, and nothing follows from that. The customer's own program on other machines
	// goes on with its work, so that a copy of it that asks for nothing known is the odder.
	oddProgram = 0.4
	oddCopy    = 1.0
)

// overlap bets on "a stranger, who cannot know the customer's objects" against "another client of the customer", by the different objects
// that it asked for: asking for one of them again and again is no knowledge.
func (k *keyState) overlap(a *actor) float64 {
	if a.objects == 0 || k.knownIDs < 0.3 {
		return 0
	}
	s := acquaintance(float64(a.ownObjects), float64(a.objects), float64(k.knownIDs))
	most := oddProgram
	if k.uses(a.agent) && k.concentrated() { // people who use an app bring their own objects
		most = oddCopy
	}
	if a.objects < oddLeast {
		most = 0
	}
	return max(-maxFamiliar, min(most, s))
}

// Strangers who know nothing of the customer's objects, and those who asked for a list first: what they take is the customer's as often as not.
var (
	ignorant = beta{1, 24} // its mean is strangerHits
	lister   = beta{1, 1}

	ignorantNorm, listerNorm = ignorant.lbeta(0, 0), lister.lbeta(0, 0)
)

const (
	listers    = 0.1 // of strangers
	alikeness  = 5   // objects' worth of how much the clients of one customer use the same ones
	sharedUses = 0.7 // of what one of them uses again, another does
)

// acquaintance is the bet for one client; familiarity is that against strangers who know nothing.
func acquaintance(own, n, usual float64) float64 {
	customer := beta{alikeness * sharedUses * usual, alikeness * (1 - sharedUses*usual)}
	usually := customer.lbeta(own, n) - customer.lbeta(0, 0)
	knows, lists := (ignorant.lbeta(own, n)-ignorantNorm-usually)*math.Log10E, (lister.lbeta(own, n)-listerNorm-usually)*math.Log10E
	return log10((1-listers)*pow10(knows) + listers*pow10(lists))
}

func familiarity(own, n, usual float64) float64 {
	rho := sharedUses * usual
	return own*log10(strangerHits/rho) + (n-own)*log10((1-strangerHits)/(1-rho))
}

// acquitted is how much more than overlap says the customer's objects speak for a client where it is about an alert: at most 0. Of those who ask for them
// far more are a customer's than have a list.
func (k *keyState) acquitted(a *actor, overlap float64) float64 {
	if a.objects == 0 || k.knownIDs < 0.3 {
		return 0
	}
	return min(0, max(-maxFamiliar, familiarity(float64(a.ownObjects), float64(a.objects), float64(k.knownIDs)))-min(0, overlap))
}

// uses says that a program is one of the customer's.
func (k *keyState) uses(agent uint32) bool {
	i := k.agents().find(agent)
	return i >= 0 && k.agents()[i].established()
}

// describeNovelty names the rarest thing that was new about the client when it came, with its chance, and then what else is new.
func (e *Engine) describeNovelty(k *keyState, a *actor) Evidence {
	rate := float64(a.rate)
	ev := Evidence{Detector: "new_client", Observed: 1, Expected: rate, High: 1}
	if rate < 0.02 {
		ev.High = 0
	}
	where := networkName(a.net, a.cc, usage.Addr(a.ips[0]))
	seen := fmt.Sprintf("%s and %d requests", k.since(a.first), k.n-a.n)
	var what, thing string
	var also []string
	switch a.news {
	case kindNet:
		what, thing = fmt.Sprintf("comes from %s, where this key was never used in %s", where, seen), "network"
	case kindAgent:
		what, thing = fmt.Sprintf("is a program that this key was never used with in %s; it comes from %s", seen, where), "program"
		if a.netNew {
			also = append(also, "network")
		}
	default:
		what, thing = fmt.Sprintf("comes from an address in %s that this key was never used from in %s", where, seen), "address"
	}
	if i := k.countries().find(uint32(a.cc)); a.cc != 0 && (i < 0 || !k.countries()[i].established()) {
		also = append(also, "country")
	}
	if a.news != kindAgent && !k.uses(a.agent) {
		also = append(also, "program")
	}
	ev.Sentence = fmt.Sprintf("%s %s; by its history a new %s has a chance of %.1f%% on a day.", e.agentName(a.agent), what, thing, 100*rate) + asWell(also)
	return ev
}
