package detect

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// decision puts a verdict into words and numbers.
func (e *Engine) decision(k *keyState, p *Policy, ep *episode, v *verdict, phase Phase) Decision {
	d := Decision{
		TimeMillis: v.t, KeyID: k.id, Action: ep.action, Wanted: ep.wanted, Phase: phase, EpisodeID: ep.id(k.id), PolicyID: p.ID,
		Score: round2(v.score), PValue: v.f.harmonic(),
	}
	if ep.action >= ActionThrottle {
		d.TTLMillis = p.TTL.Milliseconds()
	}
	lead := ""
	switch v.kind {
	case episodeActor, episodeClients:
		lead = fmt.Sprintf("%s is in %s.", e.agentName(v.actor.agent), networkName(v.actor.net, v.actor.cc, usage.Addr(v.actor.ips[0])))
		d.Actor = e.actorView(k, v.actor, e.separable(k, ep))
		n := k.nets().find(v.actor.net)
		d.Actor.NewNetwork = n < 0 || !k.nets()[n].established()
		d.Evidence = e.actorEvidence(k, v.actor, v.f)
		if v.kind == episodeClients {
			apart, _ := k.apart()
			d.Evidence = append(d.Evidence, Evidence{
				Family: FamilySpread, Detector: "many_clients", Observed: float64(apart), High: clientsApart - 1, PValue: probability(v.score), WindowSeconds: endMillis / 1000,
				Sentence: fmt.Sprintf("%d clients of this key have an alert each; this one is about all others, of which the latest is shown.", apart),
			})
		}
		d.Examples = e.exampleViews(k.read().of(v.number))
	case episodePool:
		d.Actor = Actor{Requests: int64(v.pool.n), SinceMs: v.pool.start, Network: fmt.Sprintf("%d networks", v.pool.nNets)}
		d.Evidence = e.poolEvidence(k, v.pool, v.f, v.overDays)
		d.Examples = e.exampleViews(v.pool.examples)
		d.Actor.Addresses = addressesOf(d.Examples)
	case episodeShift:
		d.Evidence = []Evidence{k.shiftEvidence(v.shift)}
		d.Actor = Actor{Requests: int64(v.shift.observed), SinceMs: v.shift.since}
	case episodeHour:
		d.Evidence = e.spikeEvidence(k, v.spike)
		d.Actor = Actor{Requests: int64(k.hours.cur[meterRequests]), SinceMs: int64(k.hours.hour) * hourMillis}
	}
	sort.SliceStable(d.Evidence, func(i, j int) bool { return d.Evidence[i].PValue < d.Evidence[j].PValue })
	d.Reason = reason(lead, d.Evidence)
	d.Usual = e.usual(k, v.t)
	return d
}

// reason joins a sentence that says who or what it is about, lead where no finding does, with the strongest of who and the two strongest of what speaks
// against it.
func reason(lead string, ev []Evidence) string {
	who := func(ev Evidence) bool { return ev.Family == FamilyNovelty || ev.Family == FamilySpread }
	about := slices.IndexFunc(ev, func(ev Evidence) bool { return ev.Detector == "new_client" || strings.HasPrefix(ev.Detector, "hour_") })
	var said []string
	if about < 0 {
		about = slices.IndexFunc(ev, who)
		if lead != "" {
			said = append(said, lead)
		}
	}
	if about >= 0 {
		said = append(said, ev[about].Sentence)
	}
	what := 0
	for i := range ev {
		if i != about && !who(ev[i]) && what < 2 {
			said = append(said, ev[i].Sentence)
			what++
		}
	}
	return strings.Join(said, " ")
}

func round2(x float64) float64 { return math.Round(x*100) / 100 }

// probability is the p-value that a piece of evidence amounts to.
func probability(score float64) float64 { return math.Pow(10, -max(0, score)) }

