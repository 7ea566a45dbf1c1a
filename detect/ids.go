package detect

import (
	"math"
	"math/bits"

	"github.com/tollkeeper/tollkeeper/detect/arena"
)

// gapClasses: how far an object id lies from the nearest of the ids just before it: same, up to 4, 64, 4096, farther.
const gapClasses = 5

// idMemory is how a key's established clients use object ids: which (two generations of a Bloom filter, the older one is
// dropped when the newer is full), and how near each is to the ones before.
type idMemory struct {
	filter idFilter
	older  *idFilter // nil until there was one
	added  uint16
	gaps   [gapClasses]float32
	ring   idRing
}

type idFilter [idFilterWords]uint64

const (
	idFilterWords = 64 // 4096 bits: 400 ids at 3 hashes have 2 % false hits
	idFilterFull  = 400
	idLineWords   = 8 // of a cache line
)

// bitsOf is what the filters know an id by: three times six bits for a bit and three for its word, and three for the line that these are in.
func bitsOf(idHash uint32) uint64 { return mix(uint64(idHash)) }

func (m *idMemory) seen(bits uint64) bool {
	return m.filter.has(bits) || m.older != nil && m.older.has(bits)
}

// add takes up an id that was not seen.
func (m *idMemory) add(mem *arena.Arena, bits uint64) {
	if m.added >= idFilterFull {
		if m.older == nil {
			m.older = arena.Alloc[idFilter](mem)
		}
		*m.older, m.filter, m.added = m.filter, idFilter{}, 0
	}
	line := m.filter.line(bits)
	for range 3 {
		line[bits>>6%idLineWords] |= 1 << (bits & 63)
		bits >>= 9
	}
	m.added++
}

// line is the part of a filter where an id would be: all of it in one cache line, as a blocked filter has it (Putze, Sanders, Singler 2007).
func (f *idFilter) line(bits uint64) *[idLineWords]uint64 {
	return (*[idLineWords]uint64)(f[bits>>27%(idFilterWords/idLineWords)*idLineWords:])
}

