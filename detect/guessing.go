package detect

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// guesses follows who tries keys that no key store knows: by address, the number of different ones in a window. The keys of one guesser come to
// several partitions, whose engines tell each other of them ([Engine.Blames]); calls are counted where they come.
type guesses struct {
	by      map[uint32]*guesser
	swept   int64
	running int        // guessers with an alert of their own
	crowd   guessCrowd // of further ones, which share an alert
}

// guesser is an address of which unknown keys came lately.
type guesser struct {
	start, last int64
	keys        [8]uint64 // bitmap of hashed key ids: linear counting (Whang 1990)
	n           uint32    // calls since start, or in its episode
	since       int64     // begin of its episode; 0: none
	told        int64
	shared      bool // its episode is the crowd's
}

// guessCrowd is the episode of many guessers.
type guessCrowd struct {
	since, last, told int64 // since 0: none
	addresses         int
	calls             uint32
}

const (
	guessWindow   = 10 * 60e3
	guessKeys     = 12 // different unknown keys from one address: a rotation gone wrong shows one or two
	guessersApart = 5  // addresses that have an alert each at a time: who rents thousands is one thing to look at
	maxGuessers   = 1 << 16
	guessEvidence = 3.0
	guessSweep    = 60e3
)

func (g *guesser) distinct() (n int) {
	for _, w := range g.keys {
		n += bits.OnesCount64(w)
	}
	return n
}

// try notes a key, and tells whether it is another one, as far as the bitmap can tell.
func (g *guesser) try(h uint64) bool {
	word, bit := &g.keys[h>>6%8], uint64(1)<<(h&63)
	isNew := *word&bit == 0
	*word |= bit
	return isNew
}

// of returns what is known of an address that tries a key at that time; nil where there is no room for another one.
func (s *guesses) of(addr uint32, t int64) *guesser {
	if s.by == nil {
		s.by = map[uint32]*guesser{}
	}
	g := s.by[addr]
	switch {
	case g == nil && len(s.by) >= maxGuessers:
		return nil
	case g == nil:
		g = &guesser{start: t}
		s.by[addr] = g
	case t-g.start > guessWindow:
		if g.start, g.keys = t, [8]uint64{}; g.since == 0 {
			g.n = 0
		}
	}
	g.last = max(g.last, t)
	return g
}

// hear takes up that another partition has met an unknown key. An alert follows with the next one that comes here.
func (s *guesses) hear(b *Blame) {
	if g := s.of(b.addrs[0], b.culprit.t); g != nil {
		g.try(b.tried)
	}
}

// guess counts a call with an unknown key. Where more addresses than are followed send some, those that come later are passed over until others
// have stopped: anybody may send from as many addresses as a network has, and looking for room at each call would hold up everybody.
func (e *Engine) guess(b *usage.Batch, i int) {
	addr, net := addressOf(b.ClientIP[i], b.ASN[i])
	t := b.TimeMillis[i]
	s := &e.guesses
	e.sweepGuesses(t)
	g := s.of(addr, t)
	if g == nil {
		return
	}
	g.n++
	if h := hashBytes([]byte(b.KeyID.At(i)), 3); g.try(h) {
		e.culprits.tell(Blame{addrs: []uint32{addr}, tried: h, culprit: culprit{t: t}}, maxElsewhere/2)
	}
	if g.distinct() < guessKeys {
		return
	}
	opened := g.since == 0
	if opened {
		g.since = g.start
		e.accuse(Blame{net: net, culprit: culprit{t: t}})
		if g.shared = s.running >= guessersApart; !g.shared {
			s.running++
		}
	}
	if g.shared {
		e.guessTogether(g, opened, t)
		return
	}
	phase, due := guessPhase(opened, t, &g.told)
	if !due {
		return
	}
	cc, ip := uint16(countryNumber(b.Country.At(i))), usage.Addr(b.ClientIP[i])
	sentence := fmt.Sprintf("%d different keys that do not exist were tried from %v in %s within %s.", g.distinct(), ip, networkName(net, cc, ip), span(t-g.start))
	d := guessDecision(phase, guessEpisode(uint64(addr), g.since), t)
	d.say(sentence, "unknown_keys", float64(g.distinct()), 1, 3, max(1, (t-g.start)/1000))
	d.Actor = Actor{
		ASN: b.ASN[i], Country: countryName(cc), Agent: b.Agent.At(i), Addresses: []string{ip.String()}, Separable: true, Requests: int64(g.n), SinceMs: g.since,
	}
	e.give(d)
}

