package jsonscan

// Cursor walks deeply nested values in one pass, where walks by [Over] would read each level's content anew:
//
//	for c.EnterObject(); c.Name(&name); {
//		switch {
//		case name is wanted: c.Value(&v), or EnterObject, or EnterArray
//		default: c.Skip()
//		}
//	}
//
// Each name and each element must be followed by exactly one of Value, Skip, EnterObject with its loop to the end, or
// EnterArray with its loop to the end. The line must have been accepted by [Scanner.Scan] before: a Cursor does not check
// grammar, but ends every loop, and reads nothing outside of the line, on anything. Copies of a Cursor are independent.
type Cursor struct {
	b []byte
	i int
}

// From returns a cursor at v.
func From(line []byte, v Value) Cursor {
	start := int(v.Start)
	if v.Kind == String {
		start--
	}
	return Cursor{b: line[:min(int(v.End)+1, len(line))], i: start}
}

// At returns the kind of the value that the cursor is at.
func (c *Cursor) At() Kind {
	if !c.more() {
		return None
	}
	return kindOf(c.b[c.i])
}

// Value reads the value that the cursor is at.
func (c *Cursor) Value(v *Value) {
	*v = Value{}
	if !c.more() {
		return
	}
	var ok bool
	if c.i, ok = readValue(c.b, c.i, v, 1); !ok {
		c.end()
	}
}

// Skip steps over the value that the cursor is at.
func (c *Cursor) Skip() {
	if !c.more() {
		return
	}
	var ok bool
	if c.i, ok = skipValue(c.b, c.i, 1); !ok {
		c.end()
	}
}

// EnterObject steps into an object; one of another kind is stepped over, as if it had no members.
func (c *Cursor) EnterObject() { c.enter('{') }

// EnterArray is EnterObject for an array.
func (c *Cursor) EnterArray() { c.enter('[') }

// enter steps behind an opening bracket. A value of another kind is skipped; so that the loop that follows ends at once, the
// cursor remembers by a negative position that it is in front of a closing bracket that is not there.
func (c *Cursor) enter(open byte) {
	if !c.more() {
		return
	}
	if c.b[c.i] != open {
		c.Skip()
		c.i = -c.i - 1
		return
	}
	c.i++
}

// Name reads the next member's name, and false behind the last: then the cursor is behind the object.
func (c *Cursor) Name(name *Value) bool {
	if !c.next('}') {
		return false
	}
	if c.b[c.i] != '"' {
		c.end()
		return false
	}
	c.Value(name)
	if !c.more() || c.b[c.i] != ':' {
		c.end()
		return false
	}
	c.i++
	return c.more()
}

// Element moves to the next element, and false behind the last: then the cursor is behind the array.
func (c *Cursor) Element() bool { return c.next(']') }

func (c *Cursor) next(closing byte) bool {
	if c.i < 0 {
		c.i = -c.i - 1
		return false
	}
	if !c.more() {
		return false
	}
	if c.b[c.i] == ',' {
		c.i++
		if !c.more() {
			return false
		}
	}
	if c.b[c.i] == closing {
		c.i++
		return false
	}
	return true
}

// more steps over blanks and says whether something follows.
func (c *Cursor) more() bool {
	if c.i < 0 {
		return false
	}
	c.i = skipSpace(c.b, c.i)
	return c.i < len(c.b)
}

func (c *Cursor) end() { c.i = len(c.b) }
