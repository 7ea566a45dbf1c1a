package detect

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// finding is the evidence about one actor, log10 per family.
type finding struct {
	who     float64
	by      [familyCount]float64
	overlap float64 // against: it asks for the objects that the customer uses
}

// episode is an alert that is going on: later findings about the same actor join it.
type episode struct {
	id     uint32
	net    uint32
	agent  uint32
	action Action
	start  int64
	last   int64
}

// suspicious says that o comes from the actor of an open alert: nothing is learnt from it.
func (k *keyState) suspicious(o *obs) bool {
	for i := range k.episodes {
		ep := &k.episodes[i]
		if ep.net == o.net && ep.agent == o.agent && o.t-ep.start < distrustMillis {
			return true
		}
	}
	return false
}

const distrustMillis = 7 * 86400e3

func (e *Engine) errorEvidence(k *keyState, a *actor) float64 {
	s := 0.0
	for c := range errorClasses {
		if a.errK[c] == 0 {
			continue
		}
		m := &e.errAll[c]
		v := max(m.variance(), m.mean*m.mean*0.5, 1e-6)
		strength := max(2, min(200, m.mean*(1-m.mean)/v-1))
		h0 := beta{m.mean * strength, (1 - m.mean) * strength}
		if n := float64(k.errN[0]); n > 0 {
			w := min(1, 10/n)
			h0.a += float64(k.errK[c]) * w
			h0.b += (n - float64(k.errK[c])) * w
		}
		s += max(-0.3, logBayes(float64(a.errK[c]), float64(a.winN), h0, beta{1.5, 3}))
	}
	return max(0, s)
}

func shift(n, sum, variance float32) float64 {
	if n < 2 {
		return 0
	}
	v := max(float64(variance/n), 0.1) / float64(n)
	return max(0, logNormalRatio(float64(sum/n), 2.5, 1+v, 0, 0.5+v))
}

func (e *Engine) moneyEvidence(k *keyState, a *actor) float64 {
	s := max(shift(a.moneyN, a.moneySum, a.moneyVar), shift(a.sizeN, a.sizeSum, a.sizeVar))
	if a.units > 0 && k.hours != nil && a.fresh {
		ref := float64(k.hours.record[meterUnits])
		if ref == 0 {
			ref = 20000
		}
		span := math.Max(1, float64(a.last-a.first)/3600e3)
		if x := float64(a.units) / span / ref; x > 1 {
			s += min(3, 1.67*math.Log10(x))
		}
	}
	return s
}

func (e *Engine) routeEvidence(a *actor) float64 {
	if a.routesNew == 0 {
		return 0
	}
	n := float64(a.routesNew) + float64(a.routesKnown)
	s := logBayes(float64(a.routesNew), n, beta{1, 4}, beta{2, 1.5})
	s += 0.5 * min(4, float64(a.rare))
	return s
}

func (k *keyState) dormancy(t int64) float64 {
	if k.gapSec == 0 {
		return 0
	}
	const day = 86400.0
	return max(0, 2*math.Log10((float64(k.gapSec)+day)/(float64(k.maxGapSec)+day)))
}

func (k *keyState) overlap(a *actor) float64 {
	if a.idN < 4 || k.knownIDs < 0.3 {
		return 0
	}
	rho := 0.7 * float64(k.knownIDs)
	const stranger = 0.04
	s := float64(a.idKnown)*math.Log10(stranger/rho) + float64(a.idN-a.idKnown)*math.Log10((1-stranger)/(1-rho))
	return max(-2.5, min(0.5, s))
}

func (e *Engine) find(k *keyState, a *actor) (f finding) {
	f.who = float64(a.who)
	f.by[FamilyNovelty] = f.who
	f.by[FamilyEnumeration] = min(8, a.walk.score())
	f.by[FamilyErrors] = min(6, e.errorEvidence(k, a))
	f.by[FamilyMoney] = min(6, e.moneyEvidence(k, a))
	f.by[FamilyRoutes] = max(-0.5, min(2.5, e.routeEvidence(a)))
	f.by[FamilyDormancy] = k.dormancy(a.last)
	f.overlap = k.overlap(a)
	return f
}