// guessTogether is about the guessers beyond those that have an alert each.
func (e *Engine) guessTogether(g *guesser, joins bool, t int64) {
	c := &e.guesses.crowd
	opened := c.since == 0
	if opened {
		c.since = g.since
	}
	if joins {
		c.addresses++
	}
	c.last = max(c.last, t)
	c.calls++
	phase, due := guessPhase(opened, t, &c.told)
	if !due {
		return
	}
	sentence := fmt.Sprintf("Keys that do not exist are tried from many addresses: %d have an alert each, and this one is about all others (%d so far).", guessersApart, c.addresses)
	d := guessDecision(phase, guessEpisode(1<<32, c.since), t)
	d.say(sentence, "many_guessers", float64(guessersApart+c.addresses), 0, guessersApart, max(1, (t-c.since)/1000))
	d.Actor = Actor{Requests: int64(c.calls), SinceMs: c.since}
	e.give(d)
}

// guessPhase says in which phase an episode is, and whether it is due to be told of, as it was last at told.
func guessPhase(opened bool, t int64, told *int64) (phase Phase, due bool) {
	if !opened && t-*told < progressMillis {
		return 0, false
	}
	*told = t
	if opened {
		return PhaseOpened, true
	}
	return PhaseContinued, true
}

func guessDecision(phase Phase, episode string, t int64) Decision {
	d := Decision{
		TimeMillis: t, Action: ActionFlag, Wanted: ActionFlag, Score: guessEvidence, PValue: probability(guessEvidence), EpisodeID: episode, Phase: phase, PolicyID: "guessing",
	}
	if phase > PhaseEscalated {
		d.Action = ActionObserve
	}
	return d
}

func (d *Decision) say(sentence, detector string, observed, expected, high float64, seconds int64) {
	d.Reason = sentence
	d.Evidence = []Evidence{{
		Family: FamilyGuessing, Detector: detector, Sentence: sentence, Observed: observed, Expected: expected, High: high, WindowSeconds: seconds,
		PValue: probability(guessEvidence),
	}}
}

// guessEpisode is the same for a day, and in all partitions: what each of them finds about a guesser joins one alert.
func guessEpisode(who uint64, since int64) string {
	return fmt.Sprintf("ep_%016x", mix(who<<20^uint64(since/(24*hourMillis))))
}

// sweepGuesses forgets who stopped, and ends episodes in which nothing more came for a while, once a minute.
func (e *Engine) sweepGuesses(t int64) {
	s := &e.guesses
	if t-s.swept < guessSweep {
		return
	}
	s.swept = t
	type over struct {
		episode string
		last    int64
	}
	var ended []over
	for addr, g := range s.by {
		switch {
		case g.since == 0 && t-g.last > guessWindow:
			delete(s.by, addr)
		case g.since != 0 && t-g.last >= endMillis:
			if !g.shared {
				s.running--
				ended = append(ended, over{guessEpisode(uint64(addr), g.since), g.last})
			}
			delete(s.by, addr)
		}
	}
	if c := &s.crowd; c.since != 0 && t-c.last >= endMillis {
		ended = append(ended, over{guessEpisode(1<<32, c.since), c.last})
		*c = guessCrowd{}
	}
	slices.SortFunc(ended, func(a, b over) int { return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.episode, b.episode)) })
	for _, o := range ended {
		d := guessDecision(PhaseEnded, o.episode, t)
		d.Reason = "Nothing more was found for " + span(endMillis) + "."
		e.give(d)
	}
}