// networkName is the number of a network; one without a number is told by the block of the address.
func networkName(net uint32, cc uint16, ip netip.Addr) string {
	name := "AS" + strconv.FormatUint(uint64(net), 10)
	if net&prefixNet != 0 {
		name = blockOf(ip)
	}
	if cc != 0 {
		name += " (" + countryName(cc) + ")"
	}
	return name
}

// blockOf is the block that stands for the network of an address.
func blockOf(ip netip.Addr) string {
	bits := netBits6
	if ip.Is4() {
		bits = netBits4
	}
	block, _ := ip.Prefix(bits)
	if !block.IsValid() {
		return "an unknown network"
	}
	return block.String()
}

func (e *Engine) agentName(agent uint32) string {
	if agent == 0 || int(agent) >= len(e.agents.list) {
		return "A client without a name"
	}
	return e.agents.list[agent]
}

func (e *Engine) actorView(k *keyState, a *actor, separable bool) Actor {
	v := Actor{Country: countryName(a.cc), Separable: separable, Requests: int64(a.n), SinceMs: a.first}
	if a.agent != 0 && int(a.agent) < len(e.agents.list) {
		v.Agent = e.agents.list[a.agent]
	}
	if a.net&prefixNet == 0 {
		v.ASN = a.net
	}
	for i := range min(int(a.nAddr), len(a.ips)) {
		if ip := usage.Addr(a.ips[i]); ip.IsValid() {
			v.Addresses = append(v.Addresses, ip.String())
			if v.ASN == 0 && v.Network == "" {
				v.Network = blockOf(ip)
			}
		}
	}
	return v
}

func (e *Engine) exampleViews(list []example) []ExampleRecord {
	out := make([]ExampleRecord, 0, len(list))
	for i := range list {
		x := &list[i]
		r := ExampleRecord{TimeMillis: x.t, Path: string(x.path), Status: x.status, Country: countryName(x.cc)}
		r.Method, _, _ = strings.Cut(e.routes[x.route].name, " ")
		if int(x.agent) < len(e.agents.list) {
			r.Agent = e.agents.list[x.agent]
		}
		if x.net&prefixNet == 0 {
			r.ASN = x.net
		}
		if ip := usage.Addr(x.ip); ip.IsValid() {
			r.ClientIP = ip.String()
		}
		out = append(out, r)
	}
	return out
}

func addressesOf(list []ExampleRecord) []string {
	var out []string
	for _, r := range list {
		if r.ClientIP != "" && (len(out) == 0 || out[len(out)-1] != r.ClientIP) {
			out = append(out, r.ClientIP)
		}
	}
	return out
}

// since words how long a key has been watched.
func (k *keyState) since(t int64) string {
	if d := (t - k.born) / 86400e3; d >= 2 {
		return fmt.Sprintf("%d days", d)
	}
	return fmt.Sprintf("%d hours", max(1, (t-k.born)/hourMillis))
}

// leastTold is the evidence from which a finding is worth a sentence: it makes abuse half as likely again.
const leastTold = 0.18

func (e *Engine) actorEvidence(k *keyState, a *actor, f *finding) (out []Evidence) {
	window := max(1, (a.last-a.first)/1000)
	for i, s := range f.by {
		if s < leastTold {
			continue
		}
		fam := Family(i)
		ev := e.describe(k, a, fam, s)
		ev.Family, ev.PValue = fam, probability(s)
		if ev.WindowSeconds == 0 {
			ev.WindowSeconds = window
		}
		out = append(out, ev)
	}
	if a.elsewhere > 0.05 {
		out = append(out, a.describeElsewhere(window))
	}
	if f.overlap > 0.05 {
		out = append(out, Evidence{
			Family: FamilyNovelty, Detector: "strange_objects", PValue: probability(f.overlap), WindowSeconds: window,
			Observed: float64(a.ownObjects / a.objects), Expected: float64(k.knownIDs), Low: strangerHits, High: 1,
			Sentence: fmt.Sprintf("Of the %.0f objects that it asked for, the customer's own clients used %.0f lately; of theirs, they use %.0f%% again.",
				a.objects, a.ownObjects, 100*k.knownIDs),
		})
	}
	if f.moved <= -0.3 {
		out = append(out, Evidence{
			Family: FamilyRhythm, Detector: "succession", PValue: 1, WindowSeconds: max(1, (a.last-k.lastKnown)/1000), Observed: 0, Expected: 1,
			Sentence: fmt.Sprintf("The customer's own clients have been silent for %s, and it does with their program what they did: that speaks for a move.", span(a.last-k.lastKnown)),
		})
	}
	if f.overlap <= -1 {
		out = append(out, Evidence{
			Family: FamilyNovelty, Detector: "shared_objects", PValue: 1, WindowSeconds: window,
			Observed: float64(a.ownObjects / a.objects), Expected: float64(k.knownIDs),
			Sentence: fmt.Sprintf("It asks for objects that the customer's own clients use (%.0f%% of them): that speaks for the customer.", 100*a.ownObjects/a.objects),
		})
	}
	return out
}

