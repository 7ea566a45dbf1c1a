package detect

// How much evidence, as -log10, the ladder wants. Required totals can be set by policy.
const (
	DefaultRequiredFlag    = 2.75
	DefaultRequiredSuspend = 4.5

	leastWho        = 1.2 // for a suspension somebody must be new, and
	leastWhat       = 1.5 // do something that customers don't,
	severalWhat     = 2.5 // or several things that they seldom do; less of that is made up for by as much more evidence in all
	leastWhoFlag    = 1.5
	overwhelming    = 6.0 // ids one after the other, by whomever it is, with
	overwhelmingAll = 8.5 // this much about what it does
	leastBeside     = 1.0 // for distance and rhythm to count
	probing         = 4.0 // refused nearly everywhere, and
	probedRoutes    = 2.0 // on routes that neither this key nor others use, or
	halfNew         = 0.7 // by somebody who is not quite usual: the lock is tried, with
	probedMore      = 1.0 // so much more evidence
	halfNewMore     = 1.0 // of what they do and in all, where they do anything else
	ownFlag         = 4.0 // an established client that probes or overspends

	leastRequestsSuspend = 2 // a bet is worth as much at two calls as at twenty. But one refusal or one neighbouring id among
	fewRequests          = 4 // less than this many may be a slip: several things they do must be odd, then
	leastRequestsFlag    = 20
	leastAwakened        = 2 // requests on a key that nobody used for long, by somebody this new: there is no other traffic to mistake them for
	awakenedWho          = 2.0
	proberBonus          = 0.75 // more evidence for an alert about what looks like a fleet, or an availability check, which goes through
	probedAtMost         = 4    // routes of what checks from many networks, and
	watchedAtMost        = 2    // of what asks for the same thing like a clock

	watchMillis   = 5 * 86400e3 // of a key younger than this it is hardly known who uses it, so that
	youngMore     = 1.0         // a suspension asks for ten times the odds: new things are daily bread while a customer sets up. Less is a flag, as is
	youngFlag     = 5.5         // so much evidence of errors: more than somebody makes who learns the API
	youngRequests = 40
	youngShare    = 0.3
	youngEvery    = 4  // requests of a new client of such a key between two looks after the first
	judgeEvery    = 16 // requests of an established client between two looks, unless it tries doors
)

// judge decides about those clients of k that were active in this second, of which the latest record is of t.
func (e *Engine) judge(k *keyState, t int64) {
	young := t-k.born < watchMillis
	p := e.policyOf(k)
	if p.Protected == ProtectedFully {
		return
	}
	for _, i := range e.touched {
		a := &k.actors[i]
		if !a.fresh && a.n%judgeEvery != 0 && (a.rare < severalDoors || !a.doors.tries(t)) {
			continue
		}
		if young {
			e.judgeYoung(k, p, a, int(i), t)
			continue
		}
		if e.harmless(k, a) {
			continue
		}
		f := e.find(k, a)
		if wanted, score := e.weigh(k, a, &f, p, t); wanted > ActionObserve {
			e.act(k, p, verdict{kind: episodeActor, net: a.net, agent: a.agent, actor: a, number: int(i), f: &f, wanted: wanted, score: score, t: t})
		}
	}
	if young {
		return
	}
	if k.hours.closed != 0 {
		e.judgeDay(k, p, t)
	}
	if k.read().pool != nil && k.file.pool.last == t {
		e.judgePool(k, p, t)
	}
	if k.hours.level == 0 && k.hours.cur[meterRequests] >= volumeBulk {
		k.hours.level = suspect(e.suspects.hours)
	}
	// Mostly there is nothing to look at, which these two say in a few comparisons.
	hour, day := !k.hours.ordinary(), !k.hours.ordinaryDay()
	if !hour && !day || e.all.incident() {
		return
	}
	if told := hour && e.judgeSpike(k, p, t); !told && day {
		e.judgeLongDay(k, p, t)
	}
}

