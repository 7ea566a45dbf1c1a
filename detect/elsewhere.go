package detect

import (
	"fmt"
	"math"
)

// Whoever took one key may hold others: an address whose client has just been found abusing a key is no plain stranger at the next one. That is so
// of an address that is somebody's own, such as a rented machine's. Behind one that others share, an office's, a carrier's, a cloud's way out, are
// honest clients as well; they show in that the address is established with some key, whichever. Such an address says nothing.
//
// It makes a client more of a stranger, by a bounded amount that fades within days, and no more than that: what it does must speak as before.

const (
	elsewhereBonus    = hostileBonus // one in ten new clients that come from such an address may be honest all the same
	elsewhereHalfLife = 2 * 86400e3
	maxElsewhere      = 4096
)

// culprits are addresses of clients that were found abusing a key. The zero value is ready.
type culprits struct {
	by     map[uint32]culprit
	shared settled
	fresh  []Blame // not yet told to other engines
}

// Blame is what an engine found out about a client that abused a key, or guesses keys, for the engines of other partitions: each sees its own keys only, and
// who took many has some in all of them.
type Blame struct {
	net     uint32
	addrs   []uint32
	culprit culprit
	tried   uint64 // not 0: no more than this happened, that the address called with an unknown key of that hash
}

// Blames returns what was found since the last call, for [Engine.Heed] of the other engines of the process.
func (e *Engine) Blames() []Blame {
	out := e.culprits.fresh
	e.culprits.fresh = nil
	return out
}

// Heed takes note of what other engines found. It is one more input: an engine that is given the same at the same place of its stream decides the same.
func (e *Engine) Heed(list []Blame) {
	for i := range list {
		b := &list[i]
		if b.tried != 0 {
			e.guesses.hear(b)
			continue
		}
		e.markHostile(b.net, b.culprit.t)
		e.culprits.note(b.addrs, b.culprit)
	}
}

func (e *Engine) accuse(b Blame) {
	e.Heed([]Blame{b})
	e.culprits.tell(b, maxElsewhere)
}

// tell notes what other engines are to hear, unless so much waits to be told already: nobody may be there to hear it.
func (c *culprits) tell(b Blame, most int) {
	if len(c.fresh) < most {
		c.fresh = append(c.fresh, b)
	}
}

type culprit struct {
	t       int64
	account string // whose key it was: what one of an account's keys is blamed for may be true of the next, as wrongly
	key     string
}

// blame notes the network and the addresses of a client whose suspension is wanted.
func (e *Engine) blame(k *keyState, a *actor, t int64) {
	b := Blame{net: a.net, culprit: culprit{t: t, account: e.accountOf(k), key: k.id}}
	for i := range min(int(a.nAddr), len(a.ips)) {
		addr, _ := addressOf(a.ips[i], 1)
		b.addrs = append(b.addrs, addr)
	}
	e.accuse(b)
}

func (c *culprits) note(addrs []uint32, is culprit) {
	if c.by == nil {
		c.by = map[uint32]culprit{}
	}
	for _, addr := range addrs {
		if !c.shared.has(addr) && (len(c.by) < maxElsewhere || c.makeRoom(is.t)) {
			c.by[addr] = is
		}
	}
}

// makeRoom forgets what has faded to less than an eighth. Where there is nothing of that kind, so much is going on that a new one is not missed.
func (c *culprits) makeRoom(t int64) bool {
	for addr, is := range c.by {
		if t-is.t > 3*elsewhereHalfLife {
			delete(c.by, addr)
		}
	}
	return len(c.by) < maxElsewhere
}

// settle notes that an address is established with a key.
func (c *culprits) settle(addr uint32) {
	c.shared.add(addr)
	delete(c.by, addr)
}

func (e *Engine) accountOf(k *keyState) string {
	if e.cfg.Attributes == nil {
		return ""
	}
	return e.cfg.Attributes(k.id).Account
}

// recognise raises the novelty of a client that calls from a culprit's address.
func (e *Engine) recognise(k *keyState, a *actor, o *obs) {
	is, ok := e.culprits.by[o.addr]
	if !ok || is.key == k.id || is.account != "" && is.account == e.accountOf(k) {
		return
	}
	if s := float32(elsewhereBonus * halved(o.t-is.t, elsewhereHalfLife)); s > a.elsewhere {
		a.who += s - a.elsewhere
		a.elsewhere = s
	}
}

func (a *actor) describeElsewhere(window int64) Evidence {
	return Evidence{
		Family: FamilyNovelty, Detector: "culprit_elsewhere", Observed: 1, PValue: probability(float64(a.elsewhere)), WindowSeconds: window,
		Sentence: fmt.Sprintf("From its address another key was abused within the last days; nobody else is known to use that address (counts %.1f).", a.elsewhere),
	}
}

// settled is the set of addresses that are established with some key: Bloom filters, each twice as large as the one before (after Almeida et al.
// 2007), about ten bits an address. A false hit, one in a hundred, excuses an address that needs no excuse.
type settled struct {
	filters [][]uint64
	room    int // addresses that the last one still takes
}

const settledFirst = 1 << 10 // words

func (s *settled) has(addr uint32) bool {
	h := mix(uint64(addr) ^ 0x5e77)
	for _, f := range s.filters {
		if inFilter(f, h) {
			return true
		}
	}
	return false
}

func (s *settled) add(addr uint32) {
	if s.has(addr) {
		return
	}
	if s.room == 0 {
		words := settledFirst << min(len(s.filters), 20)
		s.filters, s.room = append(s.filters, make([]uint64, words)), words*64/10
	}
	s.room--
	f, h := s.filters[len(s.filters)-1], mix(uint64(addr)^0x5e77)
	for i := range uint64(settledHashes) {
		b := bitOf(h, i, f)
		f[b/64] |= 1 << (b % 64)
	}
}

const settledHashes = 5

// bitOf is the i-th of the bits that a hash stands for, by double hashing.
func bitOf(h, i uint64, f []uint64) uint64 {
	return (h&math.MaxUint32 + i*(h>>32|1)) % uint64(len(f)*64)
}

func inFilter(f []uint64, h uint64) bool {
	for i := range uint64(settledHashes) {
		if b := bitOf(h, i, f); f[b/64]&(1<<(b%64)) == 0 {
			return false
		}
	}
	return true
}
