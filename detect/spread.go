package detect

// pool gathers what comes from fresh addresses in networks new to the key, whichever: a botnet is one actor with a thousand
// homes.
type pool struct {
	start, last int64
	company     // since start
	n           uint32
	nCountries  uint8
	countries   [8]uint32
	visits      uint32 // of addresses: calls from one that is not among the latest
	turns       uint32 // calls from another address than the one before
	latest      uint32 // address
	own         uint32 // calls by a program that is one of the customer's
	addrs       [64]uint32
	nAddrs      uint32
	failed      uint32 // answers that say so (4xx)
	late        uint32 // and those that tell to wait
	ring        idRing
	walk        walk
	objects     float32 // that were asked for, and
	ownObjects  float32 // those of them that the customer uses
	fan         float32 // log10 of the bet that new addresses never stop
	level       float32 // evidence that the budget for alerts asks for
	fleet       bool    // so was the crowd that it goes on from
	examples    []example

	// The same with the crowds that this one goes on from: a key that is passed around has more networks and programs every evening, and the more it has
	// had, the less is one more a surprise.
	days  company
	since int64 // start of the first of them
}

// company is who makes up a crowd.
type company struct {
	who     float32 // how new the newest of them was
	nets    [24]uint32
	agents  [8]uint32
	abroad  [8]uint32 // countries that are not the customer's
	nNets   uint8
	nAgents uint8
	nAbroad uint8
}

const (
	poolIdleMillis = 6 * hourMillis
	poolLifeMillis = 24 * hourMillis
	poolRestMillis = 36 * hourMillis // the next evening, at other hours
	poolDaysMillis = 5 * 24 * hourMillis
	poolLeast      = 3    // networks
	poolFlag       = 5.0  // evidence for an alert
	poolMore       = 1.25 // evidence for a suspension, beyond what one client's asks for: its members are not known one by one

	// A service of any size comes back to its addresses: the share of requests from one not seen before falls like
	// size/(size+n) (Blackwell and MacQueen 1973). That of a botnet stays.
	serviceSize  = 8.0
	botnetFresh  = 0.2
	poolSettling = 8

	// A customer that is at home in a network or two grows into one country after the other. And whoever shares a key with people in many shares with them what it is used for,
	// so that the objects that they ask for say nothing there. What checks from all over the world whether all is well brings a program of its own.
	abroadSlope = 2.0

	netsSlope      = 1.2 // customers' expansions into k networks at once are about k^-1.2 as frequent as into one
	agentsEvidence = 0.5 // for each agent family beyond two
	maxAgentsBonus = 2
)

// gather adds a record from a network new to the key.
func (e *Engine) gather(k *keyState, a *actor, o *obs, is *reading) {
	p := k.read().pool
	if p == nil || o.t-p.last > poolIdleMillis || o.t-p.start > poolLifeMillis {
		next := &pool{start: o.t, level: suspect(e.suspects.clients), fleet: p != nil && o.t-p.last <= poolIdleMillis && k.slowly(p, p.last), since: o.t}
		if p != nil && o.t-p.last <= poolRestMillis && o.t-p.since <= poolDaysMillis {
			next.days, next.since = p.days, p.since
		}
		if p != nil {
			next.examples = p.examples[:0]
		}
		p = next
		k.write().pool = p
	}
	p.last = max(p.last, o.t)
	p.n++
	i := k.countries().find(uint32(o.cc))
	abroad := o.cc != 0 && (i < 0 || !k.countries()[i].established())
	p.join(a.who, o, abroad)
	p.days.join(a.who, o, abroad)
	if o.cc != 0 {
		p.nCountries = note(p.countries[:], p.nCountries, uint32(o.cc))
	}
	if c := is.class; c >= 0 && !e.all.broken(c) {
		p.failed++
	}
	if o.status == 429 {
		p.late++
	}
	if k.uses(o.agent) {
		p.own++
	}
	e.fanOut(k, p, o.addr)
	if o.idHash != 0 && !is.own {
		p.objects++
		if is.known {
			p.ownObjects++
		}
	}
	if o.id >= 0 && !is.own {
		if class, ok := p.ring.gap(o.id); ok {
			if is.known {
				class = 0
			}
			e.walkOn(k, &p.walk, class)
		}
	}
	if len(p.examples) < maxExamples {
		p.examples = addExample(p.examples, o)
	}
}

