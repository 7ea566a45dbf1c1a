package jsonscan

// Scanner scans lines for the fields of a table.
type Scanner struct {
	table  *Table
	orders []order // by number of the node
}

// NewScanner makes a scanner for one goroutine.
func (t *Table) NewScanner() *Scanner { return &Scanner{table: t, orders: make([]order, t.nodes)} }

const (
	maxOrder        = 64 // members of an object whose order is remembered
	maxExpectedName = 31 // bytes of a name that can be expected
)

// order is the order in which the names of an object's members came.
type order struct {
	members [maxOrder]member
	at      [256]uint8 // by index of the slot: where in members it is, from 1
}

type member struct {
	length uint8 // 0: nothing is expected here
	name   [maxExpectedName]byte
	slot   *slot // nil for a name that is not wanted
}

// expected compares the name that starts in the line with the one that came last time in this place. The names that are
// learned have neither quotes nor escapes in them, so one that is equal and ends in a quote has been read.
func (o *order) expected(b []byte, start, at int) (end int, s *slot, ok bool) {
	if at >= maxOrder {
		return 0, nil, false
	}
	m := &o.members[at]
	end = start + int(m.length)
	if m.length == 0 || end >= len(b) || b[end] != '"' || string(b[start:end]) != string(m.name[:m.length]) {
		return 0, nil, false
	}
	return end, m.slot, true
}

// learn notes a name that was not the expected one, and returns the next place. A wanted name that has a place already keeps
// it: some members were left out of this line, and the order goes on from there.
func (o *order) learn(name []byte, s *slot, at int) int {
	if s != nil && s.index > 0 {
		if place := int(o.at[s.index]); place > 0 && o.members[place-1].slot == s {
			return place
		}
	}
	if at >= maxOrder {
		return at
	}
	m := &o.members[at]
	m.length, m.slot = 0, s
	if len(name) <= maxExpectedName {
		m.length = uint8(copy(m.name[:], name))
	}
	if s != nil {
		o.at[s.index] = uint8(at + 1)
	}
	return at + 1
}
