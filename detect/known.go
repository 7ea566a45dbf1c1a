package detect

import "github.com/tollkeeper/tollkeeper/detect/arena"

// known is a small set of things that a key has been seen with: networks, agents, routes, addresses. It has no order: at the
// sizes used here a linear scan over 16-byte entries is as fast as a map and a tenth of its memory.
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

// worth orders entries by what is lost when they are forgotten.
func (e *entry) worth() uint64 { return uint64(e.n&establishedBit)<<1 | uint64(e.last) }

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

// sets are the things of all kinds that a key has been seen with, kind after kind in one piece of memory.
type sets struct {
	entries []entry
	n       [setKinds]uint8
}

// of returns the set of a kind. It is valid until the next touch.
func (s *sets) of(kind int) known {
	from := 0
	for _, n := range s.n[:kind] {
		from += int(n)
	}
	to := from + int(s.n[kind])
	return known(s.entries[from:to:to])
}

// farBack is the position from which an entry that is found moves up by one place: what a key uses often comes to be found early.
const farBack = 4

// touchAll counts a sighting of an id of each kind at minute m, and returns their positions among the entries, and which are new.
func (s *sets) touchAll(mem *arena.Arena, ids *[setKinds]uint32, m uint32) (at [setKinds]int, isNew [setKinds]bool) {
	from := 0
	for kind, id := range ids {
		set := s.entries[from : from+int(s.n[kind])]
		i := 0
		for i < len(set) && set[i].id != id {
			i++
		}
		if i == len(set) {
			at[kind], isNew[kind] = from+s.insert(mem, kind, entry{id: id, first: m, last: m, n: 1}), true
			from += int(s.n[kind])
			continue
		}
		at[kind] = from
		from += len(set)
		if i >= farBack {
			set[i], set[i-1] = set[i-1], set[i]
			i--
		}
		e := &set[i]
		e.add()
		e.last = max(e.last, m)
		at[kind] += i
	}
	return at, isNew
}

// insert adds an entry to the set of a kind and returns its position. When the set is full the least useful entry makes room: not
// established before established, then the one unseen for longest.
func (s *sets) insert(mem *arena.Arena, kind int, e entry) int {
	set := s.of(kind)
	if len(set) < setLimit[kind] {
		end := 0
		for _, n := range s.n[:kind+1] {
			end += int(n)
		}
		s.entries = arena.Append(mem, s.entries, entry{})
		copy(s.entries[end+1:], s.entries[end:])
		s.entries[end] = e
		s.n[kind]++
		return len(set)
	}
	worst, least := 0, set[0].worth()
	for i := 1; i < len(set); i++ {
		if w := set[i].worth(); w < least {
			worst, least = i, w
		}
	}
	set[worst] = e
	return worst
}