func (c *company) join(who float32, o *obs, abroad bool) {
	if abroad {
		c.nAbroad = note(c.abroad[:], c.nAbroad, uint32(o.cc))
	}
	c.who = max(c.who, who)
	c.nNets = note(c.nets[:], c.nNets, o.net)
	c.nAgents = note(c.agents[:], c.nAgents, o.agent)
}

func note(list []uint32, n uint8, v uint32) uint8 {
	for i := range int(n) {
		if list[i] == v {
			return n
		}
	}
	if int(n) == len(list) {
		return n
	}
	list[n] = v
	return n + 1
}

func (e *Engine) fanOut(k *keyState, p *pool, addr uint32) {
	if addr != p.latest {
		p.turns++
		p.latest = addr
	}
	back := false
	for i := range min(int(p.nAddrs), len(p.addrs)) {
		if p.addrs[i] == addr {
			back = true
			break
		}
	}
	if !back {
		p.addrs[int(p.nAddrs)%len(p.addrs)] = addr
		p.nAddrs++
		p.visits++
	}
	q := max(serviceSize/(serviceSize+float64(p.n)), 2*float64(k.churn))
	if p.n <= poolSettling || q >= botnetFresh {
		return
	}
	ratio := (1 - botnetFresh) / (1 - q)
	if !back {
		ratio = botnetFresh / q
	}
	p.fan = cusum(p.fan, ratio)
}

// Share of calls that open a visit from an address: of a rotating proxy, and of a crowd, whose members make some calls each before they
// go. A key whose own clients come from ever new addresses is expected to do so elsewhere as well.
var (
	rotating = beta{20, 1}
	crowded  = beta{2, 4}
)

const (
	onceLeast       = 2.5 // evidence of rotation that is "what" enough for a suspension, where the key
	onceConcentrate = 3   // was used from this many networks at most, and is now
	onceNets        = 8   // from as many
	onceCountries   = 4   // in as many
	oncePace        = 0.5 // and busier than ever by itself: a thousand new devices of the customer call in turn, and seldom
	onceMore        = 2.75

	crowdEndless = 5.0 // evidence that new addresses never stop, of a crowd that is stopped for how much of what it does fails, with
	crowdFails   = 1.0 // so much evidence of that

	// One worker behind a changing proxy calls from one address after the other. The members of a crowd that is as busy are there at the same time, or are devices of the
	// customer's, which have a program of the customer's.
	serialLeast = 2.5 // evidence of that which is "what" enough for a suspension, where it is
	serialNets  = 5   // from as many networks
	serialCalls = 100 // and an hour at least has as many: few enough people take turns by chance
)

// rotation bets on "no address makes a second call".
func (k *keyState) rotation(p *pool) float64 {
	null := crowded
	if m := min(0.95, 2*float64(k.churn)); m > null.mean() {
		null = beta{m * (null.a + null.b), (1 - m) * (null.a + null.b)}
	}
	return max(0, logBayes(float64(min(p.visits, p.n)), float64(p.n), null, rotating))
}

// Share of the changes of address that go back to one of the latest.
var (
	proxyReturns = beta{1, 20}
	crowdReturns = beta{4, 2}
)

// serial bets on "one after the other, and none comes back" against "side by side".
func (p *pool) serial() float64 {
	return max(0, logBayes(float64(p.turns-min(p.turns, p.visits)), float64(p.turns), crowdReturns, proxyReturns))
}

// concentrated says that the key is at home in few networks.
func (k *keyState) concentrated() bool {
	n := 0
	for _, net := range k.nets() {
		if net.established() {
			n++
		}
	}
	return n <= onceConcentrate
}

// crowdPace is what a crowd's calls an hour say beside the key's busiest hour; below 0 where they are fewer.
func (k *keyState) crowdPace(p *pool, t int64) float64 {
	rec := float64(k.hours.record[meterRequests])
	if rec <= 0 {
		return 0
	}
	return paceSlope * log10(p.hourly(t)/max(paceCalls, rec))
}

// hourly is the crowd's calls an hour, of the first hour at least.
func (p *pool) hourly(t int64) float64 { return float64(p.n) / max(1, float64(t-p.start)/hourMillis) }

// fleetMore is how much more evidence a suspension of one of a fleet asks for: what one of them does, all do.
const fleetMore = 1.0

// slowly says that the crowd is one that is in no hurry: for an hour and more one program has come from several networks, and all together call less than the
// key did in its busiest hour. Devices of the customer's on their owners' lines do that. Whoever goes from network to network with somebody else's key is in a hurry.
func (k *keyState) slowly(p *pool, t int64) bool {
	return p.nAgents == 1 && (p.fleet || p.nNets >= poolLeast && t-p.start >= hourMillis) && k.crowdPace(p, t) < 0
}