// judge decides about the actors of key k that were active in this second.
func (e *Engine) judge(k *keyState, rows []obs) {
	t := rows[len(rows)-1].t
	if k.filling(t) || t-k.born < 5*86400e3 {
		return
	}
	for _, i := range e.touched {
		a := &k.actors[i]
		if a.who < 0.3 && a.n%16 != 0 {
			continue
		}
		f := e.find(k, a)
		e.decide(k, a, &f, t)
	}
	if p := k.pool; p != nil && p.last == t {
		e.judgePool(k, p, t)
	}
	e.judgeHour(k, t)
}

func (e *Engine) decide(k *keyState, a *actor, f *finding, t int64) {
	what, best := 0.0, 0.0
	for _, fam := range []Family{FamilyEnumeration, FamilyErrors, FamilyMoney} {
		what += f.by[fam]
		best = max(best, f.by[fam])
	}
	rd := f.by[FamilyRoutes] + f.by[FamilyDormancy]
	what += rd
	best = max(best, rd)
	total := f.who + what + min(0, f.overlap)
	switch {
	case a.fresh && f.who >= 1.2 && best >= 1.5 && total >= 5 && a.n >= 4:
		e.act(k, a, f, ActionSuspend, t, total)
	case a.fresh && f.by[FamilyEnumeration] >= 6 && what >= 7:
		e.act(k, a, f, ActionSuspend, t, total)
	case a.fresh && a.n >= 20 && total+max(0, f.overlap) >= 3.3 && f.who > 1:
		e.act(k, a, f, ActionFlag, t, total)
	}
}

func (e *Engine) judgePool(k *keyState, p *pool, t int64) {
	if p.nNets < 3 {
		return
	}
	var f finding
	f.who = float64(p.who)
	f.by[FamilySpread] = 1.2*math.Log10(float64(p.nNets)) + float64(p.fan)
	f.by[FamilyEnumeration] = min(8, p.walk.score())
	agents := 0.5 * max(0, float64(p.nAgents)-2)
	a := &actor{net: 0, fresh: true, first: p.start, last: p.last, n: p.n}
	total := f.who + f.by[FamilySpread] + f.by[FamilyEnumeration] + min(2, agents)
	switch {
	case f.who >= 1 && (f.by[FamilyEnumeration] >= 2 || agents >= 1 && f.by[FamilySpread] >= 2) && total >= 6:
		e.act(k, a, &f, ActionSuspend, t, total)
	case f.who >= 1.5 && total >= 5:
		e.act(k, a, &f, ActionFlag, t, total)
	}
}

func (e *Engine) judgeHour(k *keyState, t int64) {
	h := k.hours
	if h.said != 0 || h.seen < 48 || h.cur[meterRequests] < 30 {
		return
	}
	best, which := 0.0, 0
	for m := range meters {
		if h.record[m] <= 0 || h.cur[m] <= h.record[m] {
			continue
		}
		s := math.Log10(float64(h.seen)+1) + 1.67*math.Log10(float64(h.cur[m]/h.record[m]))
		if s > best {
			best, which = s, m
		}
	}
	if best < 2.5 {
		return
	}
	conc := 0.0
	if share := float64(h.routeN / h.cur[meterRequests]); share > 0.6 {
		q := 0.02
		if i := k.routes.find(h.route); i >= 0 {
			total := 0.0
			for j := range k.routes {
				total += float64(k.routes[j].count())
			}
			q = max(q, (float64(k.routes[i].count())-float64(h.routeN))/max(1, total-float64(h.cur[meterRequests])))
		}
		conc = max(0, 2*math.Log10(share/q))
	}
	off := 0.0
	if rec := float64(h.record[meterRequests]); rec > 0 {
		off = 0.7 * math.Log10(rec/(float64(h.day[h.slot(h.hour)])+0.05*rec+1))
	}
	total := best + conc + max(0, off)
	if total < 5 {
		return
	}
	h.said = 1
	var f finding
	f.by[FamilyVolume] = best
	f.by[FamilyRoutes] = conc
	f.by[FamilyRhythm] = off
	a := &actor{net: uint32(which), agent: 0xffffffff, first: t, last: t, n: uint32(h.cur[0])}
	e.act(k, a, &f, ActionFlag, t, total)
}

