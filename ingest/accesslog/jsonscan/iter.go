package jsonscan

// Iter walks the members of an object or the elements of an array, one after the other:
//
//	for it := jsonscan.Over(line, value); it.Next(); {
//		use(it.Name, it.Value)
//	}
//
// Positions are those in line. On bad grammar Next returns false and Bad is true.
type Iter struct {
	Name  Value // None in an array
	Value Value
	Bad   bool

	b      []byte
	i, end int
	array  bool
	first  bool
}

// Over starts a walk over v, which must be of kind Object or Array; one of another kind has no members.
func Over(line []byte, v Value) Iter {
	it := Iter{b: line, i: int(v.Start) + 1, end: int(v.End), array: v.Kind == Array, first: true}
	if v.Kind != Array && v.Kind != Object {
		it.i, it.end = 0, 0
	}
	return it
}

// Top returns the array or object that line consists of, or false where it is something else. Only its first and last
// byte are looked at: the walk finds out the rest.
func Top(line []byte) (Value, bool) {
	from, to := skipSpace(line, 0), len(line)
	for to > from && (line[to-1] == ' ' || line[to-1] == '\n' || line[to-1] == '\r' || line[to-1] == '\t') {
		to--
	}
	if to-from < 2 {
		return Value{}, false
	}
	v := Value{Start: uint32(from), End: uint32(to)}
	switch {
	case line[from] == '[' && line[to-1] == ']':
		v.Kind = Array
	case line[from] == '{' && line[to-1] == '}':
		v.Kind = Object
	default:
		return Value{}, false
	}
	return v, true
}

// Next moves to the next member.
func (it *Iter) Next() bool {
	if it.Bad || it.i >= it.end {
		return false
	}
	b := it.b[:it.end]
	i := skipSpace(b, it.i)
	closing := byte('}')
	if it.array {
		closing = ']'
	}
	switch {
	case i >= len(b):
		return it.fail()
	case b[i] == closing:
		it.i = it.end
		it.Bad = i+1 != it.end
		return false
	case it.first:
		it.first = false
	case b[i] == ',':
		i = skipSpace(b, i+1)
	default:
		return it.fail()
	}
	if i >= len(b) {
		return it.fail()
	}
	var ok bool
	if !it.array {
		if b[i] != '"' {
			return it.fail()
		}
		if i, ok = readValue(b, i, &it.Name, 1); !ok {
			return it.fail()
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return it.fail()
		}
		if i = skipSpace(b, i+1); i >= len(b) {
			return it.fail()
		}
	}
	if it.i, ok = readValue(b, i, &it.Value, 1); !ok {
		return it.fail()
	}
	return true
}

func (it *Iter) fail() bool {
	it.Bad = true
	return false
}
