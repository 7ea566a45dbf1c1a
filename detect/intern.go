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
	if s == "" {
		return 0
	}
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

// column translates the numbers of a dictionary column into lasting ones. It remembers what it found for the last few dictionaries:
// blocks that take turns have one each.
type column struct {
	views [columnViews]view
	now   int // the one in use
}

const columnViews = 4

// view is what is known about one dictionary.
type view struct {
	generation uint64
	to         []uint32 // by number; 0 is not known, others are kept plus one
}

// of returns the view of a dictionary, in place of the one that was opened longest ago if there is none. It is valid until another is asked for.
func (c *column) of(d *usage.Dict) *view {
	if v := &c.views[c.now]; v.generation == d.Generation {
		return v
	}
	for i := range c.views {
		if c.views[i].generation == d.Generation {
			c.now = i
			return &c.views[i]
		}
	}
	c.now = (c.now + 1) % columnViews
	v := &c.views[c.now]
	v.generation, v.to = d.Generation, v.to[:0]
	return v
}

// at returns the lasting number of row i, if it is known. It is small enough to become part of what calls it, once a column and record.
func (v *view) at(d *usage.Dict, i int) (number uint32, known bool) {
	if j := d.Index[i]; int(j) < len(v.to) && v.to[j] != 0 {
		return v.to[j] - 1, true
	}
	return 0, false
}

// set says what the lasting number of the value of row i is, and returns it.
func (v *view) set(d *usage.Dict, i int, to uint32) uint32 {
	j := d.Index[i]
	if int(j) >= len(v.to) {
		v.to = append(v.to, make([]uint32, len(d.Values)-len(v.to))...)
	}
	v.to[j] = to + 1
	return to
}