// fleet says that the client is one of such a crowd.
func (k *keyState) fleet(a *actor, t int64) bool {
	return a.netNew && k.read().pool != nil && k.slowly(k.file.pool, t)
}

// judgePool decides about the crowd, and about what it has been over days.
func (e *Engine) judgePool(k *keyState, pol *Policy, t int64) {
	p := k.read().pool
	if p.nNets >= poolLeast && e.judgeCrowd(k, pol, p, t) || p.days.nNets < poolLeast {
		return
	}
	var f finding
	f.by[FamilyNovelty] = float64(p.days.who)
	f.by[FamilySpread] = netsSlope*log10(float64(p.days.nNets)) + programs(p.days.nAgents)
	known := k.crowdOverlap(p, &f)
	if p.days.nAbroad >= onceCountries && k.concentrated() && 2*p.own > p.n {
		f.by[FamilyGeography], known = abroadSlope*log10(float64(p.days.nAbroad)), 0
	}
	total := f.total() + known
	if f.who() >= leastWhoFlag && total >= max(poolFlag, float64(p.level))+k.tolerant(t) {
		e.act(k, pol, verdict{kind: episodePool, pool: p, overDays: true, f: &f, score: total, t: t, wanted: ActionFlag})
	}
}

// programs is what it says that a crowd uses many client programs.
func programs(agents uint8) float64 {
	return min(maxAgentsBonus, agentsEvidence*max(0, float64(agents)-2))
}

// crowdOverlap is what the objects that a crowd asks for say for it: hosted workers of the customer go on with its work, a crowd does not know of it.
func (k *keyState) crowdOverlap(p *pool, f *finding) float64 {
	if p.objects > 0 && k.knownIDs >= 0.3 {
		f.overlap = max(-maxFamiliar, min(0, familiarity(float64(p.ownObjects), float64(p.objects), float64(k.knownIDs))))
	}
	return f.overlap
}

// judgeCrowd decides about the crowd of a day, and says whether there is anything to do about it. Many networks are "who"; ids one after the other across
// them, or many client programs, are "what"; so is an address for every call, where the key was at home in few networks; so is that many of its calls
// fail, where it is all over the world and new addresses never stop; and so is that it calls more than
// the key ever did from one address after the other, all over the world.
func (e *Engine) judgeCrowd(k *keyState, pol *Policy, p *pool, t int64) bool {
	var f finding
	f.by[FamilyNovelty] = float64(p.who)
	f.by[FamilySpread] = min(8, netsSlope*log10(float64(p.nNets))+float64(p.fan))
	f.by[FamilyEnumeration] = min(maxEnumeration, p.walk.score())
	agents := programs(p.nAgents)
	f.by[FamilySpread] += agents
	once := 0.0
	if p.nNets >= onceNets && p.nCountries >= onceCountries && k.concentrated() {
		once = k.rotation(p)
	}
	f.by[FamilyErrors] = max(0, min(maxErrors, e.crowdErrors(k, p)))
	total, more := f.total(), k.tolerant(t)
	total += k.crowdOverlap(p, &f)
	pace := k.crowdPace(p, t)
	v := verdict{kind: episodePool, pool: p, f: &f, score: total, t: t}
	endless, sure := f.by[FamilySpread]-agents, total >= pol.Required.Suspend+onceMore
	walks := f.by[FamilyEnumeration] >= 2
	motley := agents >= 1 && endless >= 2
	rotates := once >= onceLeast && pace >= oncePace && sure
	fails := p.nCountries >= onceCountries && endless >= crowdEndless && f.by[FamilyErrors] >= crowdFails && sure
	serial := p.nNets >= serialNets && p.nCountries >= onceCountries && pace >= oncePace && p.hourly(t) >= serialCalls && 2*p.own < p.n && p.serial() >= serialLeast
	switch {
	case f.who() >= 1 && (walks || motley || rotates || fails) && total >= pol.Required.Suspend+poolMore+more:
		v.wanted = ActionSuspend
	case f.who() >= 1 && serial && total+pace >= pol.Required.Suspend+poolMore+more:
		f.by[FamilyVolume] = pace
		v.wanted, v.score = ActionSuspend, total+pace
	case f.who() >= leastWhoFlag && total >= max(poolFlag, float64(p.level))+more:
		v.wanted = ActionFlag
	default:
		return false
	}
	e.act(k, pol, v)
	return true
}