// judgeSpike tells of a running hour that is far busier than any before, and says whether it is.
func (e *Engine) judgeSpike(k *keyState, p *Policy, t int64) bool {
	s := e.spike(k)
	if s.volume == 0 || s.total() < max(volumeRequired, float64(k.hours.level))+k.tolerant(t) {
		return false
	}
	f := finding{}
	f.by[FamilyVolume], f.by[FamilyRoutes], f.by[FamilyRhythm] = s.volume, s.oneSided, s.offHours
	f.by[FamilyErrors] = max(s.throttled, s.refused)
	e.act(k, p, verdict{kind: episodeHour, net: uint32(s.meter), f: &f, wanted: ActionFlag, score: s.total(), t: t, spike: &s})
	return true
}

// judgeYoung decides about a client of a key of which it is hardly known yet who is the customer's: about what nobody does, then.
func (e *Engine) judgeYoung(k *keyState, p *Policy, a *actor, number int, t int64) {
	if a.fresh && !k.filling(t) && (a.n%youngEvery == 0 || a.n == leastRequestsSuspend) && !e.harmless(k, a) {
		f := e.find(k, a)
		if wanted, score := e.weigh(k, a, &f, p, t); score >= p.Required.Suspend+k.tolerant(t) {
			if score < p.Required.Suspend+youngMore+k.tolerant(t) {
				wanted = ActionFlag
			}
			e.act(k, p, verdict{kind: episodeActor, net: a.net, agent: a.agent, actor: a, number: number, f: &f, wanted: wanted, score: score, t: t})
			return
		}
	}
	if a.n < youngRequests || a.errK[errDenied]+a.errK[errAbsent] < youngShare*a.winN {
		return
	}
	f := finding{}
	if f.by[FamilyErrors] = min(maxErrors, e.errorEvidence(k, a)); f.by[FamilyErrors] >= youngFlag+k.tolerant(t) {
		e.act(k, p, verdict{
			kind: episodeActor, net: a.net, agent: a.agent, actor: a, number: number, f: &f, wanted: ActionFlag, score: f.by[FamilyErrors], t: t,
		})
	}
}

// harmlessErrors is a share of errors that is no evidence of anything, whatever is expected of the key: a bet against a clumsy client
// is lost there, and the mixture with others' wins at most a factor of fifty (clumsyLeast), far from a flag.
const harmlessErrors = 0.1

// harmless says of most clients, in a tenth of the time, that weigh will find nothing to do about them. It looks at what weigh cannot
// do without.
func (e *Engine) harmless(k *keyState, a *actor) bool {
	if a.fresh && (a.who >= halfNew && !e.idle(k, a) || max(a.walk.sum[0], a.walk.sum[1], a.walk.sum[2]) >= overwhelming) {
		return false
	}
	errors := a.errK[errDenied] + a.errK[errAbsent]
	if a.fresh {
		errors += a.errK[errDeclined] + a.errK[errGone] + a.errK[errFaulty]
	}
	return errors <= harmlessErrors*a.winN && (a.rare < severalDoors || !a.doors.tries(a.last)) && !a.slowly() && e.moneyEvidence(k, a) < ownFlag
}

