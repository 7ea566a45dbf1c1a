package jsonscan

import "encoding/binary"

// Scanner scans lines for the fields of a table.
type Scanner struct {
	table  *Table
	orders []order // by number of the node
	marks  marks   // of the line
	inner  int     // orders of objects that nobody wants, which there are

	found, unusual uint64
}

// NewScanner makes a scanner for one goroutine.
func (t *Table) NewScanner() *Scanner { return &Scanner{table: t, orders: make([]order, t.nodes)} }

const (
	maxOrder        = 64 // members of an object whose order is remembered
	tokenBytes      = 32 // of a line that are compared at once
	tokenWords      = tokenBytes / 8
	maxExpectedName = tokenBytes - 3 // bytes of a name that can be expected

	// Objects that nobody wants have orders too, so many of a scanner's, of 6 KiB each, and so deep.
	maxInner      = 32
	maxInnerDepth = 4
)

// order is the order in which the names of an object's members came.
type order struct {
	members [maxOrder]member
	at      [256]uint8 // by index of the slot: where in members it is, from 1
}

// member is a name as it stands in the line: `"name":`. The line's next 32 bytes are compared with it in four words and
// without a branch for each: measured, half the time of comparing the name byte by byte and looking for the colon after.
type member struct {
	token  [tokenWords]uint64
	mask   [tokenWords]uint64 // of the bytes that count
	length int                // of the token; 0: nothing is expected here
	slot   *slot              // nil for a name that is not wanted
	field  int                // of the slot; -1 for none
	inner  *order             // of the object that is its value, if it was one and nobody wanted it
}

// is compares the next bytes of a line with the token.
func (m *member) is(w *[tokenBytes]byte) bool {
	differ := (binary.LittleEndian.Uint64(w[:])^m.token[0])&m.mask[0] |
		(binary.LittleEndian.Uint64(w[8:])^m.token[1])&m.mask[1] |
		(binary.LittleEndian.Uint64(w[16:])^m.token[2])&m.mask[2] |
		(binary.LittleEndian.Uint64(w[24:])^m.token[3])&m.mask[3]
	return differ == 0 && m.length > 0
}

// expected compares the name that starts at b[i], its quote, with the one that came last time in this place, and returns
// where the colon behind it ends. The names that are learned have neither quotes nor escapes in them, so one that is equal
// and ends in a quote has been read. Nothing is expected where a blank is before the colon.
func (o *order) expected(b []byte, i, at int) (end int, s *slot, ok bool) {
	if at >= maxOrder {
		return 0, nil, false
	}
	m := &o.members[at]
	var w [tokenBytes]byte // what is not of the line is no part of a name
	copy(w[:], b[i:])
	return i + m.length, m.slot, m.is(&w)
}

// run goes over members as they nearly always are: the name that came last time in this place, a string without escapes or a
// number, and a comma or the object's end, without blanks between. It returns where the first member begins that is not like that, and
// its place; or that the object ended, and where.
func (s *Scanner) run(o *order, b []byte, i, at int, into []Value) (int, int, bool) {
	for i, at = s.strings(o, b, i, at, into); b[i-1] != '}'; {
		if at >= maxOrder || len(b)-i <= tokenBytes {
			return i, at, false
		}
		m := &o.members[at]
		if !m.is((*[tokenBytes]byte)(b[i:])) {
			return i, at, false
		}
		v, end, ok := Value{Start: uint32(i + m.length), Kind: Number}, i+m.length, false
		if b[end] == '"' {
			v.Start, v.Kind = v.Start+1, String
			end, v.Escaped, ok = s.string(b, end+1)
			v.End = uint32(end)
			end++
		} else {
			end, ok = skipNumber(b, end)
			v.End = uint32(end)
		}
		if !ok || end >= len(b) || b[end] != ',' && b[end] != '}' {
			return i, at, false
		}
		if m.field >= 0 {
			into[m.field] = v
			s.note(m.field, !v.Escaped)
		}
		if i, at = end+1, at+1; v.Kind == String {
			i, at = s.strings(o, b, i, at, into)
		}
	}
	return i, at, true
}

// strings goes over members whose values are strings without escapes, which is most of what most gateways write. The loop is assembly
// (members_amd64.s): measured, half the time of one in Go, whose compiler keeps what the loop needs on the stack, and compares a name in
// seventeen instructions instead of three.
func (s *Scanner) strings(o *order, b []byte, i, at int, into []Value) (int, int) {
	if at >= maxOrder || len(s.marks) == 0 || len(into) == 0 {
		return i, at
	}
	next, matched, found := matchStrings(&s.marks[0], &b[0], i, len(b), &o.members[at], maxOrder-at, &into[0])
	s.found |= found
	return next, at + matched
}

// skipObject steps over an object that nobody wants, from its brace on, which is the value of the member before that place.
func (s *Scanner) skipObject(o *order, b []byte, i, at int, into []Value, depth int) (int, bool) {
	if at < 1 || depth > maxInnerDepth {
		return skipValue(b, i, depth)
	}
	m := &o.members[at-1]
	if m.inner == nil {
		if s.inner == maxInner {
			return skipValue(b, i, depth)
		}
		m.inner = new(order)
		s.inner++
	}
	return s.scan(nothing, m.inner, b, i+1, into, depth+1)
}

// nothing is the node of which no name is wanted.
var nothing = &node{slots: make([]slot, 1)}

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
	o.members[at].set(name, s)
	if s != nil {
		o.at[s.index] = uint8(at + 1)
	}
	return at + 1
}

func (m *member) set(name []byte, s *slot) {
	*m = member{slot: s, field: -1, inner: m.inner}
	if s != nil {
		m.field = int(s.field)
	}
	if len(name) > maxExpectedName {
		return
	}
	var token, mask [tokenBytes]byte
	m.length = copy(token[1:], name) + 3
	token[0], token[m.length-2], token[m.length-1] = '"', '"', ':'
	for i := range m.length {
		mask[i] = 0xff
	}
	for i := range tokenWords {
		m.token[i], m.mask[i] = binary.LittleEndian.Uint64(token[8*i:]), binary.LittleEndian.Uint64(mask[8*i:])
	}
}
