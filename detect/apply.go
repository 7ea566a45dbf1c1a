package detect

import (
	"math"

	"github.com/tollkeeper/tollkeeper/detect/arena"
)

// apply brings one record into the key's state.
func (e *Engine) apply(k *keyState, o *obs) {
	if k.n == 0 {
		k.born, k.last, k.day = o.t, o.t, int32(o.t/86400e3)
		k.days = 1
	}
	if k.advanceDay(o.t) {
		e.learnErrors(k)
	}
	e.silence(k, o)
	k.n++

	minute := uint32(o.t / 60000)
	filling := k.filling(o.t)
	ids := [setKinds]uint32{kindNet: o.net, kindAddr: o.addr, kindAgent: o.agent, kindRoute: o.route, kindCountry: uint32(o.cc)}
	var seen sighting
	k.sets.touchAll(e.mem, &ids, minute, &seen)
	net, addr, agent, route, cc := seen.at[kindNet], seen.at[kindAddr], seen.at[kindAgent], seen.at[kindRoute], seen.at[kindCountry]
	trusted := filling || !k.suspicious(o)
	if !addr.established() && (filling || trusted && minute-addr.first >= addrProbation && addr.count() >= addrMinRequests) {
		addr.establish()
		e.culprits.settle(o.addr)
	}
	fresh := !addr.established()
	a, at, created := k.actorOf(e.mem, o, fresh)
	if created {
		e.meet(k, a, &seen)
		if fresh && !filling {
			a.level = suspect(e.suspects.clients)
		}
	} else if fresh && seen.news(kindAddr) && !filling {
		k.joined(a, &seen, o.t)
	}
	if fresh && (created || seen.news(kindAddr)) && !filling && len(e.culprits.by) > 0 {
		e.recognise(k, a, o)
	}
	if seen.news(kindNet) && !filling {
		e.all.rising[o.net]++
	}
	if trusted && net.established() {
		first := float32(0)
		if seen.news(kindAddr) && !filling {
			first = 1
		}
		if k.churn += (first - k.churn) / 200; k.churn < negligible {
			k.churn = 0
		}
	}
	if seen.isNew != 0 && trusted && !filling {
		for kind := range setKinds {
			if seen.news(kind) && k.today[kind] < arrivalsPerDay {
				k.today[kind]++
				k.arrived[kind]++
			}
		}
	}
	if !net.established() && (filling || trusted && minute-net.first >= netProbation && net.count() >= netMinRequests) {
		net.establish()
		e.netKeys[o.net] += 1 / float32(len(k.nets()))
	}
	if !agent.established() && (filling || trusted && minute-agent.first >= netProbation && agent.count() >= netMinRequests) {
		agent.establish()
	}
	if !cc.established() && (filling || trusted && minute-cc.first >= netProbation && cc.count() >= netMinRequests) {
		cc.establish()
	}
	routeKnown, answered := route.established(), o.status < 400 || o.status >= 500
	if !routeKnown && answered && (filling || trusted && !fresh) { // what nobody is answered on is in nobody's use, however many try it
		route.establish()
		if o.route != otherName {
			e.routes[o.route].keys++
		}
	}
	var is reading
	is.of(k, o)
	is.seldom = float64(route.count()) <= seldomShare*float64(k.n)
	e.note(k, a, at, o, &is, routeKnown || filling)
	if !fresh || !cc.established() {
		e.locate(k, a, o, !fresh)
	}
	if !fresh {
		k.lastKnown = o.t
		if trusted {
			e.learn(k, a, o, &is)
			e.learnLatency(k, a, o, &is)
		}
	} else if a.netNew && !k.accused(o) {
		e.gather(k, a, o, &is)
	}
	if k.hours == nil || !k.accused(o) { // a thief's traffic is no part of the key's day
		e.meter(k, o)
		if is.seldom {
			k.hours.seldom.add(int32(o.t/hourMillis), k.hours.young())
		}
	}
	k.last = max(k.last, o.t)
	e.touch(at)
}

// touch notes that actor number i was active in this second.
func (e *Engine) touch(i int) {
	for _, t := range e.touched {
		if int(t) == i {
			return
		}
	}
	e.touched = append(e.touched, uint16(i))
}

const silenceMillis = 36 * 3600e3

