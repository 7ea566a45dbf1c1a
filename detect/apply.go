package detect

import "math"

// apply brings one record into the key's state.
func (e *Engine) apply(k *keyState, o *obs) {
	if k.n == 0 {
		k.born, k.last, k.day = o.t, o.t, int32(o.t/86400e3)
		k.days = 1
	}
	k.advanceDay(o.t)
	e.silence(k, o)
	k.n++

	minute := uint32(o.t / 60000)
	filling := k.filling(o.t)
	net, netNew := k.nets.touch(o.net, minute, setLimit[kindNet])
	addr, addrNew := k.addrs.touch(o.addr, minute, setLimit[kindAddr])
	agent, agentNew := k.agents.touch(o.agent, minute, setLimit[kindAgent])
	route, routeNew := k.routes.touch(o.route, minute, setLimit[kindRoute])
	cc, ccNew := k.countries.touch(uint32(o.cc), minute, setLimit[kindCountry])
	trusted := filling || !k.suspicious(o)
	if !addr.established() && (filling || trusted && minute-addr.first >= addrProbation && addr.count() >= addrMinRequests) {
		addr.n |= establishedBit
	}
	fresh := !addr.established()
	a, created := k.actorOf(o, fresh)
	if created {
		e.meet(k, a, net, agent, cc)
	}
	if !filling {
		for kind, isNew := range [kinds]bool{netNew, addrNew, agentNew, routeNew, ccNew} {
			if isNew {
				k.arrived[kind]++
			}
		}
	}
	if !net.established() && (filling || trusted && minute-net.first >= netProbation && net.count() >= netMinRequests) {
		net.n |= establishedBit
		e.netKeys[o.net]++
	}
	if !agent.established() && (filling || trusted && minute-agent.first >= netProbation && agent.count() >= netMinRequests) {
		agent.n |= establishedBit
	}
	if !cc.established() && (filling || trusted && minute-cc.first >= netProbation && cc.count() >= netMinRequests) {
		cc.n |= establishedBit
	}
	routeKnown := route.established()
	if !routeKnown && (filling || trusted && !fresh) {
		route.n |= establishedBit
		if o.route != otherName {
			e.routes[o.route].keys++
		}
	}
	e.note(k, a, o, routeKnown || filling)
	if !fresh {
		k.lastKnown = o.t
		if trusted {
			e.learn(k, o)
		}
	} else if a.netNew {
		k.gather(a, o, &e.gaps, e)
	}
	if k.hours == nil {
		k.hours = &hours{}
	}
	k.hours.roll(int32(o.t / 3600e3))
	k.hours.add(o)
	k.last = max(k.last, o.t)
	e.touch(k, a)
}

func (e *Engine) touch(k *keyState, a *actor) {
	for i := range k.actors {
		if &k.actors[i] == a {
			for _, t := range e.touched {
				if int(t) == i {
					return
				}
			}
			e.touched = append(e.touched, uint16(i))
		}
	}
}

const silenceMillis = 36 * 3600e3

// silence keeps account of long breaks in a key's use.
func (e *Engine) silence(k *keyState, o *obs) {
	gap := o.t - k.last
	if gap >= silenceMillis {
		k.gapSec, k.awoke = uint32(gap/1000), o.t
	} else if k.awoke != 0 && o.t-k.awoke > 3*86400e3 {
		if !k.suspicious(o) {
			k.maxGapSec = max(k.maxGapSec, k.gapSec)
		}
		k.awoke, k.gapSec = 0, 0
	} else if k.gapSec == 0 && gap > int64(k.maxGapSec)*1000 {
		k.maxGapSec = uint32(gap / 1000)
	}
}

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
	case a.fresh:
		s = -math.Log10(k.newRate(kindAddr))
	}
	if !cc.established() {
		s += min(0.3, -0.3*math.Log10(k.newRate(kindCountry)))
	}
	if !agent.established() {
		s += min(0.5, -0.3*math.Log10(k.newRate(kindAgent)))
	}
	a.who = float32(max(0, s))
}

// unpopular compares how thieves choose networks (anywhere) with how customers do (where other customers are). It is the
// logarithm of that ratio, between about -0.25 and 0.7.
func (e *Engine) unpopular(net uint32) float64 {
	const networks = 100.0
	if len(e.keys) < 20 {
		return 0
	}
	p := float64(e.netKeys[net]) / float64(len(e.keys))
	return math.Log10((0.5*p + 0.5/networks) / (0.9*p + 0.1/networks))
}

