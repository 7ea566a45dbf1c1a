package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// SyntaxError says where a line stops being the JSON that was wanted. It holds no part of the line.
type SyntaxError struct{ Offset int }

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d", e.Offset)
}

// Scan walks the object that line consists of and writes the value of field i to into[i]; fields that the line does not
// have get kind None. into must be Fields() long. The error is a *SyntaxError; into then holds nothing of use.
func (s *Scanner) Scan(line []byte, into []Value) error {
	into = into[:s.table.fields] // who writes into it does not look at its length
	clear(into)
	s.found, s.unusual = 0, 0
	s.marks.over(line)
	i := skipSpace(line, 0)
	if i >= len(line) || line[i] != '{' {
		return &SyntaxError{i}
	}
	end, ok := s.scan(s.table.root, &s.orders[s.table.root.number], line, i+1, into, 1)
	if ok {
		if end = skipSpace(line, end); end == len(line) {
			return nil
		}
	}
	return &SyntaxError{end}
}

// Found tells of a table of at most 64 fields which of them the line had that was scanned last, a bit for each, and which of these had a
// value, if perhaps not the last one, that is neither a number nor a string without escapes.
func (s *Scanner) Found() (found, unusual uint64) { return s.found, s.unusual }

func (s *Scanner) note(field int, usual bool) {
	bit := uint64(1) << (uint(field) & 63)
	if s.found |= bit; !usual {
		s.unusual |= bit
	}
}

// scan reads an object from behind its brace, whose names mostly come in that order. On failure it returns where it stopped.
func (s *Scanner) scan(n *node, order *order, b []byte, i int, into []Value, depth int) (int, bool) {
	i = skipSpace(b, i)
	if i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for at := 0; ; {
		var ended bool
		if i, at, ended = s.run(order, b, i, at, into); ended {
			return i, true
		}
		i = skipSpace(b, i) // behind the last comma that was gone over
		if i >= len(b) || b[i] != '"' {
			return i, false
		}
		end, slot, ok := order.expected(b, i, at)
		if ok {
			at++
			i = end
		} else {
			start := i + 1
			var escaped bool
			if end, escaped, ok = s.string(b, start); !ok {
				return end, false
			}
			if escaped {
				// Rare, and it must not be a way to hide a field; the allocation does not matter.
				slot = n.find(Unquote(nil, b[start:end]))
			} else {
				slot = n.find(b[start:end])
				at = order.learn(b[start:end], slot, at)
			}
			i = skipSpace(b, end+1)
			if i >= len(b) || b[i] != ':' {
				return i, false
			}
			i++
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, false
		}
		switch {
		case b[i] == '"':
			var end int
			var escaped bool
			if end, escaped, ok = s.string(b, i+1); ok {
				if slot != nil && slot.field >= 0 {
					into[slot.field] = Value{Start: uint32(i + 1), End: uint32(end), Kind: String, Escaped: escaped}
					s.note(int(slot.field), !escaped)
				}
				end++
			}
			i = end
		case slot == nil && b[i] == '{':
			i, ok = s.skipObject(order, b, i, at, into, depth)
		case slot == nil:
			i, ok = skipValue(b, i, depth)
		case slot.child != nil && b[i] == '{':
			from := i
			i, ok = s.scan(slot.child, &s.orders[slot.child.number], b, i+1, into, depth+1)
			if ok && slot.field >= 0 {
				into[slot.field] = Value{Start: uint32(from), End: uint32(i), Kind: Object}
				s.note(int(slot.field), false)
			}
		case slot.field >= 0:
			i, ok = readValue(b, i, &into[slot.field], depth)
			s.note(int(slot.field), into[slot.field].Kind == Number)
		default:
			i, ok = skipValue(b, i, depth)
		}
		if !ok {
			return i, false
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1, true
		default:
			return i, false
		}
	}
}

// readValue reads any value and notes where it is.
func readValue(b []byte, i int, v *Value, depth int) (int, bool) {
	if b[i] == '"' {
		end, escaped, ok := scanString(b, i+1)
		if !ok {
			return end, false
		}
		*v = Value{Start: uint32(i + 1), End: uint32(end), Kind: String, Escaped: escaped}
		return end + 1, true
	}
	end, ok := skipValue(b, i, depth)
	*v = Value{Start: uint32(i), End: uint32(end), Kind: kindOf(b[i])}
	return end, ok
}

// kindOf is the kind of the value that starts with that byte.
func kindOf(first byte) Kind {
	switch first {
	case '"':
		return String
	case '{':
		return Object
	case '[':
		return Array
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	}
	return Number
}

// skipValue checks a value and returns where it ends, or where it stopped. depth is that of the container it is in.
func skipValue(b []byte, i, depth int) (int, bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"':
		end, _, ok := scanString(b, i+1)
		if !ok {
			return end, false
		}
		return end + 1, true
	case '{':
		return skipObject(b, i+1, depth+1)
	case '[':
		return skipArray(b, i+1, depth+1)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipObject(b []byte, i, depth int) (int, bool) {
	if depth > MaxDepth {
		return i, false
	}
	i = skipSpace(b, i)
	if i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, false
		}
		end, _, ok := scanString(b, i+1)
		if !ok {
			return end, false
		}
		i = skipSpace(b, end+1)
		if i >= len(b) || b[i] != ':' {
			return i, false
		}
		if i, ok = skipValue(b, skipSpace(b, i+1), depth); !ok {
			return i, false
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func skipArray(b []byte, i, depth int) (int, bool) {
	if depth > MaxDepth {
		return i, false
	}
	i = skipSpace(b, i)
	if i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		var ok bool
		if i, ok = skipValue(b, i, depth); !ok {
			return i, false
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func skipLiteral(b []byte, i int, word string) (int, bool) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, false
	}
	return i + len(word), true
}

func skipNumber(b []byte, i int) (int, bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = skipDigits(b, i)
	default:
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = skipDigits(b, from); i == from {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = skipDigits(b, from); i == from {
			return i, false
		}
	}
	return i, true
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanString reads a string from behind its opening quote to the closing one. Eight bytes at a time are tested for a
// quote, a backslash and control characters; the lowest marked byte of such a test is always a true one.
func scanString(b []byte, i int) (end int, escaped, ok bool) {
	for {
		if i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q, s := w^(ones*'"'), w^(ones*'\\')
			m := ((q - ones) &^ q) | ((s - ones) &^ s) | ((w - ones*0x20) &^ w)
			if m &= highs; m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		} else {
			for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
				i++
			}
			if i == len(b) {
				return i, escaped, false
			}
		}
		switch b[i] {
		case '"':
			return i, escaped, true
		case '\\':
			escaped = true
			if i, ok = skipEscape(b, i+1); !ok {
				return i, true, false
			}
		default:
			return i, escaped, false
		}
	}
}

// skipEscape steps over what follows a backslash.
func skipEscape(b []byte, i int) (int, bool) {
	if i >= len(b) {
		return i, false
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, true
	case 'u':
		for k := i + 1; k < i+5; k++ {
			if k >= len(b) || hexValue[b[k]] == notHex {
				return k, false
			}
		}
		return i + 5, true
	}
	return i, false
}
