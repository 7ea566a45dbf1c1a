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

// column translates the numbers of one dictionary column into lasting ones, for as long as the dictionary stays the same.
type column struct {
	dict *usage.Dict
	gen  uint32
	to   []uint32 // lasting number + 1, 0 where not yet known
}

// at returns the lasting number of row i.
func (c *column) at(d *usage.Dict, i int, lookup func(string) uint32) uint32 {
	if c.dict != d || c.gen != d.Generation {
		c.dict, c.gen, c.to = d, d.Generation, c.to[:0]
	}
	j := d.Index[i]
	if int(j) >= len(c.to) {
		c.to = append(c.to, make([]uint32, len(d.Values)-len(c.to))...)
	}
	if v := c.to[j]; v != 0 {
		return v - 1
	}
	v := lookup(d.Values[j])
	c.to[j] = v + 1
	return v
}