func (e *Engine) describe(k *keyState, a *actor, fam Family, s float64) (ev Evidence) {
	switch fam {
	case FamilyNovelty:
		ev = e.describeNovelty(k, a)
	case FamilyEnumeration:
		if a.walk.score() < s {
			ev = Evidence{Detector: "every_object_once", Observed: float64((a.idAgain + a.idKnown) / a.idN), Expected: customerAgain.mean(), Low: 0.03, High: 1}
			ev.Sentence = fmt.Sprintf("It never comes back to an object: %.0f of its last %.0f ids were new to it; this key's own clients use theirs again.", a.idN-a.idAgain-a.idKnown, a.idN)
			break
		}
		null := e.nullGaps(k)
		near := null[1] + null[2]
		ev = Evidence{Detector: "id_walk", Observed: float64(a.walk.n), Expected: near * float64(a.walk.n), High: float64(a.walk.n) * min(1, 3*near)}
		ev.Sentence = fmt.Sprintf("It goes through object ids one after the other (%d so far); this key's own clients take such steps in %.0f%% of cases.",
			a.walk.n, 100*near/(null[0]+null[1]+null[2]+null[3]+null[4]))
	case FamilyErrors:
		ev = e.describeErrors(k, a)
	case FamilyMoney:
		ev = e.describeMoney(k, a)
	case FamilyRoutes:
		n := a.routesNew + a.routesKnown
		ev = Evidence{Detector: "new_routes", Observed: float64(a.routesNew), Expected: 0.2 * float64(n), High: 0.6 * float64(n)}
		ev.Sentence = fmt.Sprintf("%d of the %d routes that it called are new to this key.", a.routesNew, n)
		if n == 1 {
			ev.Sentence = "The one route that it called is new to this key."
		}
	case FamilyDormancy:
		gap := time.Duration(k.gapSec) * time.Second
		ev = Evidence{Detector: "awakening", Observed: gap.Hours(), Expected: float64(k.maxGapSec) / 3600, High: 3 * float64(k.maxGapSec) / 3600, WindowSeconds: int64(k.gapSec)}
		ev.Sentence = fmt.Sprintf("The key had been silent for %.1f days; its longest silence before was %s.", gap.Hours()/24, span(int64(k.maxGapSec)*1000))
	case FamilyGeography:
		ev = k.describeLeap(a)
	case FamilyRhythm:
		ev = e.describeRhythm(k, a)
	case FamilyLatency:
		ev = e.describeLatency(k, a)
	case FamilyVolume:
		ev = k.describePace(a)
	}
	return ev
}