// silence keeps account of long breaks in a key's use.
func (e *Engine) silence(k *keyState, o *obs) {
	gap := o.t - k.last
	if gap >= silenceMillis {
		k.gapSec, k.awoke = uint32(gap/1000), o.t
	} else if k.awoke != 0 && o.t-k.awoke > 3*86400e3 {
		if !k.suspicious(o) {
			if k.gapSec > k.maxGapSec {
				e.all.breaks.add(float32(math.Log(beyond(k.gapSec, k.maxGapSec))), breaksMemory)
			}
			k.maxGapSec = max(k.maxGapSec, k.gapSec)
		}
		k.awoke, k.gapSec = 0, 0
	} else if k.gapSec == 0 && gap > int64(k.maxGapSec)*1000 {
		k.maxGapSec = uint32(gap / 1000)
	}
}

// Records of a client are kept as examples once an alert about it is thinkable: it is new enough, or walks.
const (
	exampleWho  = 1
	exampleWalk = 2
)

// reading is what is worked out once about a record.
type reading struct {
	known              bool    // the key's own clients asked for that object before
	own                bool    // the client made it, or its key's own clients are about to ask for it, as far as can be told
	class              int     // of the errors, -1 for none
	units, bytes, body float64 // natural logarithms; bytes of answers that succeeded, body of the request
	took               float64 // natural logarithm of the duration
	later              float64 // of that, beyond what is usual and what others wait for as well
	timed              bool    // whether that is known
	seldom             bool    // the key hardly uses that route, or its own clients never asked for that object
}

func (r *reading) of(k *keyState, o *obs) {
	r.known = o.idHash != 0 && k.ids != nil && k.ids.seen(o.idBits)
	if o.units > 0 {
		r.units = ln(float64(o.units))
	}
	if o.bytes > 0 && o.status < 300 {
		r.bytes = ln(float64(o.bytes))
	}
	if o.body > 0 {
		r.body = ln(float64(o.body))
	}
	if o.took > 0 {
		r.took = ln(float64(o.took))
	}
}

// note adds a record to what the actor did.
func (e *Engine) note(k *keyState, a *actor, at int, o *obs, is *reading, routeKnown bool) {
	a.halve()
	a.take(o)
	before := a.cadence.n
	a.cadence.tick(o.t)
	if !a.fresh {
		e.paced(a, before)
	}
	a.n++
	a.last = max(a.last, o.t)
	a.cc = o.cc
	a.sawAddr(o)
	a.winN++
	r := &e.routes[o.route]
	is.class = errorClass(o.status)
	if r.deletes && o.idHash != 0 && o.status < 300 {
		// Devices acknowledge messages, and queues take what was worked off away, by deleting what nobody asks for any more.
		if is.own = k.made(a, r.collection, standing); !is.own && is.known {
			is.class = errGone
		}
	}
	if c := is.class; c >= 0 && !e.all.broken(c) {
		a.errK[c]++
	}
	if r.makes && o.status < 300 {
		a.made.add(r.collection)
	}
	if seldom := a.sawRoute(o.t, o.route, !routeKnown, !routeKnown && float64(r.keys) < 0.01*float64(e.keys.len()), is.seldom); a.fresh {
		is.seldom = seldom
	}
	if a.rare > 0 && (is.class == errDenied || is.class == errAbsent || is.class == errFaulty) && !e.all.broken(is.class) {
		a.doors.refuse()
	}
	if o.idHash != 0 {
		e.noteObject(k, a, o, is, r)
	}
	if is.seldom {
		a.seldom[0]++
	}
	if o.units > 0 {
		a.units += o.units
		if r.units.n >= routeSeen {
			a.money.add(residual(is.units, &r.units, k.money), r.units.variance())
		}
	}
	if o.bytes > 0 && o.status < 300 && r.size.n >= routeSeen {
		a.size.add(residual(is.bytes, &r.size, k.size), r.size.variance())
	}
	if o.body > 0 && r.body.n >= routeSeen {
		a.body.add(residual(is.body, &r.body, k.body), r.body.variance())
	}
	e.noteLatency(k, a, o, is)
	if a.fresh && a.kept < maxExamples && (a.who > exampleWho || a.walk.sum[0] > exampleWalk) {
		a.kept++
		k.write().keep(at, o)
	}
}

