package detect

import (
	"fmt"
	"math"
	"net/netip"
	"runtime"
)

// Verdict is what a person made of an alert.
type Verdict uint8

// Verdicts.
const (
	Confirmed Verdict = iota + 1 // it was abuse
	Dismissed                    // it was the customer
)

// Feedback brings a person's verdict to the one key that it is about.
type Feedback struct {
	KeyID      string
	EpisodeID  string
	Verdict    Verdict
	TimeMillis int64
	// Actor is the one of the alert. A dismissal goes by it where the episode is not known any more: an engine that was
	// warmed with less history than the one that raised the alert may have found it a second later, or not at all.
	Actor Actor
}

const (
	toleranceHalfLife = 30 * 86400e3
	toleranceStep     = 0.5
	maxTolerance      = 2.0
)

// halved is the share that is left after a time, by half-life.
func halved(millis, halfLife int64) float64 {
	return math.Exp2(-float64(max(0, millis)) / float64(halfLife))
}

// Feedback applies a verdict. A dismissal makes the actor the customer's and asks for somewhat more evidence about this key,
// for some months; a confirmation makes sure that nothing of the actor is ever taken for the customer's. The constants of
// the engine never change by it. A verdict is taken back by [Engine.Forget]. The error says what was not found.
func (e *Engine) Feedback(fb Feedback) error {
	defer runtime.KeepAlive(e) // and with it the arena
	k := e.key(fb.KeyID)
	if k == nil {
		return fmt.Errorf("detect: key %q is not known here: it had no calls since the history that was loaded", fb.KeyID)
	}
	for i := range k.read().episodes {
		ep := &k.file.episodes[i]
		if ep.id(k.id) != fb.EpisodeID {
			continue
		}
		if fb.Verdict == Confirmed {
			k.confirm(ep)
			return nil
		}
		k.dismissed(ep, fb.TimeMillis)
		k.file.episodes = append(k.file.episodes[:i], k.file.episodes[i+1:]...)
		return nil
	}
	if ep, ok := e.episodeBy(k, &fb.Actor); ok && fb.Verdict == Dismissed {
		k.dismissed(&ep, fb.TimeMillis)
		return nil
	}
	return fmt.Errorf("detect: key %q has no episode %q here", fb.KeyID, fb.EpisodeID)
}

// episodeBy is what an episode about an actor would be; ok is false when the key was never used by it.
func (e *Engine) episodeBy(k *keyState, a *Actor) (ep episode, ok bool) {
	if len(a.Addresses) == 0 {
		return ep, false
	}
	ip, err := netip.ParseAddr(a.Addresses[0])
	if err != nil {
		return ep, false
	}
	_, net := addressOf(ip.As16(), a.ASN)
	agent, known := e.agents.byName[a.Agent]
	return episode{kind: episodeActor, net: net, agent: agent}, known && k.nets().find(net) >= 0 && k.agents().find(agent) >= 0
}

// dismissed learns that the actor of ep is the customer's, and asks for somewhat more evidence from then on.
func (k *keyState) dismissed(ep *episode, t int64) {
	k.file.tolerance = float32(min(maxTolerance, k.tolerant(t)+toleranceStep))
	k.file.toleranceAt = t
	k.dismiss(ep)
}

func (k *keyState) confirm(ep *episode) {
	if i := k.nets().find(ep.net); ep.kind == episodeActor && i >= 0 && !k.nets()[i].established() {
		k.nets()[i].condemn()
	}
}

func (k *keyState) dismiss(ep *episode) {
	switch ep.kind {
	case episodeHour:
		if k.hours != nil {
			for m := range k.hours.record {
				k.hours.record[m] = max(k.hours.record[m], ep.most[m])
			}
			k.hours.days.record = max(k.hours.days.record, ep.day)
		}
		return
	case episodePool, episodeClients:
		for i := range k.nets() {
			k.nets()[i].establish()
		}
		k.file.pool = nil
	case episodeActor:
		if i := k.nets().find(ep.net); i >= 0 {
			k.nets()[i].establish()
		}
		if i := k.agents().find(ep.agent); i >= 0 {
			k.agents()[i].establish()
		}
	}
	for i := range k.actors {
		a := &k.actors[i]
		if ep.kind == episodePool && a.netNew || ep.kind == episodeClients && a.fresh || ep.kind == episodeActor && a.net == ep.net && a.agent == ep.agent {
			a.who, a.netNew, a.walk = 0, false, walk{}
			if k.hours != nil { // its pace is the customer's, too
				k.hours.record[meterRequests] = max(k.hours.record[meterRequests], float32(float64(a.n)/a.hours()))
				k.hours.record[meterUnits] = max(k.hours.record[meterUnits], float32(float64(a.units)/a.hours()))
			}
			for _, ip := range a.ips {
				addr, _ := addressOf(ip, 1)
				if j := k.addrs().find(addr); j >= 0 {
					k.addrs()[j].establish()
				}
			}
		}
	}
}