func (k *keyState) describePace(a *actor) Evidence {
	p := k.outpace(a)
	times := p.observed / max(1, p.record)
	ev := Evidence{Observed: p.observed, Expected: p.record, High: 3 * p.record, WindowSeconds: 3600}
	switch p.meter {
	case meterMinutes:
		ev.Detector, ev.WindowSeconds = "pace_minutes", minutesMillis/1000
		ev.Sentence = fmt.Sprintf("It alone made %.0f calls in five minutes, %.1f times the busiest five minutes of the whole key.", p.observed, times)
	case meterSeldom:
		ev.Detector = "pace_seldom"
		ev.Sentence = fmt.Sprintf("It alone made %.0f calls in an hour that the key hardly makes (routes that it seldom uses, objects that it never asked for), %.1f times the most before.", p.observed, times)
	default:
		ev.Detector = "pace_" + meterNames[p.meter]
		ev.Sentence = fmt.Sprintf("It alone took %s in an hour, %.1f times the busiest hour of the whole key.", amount(p.meter, p.observed), times)
	}
	return ev
}

func (e *Engine) describeMoney(k *keyState, a *actor) Evidence {
	units, size, body := a.money.bet(a.spread()), a.size.bet(a.spread()), a.body.bet(a.spread())
	spend := e.spending(k, a)
	each := func(detector string, x *excess, sentence string) Evidence {
		return Evidence{Detector: detector, Observed: x.times(), Expected: 1, Low: 0.2, High: 5, Sentence: fmt.Sprintf(sentence, x.times())}
	}
	minutes, most := k.burst(a)
	switch {
	case spend >= max(units, size, body) && spend > 0 && minutes >= spend:
		ev := Evidence{Detector: "units_minutes", Observed: a.units5.peak(), Expected: most, High: 3 * most, WindowSeconds: minutesMillis / 1000}
		ev.Sentence = fmt.Sprintf("It used %.0f units in five minutes; the busiest of the key, by its calls, had about %.0f.", ev.Observed, most)
		return ev
	case spend >= max(units, size, body) && spend > 0:
		ref := e.unitsReference(k, a)
		ev := Evidence{Detector: "units_per_hour", Observed: float64(a.units) / a.hours(), Expected: ref, High: 3 * ref}
		ev.Sentence = fmt.Sprintf("It used %.0f units in %s; the busiest hour so far had %.0f.", a.units, span(a.last-a.first), ref)
		return ev
	case units >= max(size, body):
		return each("units_per_request", &a.money, "Its requests take %.0f times the units that are usual on these routes.")
	case size >= body:
		return each("bytes_per_request", &a.size, "Its answers are %.0f times as large as is usual on these routes.")
	default:
		return each("bytes_sent_per_request", &a.body, "Its requests are %.0f times as large as is usual on these routes.")
	}
}

func (e *Engine) poolEvidence(k *keyState, p *pool, f *finding, overDays bool) (out []Evidence) {
	window := max(1, (p.last-p.start)/1000)
	add := func(fam Family, detector string, observed, expected, high float64, sentence string) {
		out = append(out, Evidence{
			Family: fam, Detector: detector, Sentence: sentence, Observed: observed, Expected: expected, High: high,
			WindowSeconds: window, PValue: probability(f.by[fam]),
		})
	}
	if overDays {
		window = max(1, (p.last-p.since)/1000)
		add(FamilySpread, "crowd_over_days", float64(p.days.nNets), 1, 2, fmt.Sprintf("Within %s the key was used from %s networks where it had never been used, with %s.",
			span(p.last-p.since), atLeast(int(p.days.nNets), len(p.days.nets)), counted(int(p.days.nAgents), "client program")))
		if f.by[FamilyGeography] > 0 {
			add(FamilyGeography, "crowd_abroad", float64(p.days.nAbroad), 0, onceCountries-1, fmt.Sprintf("They are in %s countries in which this key was never at home.", atLeast(int(p.days.nAbroad), len(p.days.abroad))))
		}
		return out
	}
	rate := k.newRate(kindNet)
	add(FamilyNovelty, "new_networks", float64(p.nNets), rate, 2, fmt.Sprintf("The key is used from %s where it was never used in %s.", counted(int(p.nNets), "network"), k.since(p.start)))
	add(FamilySpread, "crowd", float64(p.nAddrs), serviceSize, 3*serviceSize, fmt.Sprintf("%s in %s with %s used the key within %s, and new ones keep coming.",
		counted(int(p.nAddrs), "address"), counted(int(p.nNets), "network"), counted(int(p.nAgents), "client program"), span(p.last-p.start)))
	if f.by[FamilyEnumeration] > 0.5 {
		add(FamilyEnumeration, "id_walk", float64(p.walk.n), 0, 0, fmt.Sprintf("Together they go through object ids one after the other (%d so far).", p.walk.n))
	}
	if f.by[FamilyVolume] > 0 {
		hourly, most := p.hourly(p.last), float64(k.hours.record[meterRequests])
		add(FamilyVolume, "crowd_pace", hourly, most, 3*most, fmt.Sprintf("They alone made %.0f requests in an hour, %.1f times the busiest hour of the whole key, one address after the other.", hourly, hourly/max(1, most)))
	}
	if f.by[FamilyErrors] > 0.5 {
		failed, usual := e.crowdFailures(k, p)
		n := float64(p.n)
		add(FamilyErrors, "crowd_fails", failed/n, usual.mean(), usual.high(n), fmt.Sprintf("%.0f of their %d requests failed or were told to wait (4xx); %.1f%% is usual here.", failed, p.n, 100*usual.mean()))
	}
	return out
}

