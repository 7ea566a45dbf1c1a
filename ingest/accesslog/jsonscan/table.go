// Package jsonscan finds the few fields of a JSON object that a decoder wants, in one pass, without allocating.
//
// A [Table] is compiled once from the wanted paths. [Scanner.Scan] walks a line, notes where the values of wanted fields
// start and end, and steps over all the rest, checking its grammar on the way: a line is accepted exactly when
// encoding/json accepts it and its top is an object (a fuzz target holds that). Names are matched without regard to ASCII
// case, as gateways write header names in any; of a name that comes twice the last one wins, as in encoding/json.
//
// Nothing is copied or converted: values are positions in the line. [Unquote] resolves escapes where there are any.
// A Table is safe for concurrent use; a Scanner is not: it remembers in which order the names of the last lines came, as a
// log has them in the same order in nearly every line, and compares a name with the one it expects before it reads it.
// Nothing here does I/O or panics on any input.
package jsonscan

import (
	"fmt"
	"strings"
)

// MaxDepth is how deep values may be nested, as in encoding/json.
const MaxDepth = 10000

// Kind is what a value is.
type Kind uint8

// The kinds of value; None is that of a field that the line does not have.
const (
	None Kind = iota
	Null
	False
	True
	Number
	String
	Object
	Array
)

// Value says where a value lies in the line: for a string without its quotes, for everything else with all of it.
type Value struct {
	Start, End uint32
	Kind       Kind
	Escaped    bool // a string with at least one backslash: see Unquote
}

// In returns the bytes of the value as they stand in the line.
func (v Value) In(line []byte) []byte { return line[v.Start:v.End:v.End] }

// Table is a compiled set of wanted fields.
type Table struct {
	root   *node
	nodes  int
	fields int
}

type node struct {
	number int    // among the nodes of the table
	slots  []slot // open addressing; a power of two long, at most half full
}

type slot struct {
	name  string // lower case; "" is an empty slot
	field int32  // number of the field, -1 for none
	index uint8  // among the node's names, from 1; 0 for those beyond 255
	child *node
}

// Compile makes a table of paths. The field at paths[i] gets number i. A path is the names of nested objects, such as
// {"request", "headers", "x-api-key"}. It fails on an empty path, an empty name and a path that comes twice.
func Compile(paths [][]string) (*Table, error) {
	type tree struct {
		field    int32
		children map[string]*tree
	}
	newTree := func() *tree { return &tree{field: -1, children: map[string]*tree{}} }
	root := newTree()
	for i, path := range paths {
		if len(path) == 0 {
			return nil, fmt.Errorf("jsonscan: path %d is empty", i)
		}
		at := root
		for _, name := range path {
			name = strings.ToLower(name)
			if name == "" {
				return nil, fmt.Errorf("jsonscan: path %q has an empty name", strings.Join(path, "/"))
			}
			if at.children[name] == nil {
				at.children[name] = newTree()
			}
			at = at.children[name]
		}
		if at.field >= 0 {
			return nil, fmt.Errorf("jsonscan: path %q comes twice", strings.Join(path, "/"))
		}
		at.field = int32(i)
	}
	nodes := 0
	var build func(*tree) *node
	build = func(t *tree) *node {
		size := 4
		for size < 2*len(t.children) {
			size *= 2
		}
		n := &node{slots: make([]slot, size), number: nodes}
		nodes++
		index := 0
		for name, c := range t.children {
			s := slot{name: name, field: c.field}
			if index < 255 {
				index++
				s.index = uint8(index)
			}
			if len(c.children) > 0 {
				s.child = build(c)
			}
			at := hashName(name) & uint32(size-1)
			for n.slots[at].name != "" {
				at = (at + 1) & uint32(size-1)
			}
			n.slots[at] = s
		}
		return n
	}
	t := &Table{root: build(root), fields: len(paths)}
	t.nodes = nodes
	return t, nil
}

// Fields returns the number of fields: the length that Scan's slots must have.
func (t *Table) Fields() int { return t.fields }

// Field returns the number of the field whose path is that one name, without regard to ASCII case; false when there is none.
func (t *Table) Field(name []byte) (int, bool) {
	if s := t.root.find(name); s != nil && s.field >= 0 {
		return int(s.field), true
	}
	return 0, false
}

// hashName looks at the length and three letters, in lower case: enough to tell some dozens of field names apart.
func hashName[T string | []byte](name T) uint32 {
	n := len(name)
	h := uint32(n)*0x9e3779b1 ^ uint32(name[0]|0x20)*0x85ebca6b ^ uint32(name[n/2]|0x20)*0xc2b2ae35 ^ uint32(name[n-1]|0x20)*0x27d4eb2f
	return h ^ h>>15
}

func (n *node) find(name []byte) *slot {
	if len(name) == 0 {
		return nil
	}
	mask := uint32(len(n.slots) - 1)
	for at := hashName(name) & mask; ; at = (at + 1) & mask {
		s := &n.slots[at]
		if s.name == "" {
			return nil
		}
		if len(s.name) == len(name) && (s.name == string(name) || equalFold(name, s.name)) {
			return s
		}
	}
}

// equalFold compares a name with a lower-case one of the same length.
func equalFold(name []byte, lower string) bool {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
