package detect

// known is a small set of things that a key has been seen with: networks, agents, routes, addresses. It is a slice without
// order: at the sizes used here a linear scan over 16-byte entries is as fast as a map and a tenth of its memory.
type known []entry

type entry struct {
	id    uint32
	first uint32 // minutes since 1970
	last  uint32 // minutes since 1970
	n     uint32 // count; the top bit says that it is established, the next that it is hostile
}

const (
	establishedBit = 1 << 31
	hostileBit     = 1 << 30
	countMask      = hostileBit - 1
)

func (e *entry) established() bool { return e.n&establishedBit != 0 }
func (e *entry) hostile() bool     { return e.n&hostileBit != 0 }
func (e *entry) count() uint32     { return e.n & countMask }

func (e *entry) add() {
	if e.n&countMask != countMask {
		e.n++
	}
}

// find returns the position of id, or -1.
func (k known) find(id uint32) int {
	for i := range k {
		if k[i].id == id {
			return i
		}
	}
	return -1
}

// touch counts a sighting of id at minute m and returns its entry and whether it is new. When the set holds limit entries the
// least useful one makes room: not established before established, then the one unseen for longest.
func (k *known) touch(id, m uint32, limit int) (*entry, bool) {
	s := *k
	for i := range s {
		if s[i].id == id {
			e := &s[i]
			e.add()
			if m > e.last {
				e.last = m
			}
			return e, false
		}
	}
	e := entry{id: id, first: m, last: m, n: 1}
	if len(s) < limit {
		if len(s) == cap(s) { // grow by little: most keys have two or three networks and never more
			grown := make(known, len(s), len(s)+max(2, len(s)/2))
			copy(grown, s)
			s = grown
		}
		s = append(s, e)
		*k = s
		return &s[len(s)-1], true
	}
	worst := 0
	for i := 1; i < len(s); i++ {
		a, b := &s[i], &s[worst]
		if a.established() != b.established() {
			if b.established() {
				worst = i
			}
		} else if a.last < b.last {
			worst = i
		}
	}
	s[worst] = e
	return &s[worst], true
}