func (e *Engine) spikeEvidence(k *keyState, s *spike) (out []Evidence) {
	h := k.hours
	if s.meter == meterDay {
		return []Evidence{h.dayEvidence(s)}
	}
	cur, rec := float64(h.cur[s.meter]), float64(h.record[s.meter])
	out = append(out, Evidence{
		Family: FamilyVolume, Detector: "hour_" + meterNames[s.meter], Observed: cur, Expected: e.tails.Quantile(h.tail(s.meter), 0.5),
		Low: 0, High: e.tails.Quantile(h.tail(s.meter), 0.01), WindowSeconds: 3600, PValue: probability(s.volume),
		Sentence: fmt.Sprintf("%s in this hour are %.0f times the busiest hour that the key had before.", amount(s.meter, cur), cur/rec),
	})
	if s.oneSided > 0.05 {
		out = append(out, Evidence{
			Family: FamilyRoutes, Detector: "one_sided", Observed: s.share, Expected: s.usual, High: min(1, 2*s.usual), WindowSeconds: 3600, PValue: probability(s.oneSided),
			Sentence: fmt.Sprintf("%.0f%% of them are %s, otherwise %.0f%%.", 100*s.share, e.routes[h.route].name, 100*s.usual),
		})
	}
	if s.refused > 0.3 && s.refused >= s.throttled {
		share := float64(h.refused / h.cur[meterRequests])
		out = append(out, Evidence{
			Family: FamilyErrors, Detector: "refused", Observed: share, Expected: usualRefused.mean(), High: usualRefused.high(float64(h.cur[meterRequests])), WindowSeconds: 3600, PValue: probability(s.refused),
			Sentence: fmt.Sprintf("%.0f%% of them are refused (4xx), and it goes on.", 100*share),
		})
	}
	if s.throttled > 0.3 && s.throttled > s.refused {
		share := float64(h.late / h.cur[meterRequests])
		out = append(out, Evidence{
			Family: FamilyErrors, Detector: "throttled", Observed: share, Expected: usualLate.mean(), High: usualLate.high(float64(h.cur[meterRequests])), WindowSeconds: 3600, PValue: probability(s.throttled),
			Sentence: fmt.Sprintf("%.0f%% of them are answered 429, and it goes on.", 100*share),
		})
	}
	if s.offHours > 0.3 {
		out = append(out, Evidence{
			Family: FamilyRhythm, Detector: "off_hours", Observed: float64(h.cur[meterRequests]), Expected: float64(h.usually()), High: float64(h.record[meterRequests]),
			WindowSeconds: 3600, PValue: probability(s.offHours),
			Sentence: fmt.Sprintf("At this hour the key usually makes %.0f requests.", h.usually()),
		})
	}
	return out
}