// note adds a record to what the actor did.
func (e *Engine) note(k *keyState, a *actor, o *obs, routeKnown bool) {
	a.halve()
	a.n++
	a.last = max(a.last, o.t)
	a.cc = o.cc
	a.sawAddr(o.addr)
	a.winN++
	if c := errorClass(o.status); c >= 0 {
		a.errK[c]++
	}
	if o.status == 429 {
		a.late++
	}
	if o.id >= 0 {
		if class, ok := a.ring.gap(o.id); ok {
			null := e.nullGaps(k)
			a.walk.step(class, &null)
		}
	}
	if o.idHash != 0 {
		a.idN++
		if k.ids != nil && k.ids.seen(o.idHash) {
			a.idKnown++
		} else {
			for _, h := range a.idSeen {
				if h == o.idHash {
					a.idAgain++
					break
				}
			}
		}
		a.idSeen[int(a.idN)%len(a.idSeen)] = o.idHash
	}
	r := &e.routes[o.route]
	a.sawRoute(o.route, !routeKnown, float64(r.keys) < 0.01*float64(len(e.keys)))
	if o.units > 0 {
		a.units += o.units
		if r.units.n >= 30 {
			a.moneyN++
			a.moneySum += float32(residual(o.units, &r.units, &k.money))
			a.moneyVar += float32(r.units.variance())
		}
	}
	if o.bytes > 0 && o.status < 300 && r.size.n >= 30 {
		a.sizeN++
		a.sizeSum += float32(residual(o.bytes, &r.size, &k.size))
		a.sizeVar += float32(r.size.variance())
	}
	if a.fresh && len(a.examples) < maxExamples && (a.who > 0.5 || a.n > 20) {
		a.example(o, e.arena[o.path[0]:o.path[1]])
	}
}

func (a *actor) example(o *obs, path []byte) {
	a.examples = append(a.examples, example{t: o.t, route: o.route, agent: o.agent, net: o.net, cc: o.cc, status: o.status, ip: o.ip, path: string(path)})
}

// residual is how far a quantity lies, on the log scale, above what the platform spends on that route and this key usually
// adds to it. It is bounded, so that one freak value decides nothing.
func residual(v float32, route, key *moments) float64 {
	x := math.Log(float64(v)) - route.mean
	x -= key.mean * key.n / (key.n + 20)
	return max(-5, min(5, x))
}

// learn takes a record of an established client, free of suspicion, into the baselines.
func (e *Engine) learn(k *keyState, o *obs) {
	r := &e.routes[o.route]
	if o.units > 0 {
		x := math.Log(float64(o.units))
		if r.units.n >= 30 {
			k.money.add(max(-5, min(5, x-r.units.mean)), 500)
		}
		r.units.add(x, 20000)
	}
	if o.bytes > 0 && o.status < 300 {
		x := math.Log(float64(o.bytes))
		if r.size.n >= 30 {
			k.size.add(max(-5, min(5, x-r.size.mean)), 500)
		}
		r.size.add(x, 20000)
	}
	if o.idHash != 0 {
		if k.ids == nil {
			k.ids = &idMemory{}
		}
		seen := float32(0)
		if k.ids.seen(o.idHash) {
			seen = 1
		}
		k.knownIDs += (seen - k.knownIDs) / 100
		k.ids.add(o.idHash)
		if o.id >= 0 {
			if class, ok := k.ids.ring.gap(o.id); ok {
				e.count(k, class)
			}
		}
	}
	c := errorClass(o.status)
	k.errN[0]++
	if c >= 0 {
		k.errK[c]++
	}
	if k.errN[0] >= 128 {
		for c := range errorClasses {
			e.errAll[c].add(float64(k.errK[c]/k.errN[0]), 2000)
			k.errK[c] /= 2
		}
		k.errN[0] /= 2
	}
}

// count adds a gap of an established client to its key's and the platform's distribution.
func (e *Engine) count(k *keyState, class int) {
	k.ids.gaps[class]++
	total := float32(0)
	for _, g := range k.ids.gaps {
		total += g
	}
	if total >= 1000 {
		for i := range k.ids.gaps {
			e.gaps[i] += k.ids.gaps[i] / 2
			k.ids.gaps[i] /= 2
		}
	}
	sum := float32(0)
	for _, g := range e.gaps {
		sum += g
	}
	if sum > 1e6 {
		for i := range e.gaps {
			e.gaps[i] /= 2
		}
	}
}
