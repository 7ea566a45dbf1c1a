package detect

import (
	"fmt"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// guesses follows who tries keys that no key store knows: by address, the number of different ones in a window.
type guesses struct {
	by map[uint32]*guesser
}

type guesser struct {
	start, last int64
	keys        [8]uint64 // bitmap of hashed key ids: linear counting (Whang 1990)
	n           uint32
	told        bool
}

const (
	guessWindow   = 10 * 60e3
	guessKeys     = 12 // different unknown keys from one address: a rotation gone wrong shows one or two
	maxGuessers   = 1 << 16
	guessEvidence = 3.0
)

func (g *guesser) distinct() int {
	zero := 0
	for _, w := range g.keys {
		for ; w != 0; w &= w - 1 {
			zero++
		}
	}
	return zero
}

// guess counts a call with an unknown key.
func (e *Engine) guess(b *usage.Batch, i int) {
	addr, net := addressOf(b.ClientIP[i], b.ASN[i])
	t := b.TimeMillis[i]
	if e.guesses.by == nil {
		e.guesses.by = map[uint32]*guesser{}
	}
	g := e.guesses.by[addr]
	if g == nil || t-g.start > guessWindow {
		if g == nil && len(e.guesses.by) >= maxGuessers {
			e.forgetGuessers(t)
		}
		if len(e.guesses.by) >= maxGuessers {
			return
		}
		g = &guesser{start: t}
		e.guesses.by[addr] = g
	}
	g.last = t
	g.n++
	h := hashBytes([]byte(b.KeyID.At(i)), 3)
	g.keys[h>>6%8] |= 1 << (h & 63)
	if g.told || g.distinct() < guessKeys {
		return
	}
	g.told = true
	e.markHostile(net, t)
	cc := uint16(countryNumber(b.Country.At(i)))
	ip := usage.Addr(b.ClientIP[i])
	sentence := fmt.Sprintf("%d different keys that do not exist were tried from %v in %s within %s.", g.distinct(), ip, e.networkName(net, cc), span(t-g.start))
	e.give(Decision{
		TimeMillis: t, Action: ActionFlag, Wanted: ActionFlag, Reason: sentence, Score: guessEvidence, PValue: probability(guessEvidence),
		EpisodeID: fmt.Sprintf("ep_%016x", mix(uint64(addr)<<20^uint64(g.start))), Phase: PhaseOpened, PolicyID: "guessing",
		Actor: Actor{ASN: b.ASN[i], Country: countryName(cc), Agent: b.Agent.At(i), Addresses: []string{ip.String()}, Separable: true, Requests: int64(g.n), SinceMs: g.start},
		Evidence: []Evidence{{
			Family: FamilyGuessing, Detector: "unknown_keys", Sentence: sentence, Observed: float64(g.distinct()), Expected: 1, High: 3,
			WindowSeconds: max(1, (t-g.start)/1000), PValue: probability(guessEvidence),
		}},
	})
}

func (e *Engine) forgetGuessers(t int64) {
	for a, g := range e.guesses.by {
		if t-g.last > guessWindow {
			delete(e.guesses.by, a)
		}
	}
}