func (f *idFilter) has(bits uint64) bool {
	line := f.line(bits)
	for range 3 {
		if line[bits>>6%idLineWords]>>(bits&63)&1 == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

// idRing holds the latest distinct numeric ids of a client. A walker that works on several collections, or from several
// machines at once, is still near one of them.
type idRing struct {
	at   [4]int64
	n    uint8
	next uint8
}

// gap classifies id by its distance to the nearest remembered id, and remembers it. ok is false for the first one.
func (r *idRing) gap(id int64) (class int, ok bool) {
	nearest := int64(math.MaxInt64)
	for i := range int(r.n) {
		d := id - r.at[i]
		if d < 0 {
			d = -d
		}
		nearest = min(nearest, d)
	}
	if nearest != 0 {
		r.at[r.next] = id
		r.next = (r.next + 1) % uint8(len(r.at))
		if int(r.n) < len(r.at) {
			r.n++
		}
	}
	if nearest == math.MaxInt64 {
		return 0, false
	}
	switch n := bits.Len64(uint64(nearest)); {
	case n == 0:
		return 0, true
	case n <= 3:
		return 1, true
	case n <= 6:
		return 2, true
	case n <= 12:
		return 3, true
	}
	return 4, true
}

// near says that an id lies within 64 of a remembered one: where the customer's own clients go through ids just now, another of its
// machines takes its part of the same work, and a thief would have to guess the place.
func (r *idRing) near(id int64) bool {
	for _, at := range r.at[:r.n] {
		if d := id - at; -64 <= d && d <= 64 {
			return true
		}
	}
	return false
}

// walk is a sequential test of "this client goes through ids one after the other": for each of three paces a cumulative sum of
// log-likelihood ratios against the gaps that the key's own clients (and the platform's) show, restarted at 0 (Page 1954).
type walk struct {
	sum [3]float32 // log10
	n   uint16     // ids so far
}

// paceShare is the share of steps that a walker of some pace makes within a gap class or a nearer one.
const paceShare = 0.8

// count adds an id to those so far.
func (w *walk) count() {
	if w.n < math.MaxUint16 {
		w.n++
	}
}

func (w *walk) step(class int, null *[gapClasses]float64) {
	w.count()
	if class == 0 { // the same object again: a walker repeats itself seldom, a customer often
		for i := range w.sum {
			w.sum[i] = max(0, w.sum[i]-0.3)
		}
		return
	}
	near := 0.0
	total := null[1] + null[2] + null[3] + null[4]
	for i := range w.sum {
		near += null[i+1]
		q := near / total
		ratio := (1 - paceShare) / max(1-q, 0.01)
		if class <= i+1 {
			ratio = paceShare / q
		}
		w.sum[i] = cusum(w.sum[i], ratio)
	}
}

// pacesPrice is what it costs to have tried three paces: log10(3).
const pacesPrice = 0.47712125471966244

// score is log10 of the evidence: the best pace, less the price of having tried three paces and many beginnings.
func (w *walk) score() float64 {
	most := max(w.sum[0], w.sum[1], w.sum[2])
	if most <= pacesPrice {
		return 0
	}
	return max(0, float64(most)-pacesPrice-log10(1+float64(w.n)/3))
}

// Share of requests for an object that the client asked for shortly before: of customers' clients, and of those that want
// everything once.
var (
	customerAgain = beta{2, 4}
	collector     = beta{1, 40}
)

const (
	collectorLeast = 40    // ids
	comesBack      = 0.125 // share of ids from which the bet is lost, whatever their number
	maxCollector   = 2.5   // a synchronisation looks the same, but it goes in some order
)

// exhaustion bets on "wants every object once", in whatever order, where the key's own clients come back to theirs.
func (k *keyState) exhaustion(a *actor) float64 {
	back := a.idAgain + a.idKnown
	if a.idN < collectorLeast || k.knownIDs < 0.3 || back >= comesBack*a.idN {
		return 0
	}
	return max(0, min(maxCollector, logBayes(float64(back), float64(a.idN), customerAgain, collector)))
}

// walkOn takes up a gap of a client of the key. Which gaps are usual is asked only where it is to another object, and may count.
func (e *Engine) walkOn(k *keyState, w *walk, class int) {
	var null [gapClasses]float64
	switch {
	case w.sum == [len(w.sum)]float32{} && (class == 0 || class == gapClasses-1 && e.roams(k)):
		w.count()
		return
	case class > 0:
		null = e.nullGaps(k)
	}
	w.step(class, &null)
}

// roams says of most keys, for a tenth of the price, that a far gap is no step of a walk of any pace: more than 1-paceShare of what nullGaps
// returns for gaps to other objects are far. The shares are taken times a common factor, and those of the near ones for higher than they can be.
func (e *Engine) roams(k *keyState) bool {
	const sure = 1 + 1e-5
	own, by := float64(nullWeight), &defaultGaps
	var platform [gapClasses]float64
	all := 1.0
	if n := e.gapsSeen(); n > enoughGaps {
		for i, g := range e.gaps {
			platform[i] = float64(g)
		}
		all, by = n, &platform
	}
	near, far := 0.0, nullWeight*by[gapClasses-1]
	for _, prior := range by[1 : gapClasses-1] {
		near += nullWeight * prior
	}
	if k.ids != nil {
		g := &k.ids.gaps
		near += float64(g[1]+g[2]+g[3]) * all
		far += float64(g[4]) * all
		own += float64(g[0] + g[1] + g[2] + g[3] + g[4])
	}
	return far*paceShare > (near+3*leastGap*own*all)*(1-paceShare)*sure
}

// nullGaps is the key's own distribution of gaps, shrunk to the platform's, never surer than one in a hundred.
func (e *Engine) nullGaps(k *keyState) (p [gapClasses]float64) {
	own, all := 0.0, e.gapsSeen()
	if k.ids != nil {
		for _, g := range k.ids.gaps {
			own += float64(g)
		}
	}
	for i := range p {
		prior := defaultGaps[i]
		if all > enoughGaps {
			prior = float64(e.gaps[i]) / all
		}
		p[i] = nullWeight * prior
		if k.ids != nil {
			p[i] += float64(k.ids.gaps[i])
		}
		p[i] = max(p[i]/(own+nullWeight), leastGap)
	}
	return p
}

const (
	nullWeight = 30   // gaps' worth of the platform's distribution in a key's
	leastGap   = 0.01 // share of a class, at least
	enoughGaps = 500  // to know the platform's
)

// gapsSeen is the weight of the platform's distribution.
func (e *Engine) gapsSeen() (all float64) {
	for _, g := range e.gaps {
		all += float64(g)
	}
	return all
}

var defaultGaps = [gapClasses]float64{0.3, 0.02, 0.03, 0.05, 0.6}