// weigh turns the evidence about a client into what should be done, and the total that speaks for it.
func (e *Engine) weigh(k *keyState, a *actor, f *finding, p *Policy, t int64) (Action, float64) {
	habits := f.by[FamilyRoutes] + f.by[FamilyDormancy]
	what := f.by[FamilyEnumeration] + f.by[FamilyErrors] + f.by[FamilyMoney] + f.by[FamilyVolume] + habits
	best := max(f.by[FamilyEnumeration], f.by[FamilyErrors], f.by[FamilyMoney], f.by[FamilyVolume], habits)
	who := f.who()
	total := who + what + min(oddProgram, f.overlap) + f.moved
	if best >= leastBeside { // a customer's second office is as far away
		total += f.by[FamilyGeography] + f.by[FamilyRhythm] + min(maxBesideLatency, f.by[FamilyLatency])
	}
	more := k.tolerant(t)
	if !a.fresh {
		// On the customer's own machine it may be somebody else all the same: its program knows what it may do, and need not try.
		if convicts := f.by[FamilyErrors] + f.by[FamilyRoutes] + f.by[FamilyEnumeration]; f.by[FamilyErrors] >= probing && f.by[FamilyRoutes] >= probedRoutes && a.doors.tries(t) &&
			convicts >= p.Required.Suspend+probedMore+more {
			return ActionSuspend, convicts
		}
		if tried := a.tried(f, t); tried >= p.Required.Flag+more {
			return ActionFlag, tried
		}
		own := max(f.by[FamilyErrors], f.by[FamilyMoney])
		if a.slowly() {
			own = max(own, f.by[FamilyLatency])
		}
		if own >= ownFlag+more {
			return ActionFlag, own
		}
		return ActionObserve, 0
	}
	// Waiting is half a deed, and growth is none.
	waits, grown := min(maxBesideLatency, f.by[FamilyLatency])/2, a.grown(f.by[FamilyVolume])
	deeds, deed := what-grown, max(f.by[FamilyEnumeration], f.by[FamilyErrors], f.by[FamilyMoney], f.by[FamilyVolume]-grown, habits)
	several, convicts := deeds+max(0, min(oddProgram, f.overlap))+waits, total-grown-a.dues()
	if best < leastBeside {
		convicts += waits
	}
	fleet := k.fleet(a, t)
	if fleet {
		convicts -= fleetMore
	}
	switch {
	case a.n < leastRequestsSuspend || a.n < fewRequests && several < severalWhat:
	case who >= leastWho && (deed >= leastWhat || several >= severalWhat) && convicts >= p.Required.Suspend+more:
		return ActionSuspend, convicts
	case who >= leastWho && several >= leastWhat && convicts >= p.Required.Suspend+more && several+convicts >= severalWhat+p.Required.Suspend+more: // the more of all, the less of each
		return ActionSuspend, convicts
	case f.by[FamilyErrors] >= probing && (f.by[FamilyRoutes] >= probedRoutes || who >= halfNew) && convicts >= p.Required.Suspend+probedMore+more:
		return ActionSuspend, convicts
	case who >= halfNew && several >= severalWhat+halfNewMore && convicts >= p.Required.Suspend+halfNewMore+more:
		return ActionSuspend, convicts
	case f.by[FamilyEnumeration] >= overwhelming+more && deeds >= max(overwhelmingAll, p.Required.Suspend)+more:
		return ActionSuspend, convicts
	}
	if own := max(f.by[FamilyErrors], f.by[FamilyMoney]); own >= ownFlag+more && a.n >= leastRequestsFlag {
		return ActionFlag, max(own, total) // whoever it is
	}
	if tried := a.tried(f, t); tried >= p.Required.Flag+more {
		return ActionFlag, max(tried, total) // it too
	}
	monitor := e.monitor(a)
	if fleet || monitor || e.prober(k, a) {
		more += proberBonus
	}
	if monitor {
		total -= f.by[FamilyVolume] // a clock is in no hurry
	}
	if best < leastBeside {
		total += f.by[FamilyLatency]
	}
	total += max(0, f.overlap-oddProgram) + k.acquitted(a, f.overlap) - max(float64(a.line), float64(a.settled)) - a.calm()
	least := uint32(leastRequestsFlag)
	if who >= awakenedWho && f.by[FamilyDormancy] >= leastBeside && !k.uses(a.agent) { // the customer's own program moves to other networks
		least = leastAwakened
	}
	if a.n >= least && who >= leastWhoFlag && total >= max(p.Required.Flag, float64(a.level))+more {
		return ActionFlag, total
	}
	return ActionObserve, 0
}

// tolerant is how much more evidence is wanted since people dismissed alerts about this key.
func (k *keyState) tolerant(t int64) float64 {
	f := k.read()
	if f.tolerance == 0 {
		return 0
	}
	return float64(f.tolerance) * halved(t-f.toleranceAt, toleranceHalfLife)
}

