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

// touch counts a sighting of id at minute m and returns its position in the set of that kind, and whether it is new. When the set is
// full the least useful entry makes room: not established before established, then the one unseen for longest.
func (s *sets) touch(mem *arena.Arena, kind int, id, m uint32) (at int, isNew bool) {
	set := s.of(kind)
	if i := set.find(id); i >= 0 {
		e := &set[i]
		e.add()
		if m > e.last {
			e.last = m
		}
		return i, false
	}
	e := entry{id: id, first: m, last: m, n: 1}
	if len(set) < setLimit[kind] {
		end := 0
		for _, n := range s.n[:kind+1] {
			end += int(n)
		}
		s.entries = arena.Append(mem, s.entries, entry{})
		copy(s.entries[end+1:], s.entries[end:])
		s.entries[end] = e
		s.n[kind]++
		return len(set), true
	}
	worst := 0
	for i := 1; i < len(set); i++ {
		a, b := &set[i], &set[worst]
		if a.established() != b.established() {
			if b.established() {
				worst = i
			}
		} else if a.last < b.last {
			worst = i
		}
	}
	set[worst] = e
	return worst, true
}