// act reports a decision, unless the actor's open alert says as much already.
func (e *Engine) act(k *keyState, a *actor, f *finding, action Action, t int64, score float64) {
	for i := range k.episodes {
		ep := &k.episodes[i]
		if ep.net == a.net && ep.agent == a.agent && t-ep.last < distrustMillis {
			ep.last = t
			if ep.action >= action {
				return
			}
			ep.action = action
			e.emit(k, a, f, action, t, score, ep)
			return
		}
		// A suspended key stays so whoever else uses it.
		if ep.action == ActionSuspend && t-ep.start < 86400e3 {
			return
		}
	}
	if len(k.episodes) >= 8 {
		k.episodes = append(k.episodes[:0], k.episodes[1:]...)
	}
	e.nextEp++
	k.episodes = append(k.episodes, episode{id: e.nextEp, net: a.net, agent: a.agent, action: action, start: t, last: t})
	e.emit(k, a, f, action, t, score, &k.episodes[len(k.episodes)-1])
}

func (e *Engine) emit(k *keyState, a *actor, f *finding, action Action, t int64, score float64, ep *episode) {
	var parts []string
	for i, v := range f.by {
		if v != 0 {
			parts = append(parts, fmt.Sprintf("%v=%.1f", Family(i), v))
		}
	}
	agent := ""
	if int(a.agent) < len(e.agents.list) {
		agent = e.agents.list[a.agent]
	}
	d := Decision{TimeMillis: t, KeyID: k.id, Action: action, Wanted: action, Score: score,
		Reason: fmt.Sprintf("[as%d %s %q n=%d fresh=%v] total=%.1f overlap=%.1f %s", a.net, countryName(a.cc), agent, a.n, a.fresh, score, f.overlap, strings.Join(parts, " ")),
		Actor:  Actor{ASN: a.net, Country: countryName(a.cc), Agent: agent, Requests: int64(a.n), SinceMs: a.first},
	}
	if !e.warm {
		e.out = append(e.out, d)
	}
}

// Trace describes what is known about a key's clients, for people who look for the reason of a decision.
func (e *Engine) Trace(id string) string {
	n, ok := e.keyOf[id]
	if !ok {
		return ""
	}
	k := &e.keys[n]
	var b strings.Builder
	fmt.Fprintf(&b, "n=%d days=%.1f arrived=%v gap=%d/%d known=%.2f\n", k.n, k.days, k.arrived, k.gapSec, k.maxGapSec, k.knownIDs)
	for i := range k.actors {
		a := &k.actors[i]
		f := e.find(k, a)
		agent := ""
		if int(a.agent) < len(e.agents.list) {
			agent = e.agents.list[a.agent]
		}
		fmt.Fprintf(&b, "      as%d %s %q fresh=%v new=%v n=%d from %s to %s by=%.1f overlap=%.1f routes %d/%d\n", a.net, countryName(a.cc), agent, a.fresh, a.netNew, a.n,
			time.UnixMilli(a.first).UTC().Format("02T15:04"), time.UnixMilli(a.last).UTC().Format("02T15:04"), f.by, f.overlap, a.routesNew, a.routesKnown)
	}
	if h := k.hours; h != nil {
		fmt.Fprintf(&b, "      hours seen=%.0f record=%v\n", h.seen, h.record)
	}
	return b.String()
}