// verdict is a finding on its way to a decision.
type verdict struct {
	kind       episodeKind
	net, agent uint32
	actor      *actor // nil for spikes and crowds
	number     int    // of the actor
	pool       *pool
	overDays   bool // it is about what the crowd has been over days
	spike      *spike
	shift      *volumeShift
	f          *finding
	wanted     Action
	score      float64
	t          int64
}

// act opens an alert, lets it grow, or leaves it as it is.
func (e *Engine) act(k *keyState, p *Policy, v verdict) {
	if v.kind == episodeActor && v.wanted <= ActionFlag && v.actor.netNew {
		if crowd := k.episodeOf(episodePool, 0, 0, v.t); crowd != nil && !crowd.ended {
			crowd.last = v.t // one of many of whom it is known
			return
		}
	}
	ep := k.episodeOf(v.kind, v.net, v.agent, v.t)
	if ep == nil && v.kind == episodeActor {
		if n, heldBack := k.apart(); n >= clientsApart && (v.wanted <= ActionFlag || heldBack) {
			v.kind, v.net, v.agent = episodeClients, 0, 0 // an attack by way of a thousand addresses is one thing to look at, and so is an app that fails everywhere
			ep = k.episodeOf(v.kind, v.net, v.agent, v.t)
		}
	}
	if ep != nil && ep.until != 0 && v.t >= ep.until {
		// The action has lapsed. What led to it must not lead to it again: it takes new evidence.
		ep.until, ep.wanted, ep.action, ep.last = 0, ActionFlag, ActionFlag, v.t
		if v.actor != nil {
			v.actor.forgive()
			k.read().forget(v.number)
		}
		k.write().pool = nil
		return
	}
	switch {
	case ep == nil && k.suspended(v.t):
		return
	case ep != nil && v.wanted <= ep.wanted && (!ep.early || p.early(k, v.t)):
		ep.add(k, &v)
		if v.t-ep.told >= progressMillis {
			e.tell(k, p, ep, &v, PhaseContinued)
		}
		return
	}
	phase := PhaseEscalated
	if ep == nil {
		phase = PhaseOpened
		ep = k.open(episode{kind: v.kind, net: v.net, agent: v.agent, start: v.t, fresh: v.actor != nil && v.actor.fresh})
		if v.shift != nil {
			ep.start = v.shift.since // the same however late it is seen
		}
		e.opened(k)
		e.suspects.charged(v.kind)
	}
	ep.wanted, ep.cause, ep.ended = v.wanted, v.f.leading(), false
	ep.add(k, &v)
	action, held := e.permit(k, p, ep, v.t)
	ep.action = action
	ep.early = v.wanted == ActionSuspend && p.early(k, v.t)
	ep.until = 0
	if action >= ActionThrottle && p.TTL.Duration > 0 {
		ep.until = v.t + p.TTL.Milliseconds()
	}
	d := e.decision(k, p, ep, &v, phase)
	d.Held = held
	e.give(d)
	ep.told = v.t
	if v.wanted == ActionSuspend {
		if v.kind == episodeActor && v.actor.fresh { // what is the customer's own is nobody's elsewhere
			e.blame(k, v.actor, v.t)
		}
		if action == ActionSuspend {
			k.write().pool = nil // what one client did must not be held against the rest
		}
	}
}

// leading is the family that says most about what was done.
func (f *finding) leading() Family {
	best := FamilyNovelty
	for i := FamilySpread; i < familyCount; i++ {
		if f.by[i] > 0 && (best == FamilyNovelty || f.by[i] > f.by[best]) {
			best = i
		}
	}
	return best
}

func (e *Engine) tell(k *keyState, p *Policy, ep *episode, v *verdict, phase Phase) {
	d := e.decision(k, p, ep, v, phase)
	d.Action = ActionObserve
	e.give(d)
	ep.told = v.t
}

func (e *Engine) give(d Decision) {
	if !e.warm {
		d.PolicyRevision = e.policies.Revision
		e.out = append(e.out, d)
	}
}
