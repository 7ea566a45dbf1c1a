package detect

import "github.com/tollkeeper/tollkeeper/internal/usage"

// names gives strings lasting small numbers. Number 0 is the empty string. When full, every new string is number 1, "other":
// detection gets blunter, memory stays bounded.
type names struct {
	byName map[string]uint32
	list   []string
	limit  int
}

const otherName = 1

func newNames(limit int) *names {
	return &names{byName: map[string]uint32{"": 0, "(other)": otherName}, list: []string{"", "(other)"}, limit: limit}
}

func (n *names) number(s string) uint32 {
	if i, ok := n.byName[s]; ok {
		return i
	}
	if len(n.list) >= n.limit {
		return otherName
	}
	i := uint32(len(n.list))
	n.list = append(n.list, s)
	n.byName[s] = i
	return i
}

// column translates the numbers of one dictionary column into lasting ones. It remembers which string it translated, so that a
// batch that was made anew in the same place cannot be taken for its predecessor: comparing a string with itself is comparing
// two pointers.
type column struct {
	known []translation
}

type translation struct {
	from string
	to   uint32
	ok   bool
}

// has says that the column knows the value of row i.
func (c *column) has(d *usage.Dict, i int) bool {
	j := d.Index[i]
	return int(j) < len(c.known) && c.known[j].ok && c.known[j].from == d.Values[j]
}

// set says what the lasting number of the value of row i is.
func (c *column) set(d *usage.Dict, i int, to uint32) {
	j := d.Index[i]
	if int(j) >= len(c.known) {
		c.known = append(c.known, make([]translation, len(d.Values)-len(c.known))...)
	}
	c.known[j] = translation{from: d.Values[j], to: to, ok: true}
}

// at returns the lasting number of row i.
func (c *column) at(d *usage.Dict, i int, lookup func(string) uint32) uint32 {
	if !c.has(d, i) {
		c.set(d, i, lookup(d.At(i)))
	}
	return c.known[d.Index[i]].to
}
