package detect

import "github.com/tollkeeper/tollkeeper/detect/arena"

// known is a small set of things that a key has been seen with: networks, agents, routes, addresses. It has no order: at the
// sizes used here a linear scan over 16-byte entries is as fast as a map and a tenth of its memory.
type known []entry

type entry struct {
	id    uint32
	first uint32 // minutes since 1970
	state uint64 // the top bit says that it is established, the next that it is hostile; then the count, and the latest minute. One number, since all of it is looked at and changed together
}

const (
	establishedBit = 1 << 63
	hostileBit     = 1 << 62
	countOne       = 1 << 32
	countMask      = hostileBit - countOne
	minuteMask     = countOne - 1
)

func newEntry(id, minute uint32) entry {
	return entry{id: id, first: minute, state: countOne | uint64(minute)}
}

func (e *entry) established() bool { return e.state&establishedBit != 0 }
func (e *entry) hostile() bool     { return e.state&hostileBit != 0 }
func (e *entry) count() uint32     { return uint32(e.state & countMask / countOne) }
func (e *entry) establish()        { e.state |= establishedBit }
func (e *entry) condemn()          { e.state |= hostileBit }

// again says that it is not the customer's yet, and this is not the first sighting.
func (e *entry) again() bool { return !e.established() && e.count() > 1 }

// worth orders entries by what is lost when they are forgotten.
func (e *entry) worth() uint64 { return e.state & (establishedBit | minuteMask) }

// add counts a sighting.
func (e *entry) add(minute uint32) {
	s := e.state
	if s&countMask != countMask {
		s += countOne
	}
	if minute > uint32(s) {
		s = s&^minuteMask | uint64(minute)
	}
	e.state = s
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

// touch counts a sighting of id at minute m among the entries from that position on, and returns its entry, nil where there is none.
func (k known) touch(from uint, id, m uint32) *entry {
	for i := from; i < uint(len(k)); i++ {
		if k[i].id == id {
			if i >= from+farBack {
				k[i], k[i-1] = k[i-1], k[i]
				i--
			}
			e := &k[i]
			e.add(m)
			return e
		}
	}
	return nil
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

// again says that something about the call is not the customer's yet, and was there before.
func (s *sighting) again() bool {
	for _, is := range s.at {
		if is.again() {
			return true
		}
	}
	return false
}

// farBack is the position from which an entry that is found moves up by one place: what a key uses often comes to be found early.
const farBack = 4

// sighting is where the ids of one call stand, by kind. It is valid until the next touch.
type sighting struct {
	at    [setKinds]*entry
	isNew uint8 // a bit for each kind of which the id is new
}

func (s *sighting) news(kind int) bool { return s.isNew>>kind&1 != 0 }

// touchAll counts a sighting of an id of each kind at minute m.
func (s *sets) touchAll(mem *arena.Arena, ids *[setKinds]uint32, m uint32, seen *sighting) {
	seen.isNew = 0
	from, size := uint(0), len(s.entries)
	for kind, id := range ids {
		to := from + uint(s.n[kind])
		e := known(s.entries[:to]).touch(from, id, m)
		if e == nil {
			e = s.insert(mem, kind, newEntry(id, m))
			seen.isNew |= 1 << kind
			to = from + uint(s.n[kind])
		}
		seen.at[kind], from = e, to
	}
	if len(s.entries) == size {
		return
	}
	for kind, id := range ids { // the entries may have moved
		set := s.of(kind)
		seen.at[kind] = &set[set.find(id)]
	}
}

// insert adds an entry to the set of a kind and returns it. When the set is full the least useful one makes room: not
// established before established, then the one unseen for longest.
func (s *sets) insert(mem *arena.Arena, kind int, e entry) *entry {
	set := s.of(kind)
	if len(set) < setLimit[kind] {
		at := 0
		for _, n := range s.n[:kind+1] {
			at += int(n)
		}
		s.entries = arena.Append(mem, s.entries, entry{})
		copy(s.entries[at+1:], s.entries[at:])
		s.entries[at] = e
		s.n[kind]++
		return &s.entries[at]
	}
	worst, least := 0, set[0].worth()
	for i := range set {
		if w := set[i].worth(); w < least {
			worst, least = i, w
		}
	}
	set[worst] = e
	return &set[worst]
}
