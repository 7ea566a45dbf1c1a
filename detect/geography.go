package detect

import (
	"fmt"
	"math"
)

// Where calls come from is known by country at best, and often wrongly: mobile carriers, proxies and clouds answer from places
// where nobody is. So distance convicts nobody. What it can say is that a new client, in a country where the key was never used,
// is not the customer on a journey: the customer was at home minutes ago. And a key that is used from two ends of the world anyway,
// by whatever cause, has shown so in its history, which is the rate that the evidence is measured by.
const (
	fastestKmh     = 1000 // an airliner
	leastApart     = 500  // kilometres; nearer than that the address data errs too often
	leapShare      = 0.3  // of the surprise of a leap: a second office of the customer's leaps as well
	maxLeap        = 0.4
	alternateBonus = 0.2 // when it goes to and fro: one wrong clock or address explains one leap, not many
	alternateLeast = 4
	leastWhoLeap   = 1.0 // it counts only about somebody who is new
)

// distances are the gaps between countries that were asked for last. A client abroad asks with each call, and the arithmetic of a sphere costs as much as
// the rest of what is done about where a call comes from.
type distances [64]struct {
	from, to uint16
	gap      float64 // kilometres
}

func (d *distances) gap(from, to uint16) float64 {
	is := &d[(uint(from)*31+uint(to))%uint(len(d))]
	if is.from != from || is.to != to {
		is.from, is.to, is.gap = from, to, gapKilometres(from, to)
	}
	return is.gap
}

// impossible says that nobody travels from the one country to the other in that time.
func (d *distances) impossible(from, to uint16, millis int64) bool {
	gap := d.gap(from, to)
	return gap > leastApart && gap*hourMillis > float64(max(0, millis))*fastestKmh
}

// leap is a call from where the customer cannot be: how far, and how long after a call from home.
type leap struct {
	from   uint16  // country of the established client
	count  uint16  // how often, with the customer at home in between
	millis int32   // between the two calls
	at     int64   // latest
	say    float32 // evidence, by the key's rate of such leaps when the first came
}

// locate compares the place of a call with that of the established clients' latest.
func (e *Engine) locate(k *keyState, a *actor, o *obs, home bool) {
	if o.cc == 0 {
		return
	}
	if k.lastCC != 0 && k.lastCC != o.cc && k.lastKnown > a.leap.at && e.distances.impossible(k.lastCC, o.cc, o.t-k.lastKnown) {
		if a.leap.count == 0 {
			a.leap.say = float32(min(maxLeap, -leapShare*math.Log10(k.newRate(kindLeap))))
			a.leap.from, a.leap.millis = k.lastCC, int32(min(math.MaxInt32, max(0, o.t-k.lastKnown)))
		}
		a.leap.count++
		a.leap.at = o.t
		if k.today[kindLeap] == 0 && !k.suspicious(o) {
			k.today[kindLeap]++
			k.arrived[kindLeap]++
		}
	}
	if home {
		k.lastCC = o.cc
	}
}

// distance is the evidence of geography about a client.
func (a *actor) distance() float64 {
	if a.leap.count == 0 || a.who < leastWhoLeap {
		return 0
	}
	s := float64(a.leap.say)
	if a.leap.count >= alternateLeast {
		s += alternateBonus
	}
	return s
}

func (k *keyState) describeLeap(a *actor) Evidence {
	gap := gapKilometres(a.leap.from, a.cc)
	ev := Evidence{
		Detector: "impossible_travel", Observed: float64(a.leap.count), Expected: k.newRate(kindLeap),
		Sentence: fmt.Sprintf("It calls from %s %s after the key's own client called from %s: that is at least %.0f km.",
			countryName(a.cc), span(int64(a.leap.millis)), countryName(a.leap.from), gap),
	}
	if a.leap.count >= alternateLeast {
		ev.Detector = "alternation"
		ev.Sentence += fmt.Sprintf(" The two take turns (%d times so far).", a.leap.count)
	}
	return ev
}