// noteObject adds to what the actor did that it asked for an object.
func (e *Engine) noteObject(k *keyState, a *actor, o *obs, is *reading, r *routeState) {
	again := a.again(o.idHash)
	if is.own {
		return
	}
	if !is.known && !again && (k.made(a, r.collection, unread) || a.fresh && o.id >= 0 && k.ids != nil && k.ids.ring.near(o.id)) {
		is.own = true
		return
	}
	a.idN++
	if !again {
		a.objects++
		if is.known {
			a.ownObjects++
		} else {
			is.seldom = true
		}
	}
	if is.known {
		a.idKnown++
	} else if again {
		a.idAgain++
	}
	if o.id >= 0 {
		if class, ok := a.ring.gap(o.id); ok {
			if is.known || again {
				class = 0 // only objects that are new to it can be steps of a walk
			}
			e.walkOn(k, &a.walk, class)
		}
	}
}

// addExample adds a record to a list of them, in the memory of one that was in it before where there is.
func addExample(list []example, o *obs) []example {
	n := len(list)
	if list == nil {
		list = make([]example, 0, maxExamples)
	}
	list = list[:n+1]
	x := &list[n]
	*x = example{t: o.t, route: o.route, agent: o.agent, net: o.net, cc: o.cc, status: o.status, ip: o.ip, path: append(x.path[:0], o.path...)}
	return list
}

// residual is how far a quantity lies, by its logarithm, above what the platform spends on that route and this key usually
// adds to it. It is bounded, so that one freak value decides nothing.
func residual(x float64, route *moments, key ratio) float64 {
	x -= route.mean
	x -= trusted(key, 20)
	return within(x, mostResidual)
}

// within is x, or the nearer one of -bound and bound. The built-in functions take care of zeros and of what is no number, at three times the price.
func within[F float32 | float64](x, bound F) F {
	switch {
	case x > bound:
		return bound
	case x < -bound:
		return -bound
	}
	return x
}

const (
	routeSeen    = 30  // calls that have to tell what is usual on a route
	mostResidual = 5   // natural logarithm
	oddCounts    = 0.1 // what a call counts in its key's baselines while the client's calls take far more than is usual
)

// learn takes a quantity of a call, by its logarithm, into what the platform spends on the route and into what a key adds to it.
func (m *moments) learn(x float64, key *ratio, by *excess) {
	weight := float32(1)
	if by.sum > by.n { // what is odd now is to be noticed before it is usual
		weight = oddCounts
	}
	if m.n >= routeSeen {
		key.weighted(float32(within(x-m.mean, mostResidual)), weight, 500)
	}
	m.add(x, 20000)
}

// learn takes a record of an established client, free of suspicion, into the baselines.
func (e *Engine) learn(k *keyState, a *actor, o *obs, is *reading) {
	r := &e.routes[o.route]
	if o.units > 0 {
		r.units.learn(is.units, &k.money, &a.money)
	}
	if o.bytes > 0 && o.status < 300 {
		r.size.learn(is.bytes, &k.size, &a.size)
	}
	if o.body > 0 {
		r.body.learn(is.body, &k.body, &a.body)
	}
	if o.idHash != 0 {
		if k.ids == nil {
			k.ids = arena.Alloc[idMemory](e.mem)
		}
		seen := float32(0)
		if is.known {
			seen = 1
		}
		k.knownIDs += (seen - k.knownIDs) / 100
		if !is.known {
			k.ids.add(e.mem, o.idBits)
		}
		if o.id >= 0 {
			if class, ok := k.ids.ring.gap(o.id); ok {
				if seen == 1 {
					class = 0
				}
				e.count(k, class)
			}
		}
	}
	c := is.class
	if c >= 0 && k.hours != nil {
		e.all.trouble(k.hours, c)
	}
	if c >= 0 && e.all.broken(c) { // the platform's doing is nobody's habit
		return
	}
	k.errN++
	if c >= 0 {
		k.errK[c]++
	}
	if k.errN >= errMemory {
		for c := range errorClasses {
			k.errK[c] /= 2
		}
		k.errN /= 2
	}
}

// count adds a gap of an established client to its key's and the platform's distribution.
func (e *Engine) count(k *keyState, class int) {
	k.ids.gaps[class]++
	total := float32(0)
	for _, g := range k.ids.gaps {
		total += g
	}
	if total < 1000 {
		return
	}
	for i := range k.ids.gaps {
		e.gaps[i] += k.ids.gaps[i] / 2
		k.ids.gaps[i] /= 2
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
