package detect

import (
	"bytes"
	"strings"
)

// objectID finds the last object id of a path by its template: the segment where the template has one in braces. The id is
// numeric where it fits 63 bits. Collection and id are hashed together, since customers and orders may share numbers.
func objectID(route string, path []byte) (id int64, hash uint32) {
	id = -1
	r, p := 0, 0
	for r < len(route) && p < len(path) {
		if route[r] == '{' {
			end := p
			for end < len(path) && path[end] != '/' {
				end++
			}
			seg := path[p:end]
			if len(seg) == 0 { // a template for whatever is left over, such as {other}, is none of this path
				return id, hash
			}
			id, hash = object(seg, hashBytes(path[:p], pathSeed))
			p = end
			for r < len(route) && route[r] != '/' {
				r++
			}
			continue
		}
		if route[r] != path[p] {
			return id, hash
		}
		r, p = r+1, p+1
	}
	if hash != 0 && p+1 < len(path) { // the placeholder stands for several segments: all of them are the object
		return -1, uint32(hashBytes(path[p:], uint64(hash))) | 1
	}
	return id, hash
}

const pathSeed = 7

// object is the id that a segment is, and its hash within the collection of that hash.
func object(segment []byte, collection uint64) (id int64, hash uint32) {
	return decimal(segment), max(1, uint32(hashBytes(segment, collection)))
}

// decimal reads up to 18 digits; -1 for anything else.
func decimal(b []byte) int64 {
	if len(b) == 0 || len(b) > 18 {
		return -1
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// shape is a template of one placeholder, or of none, as most are: what comes before and after, and the hash of the former. With it [objectID] need not go
// through template and path byte by byte.
type shape struct {
	template      string
	before, after string
	collection    uint64 // hash of before
	simple        bool   // the others are objectID's
	without       bool   // of placeholders
}

func shapeOf(template string) shape {
	s := shape{template: template}
	var placeholder string
	if s.before, placeholder, _ = strings.Cut(template, "{"); placeholder == "" {
		s.without = true
		return s
	}
	if i := strings.IndexByte(placeholder, '/'); i >= 0 {
		s.after = placeholder[i:]
	}
	s.simple, s.collection = !strings.Contains(s.after, "{"), hashBytes([]byte(s.before), pathSeed)
	return s
}

// object is what objectID returns.
func (s *shape) object(path []byte) (id int64, hash uint32) {
	if s.without {
		return -1, 0
	}
	if s.simple && len(path) > len(s.before) && string(path[:len(s.before)]) == s.before {
		segment, after := path[len(s.before):], []byte(nil)
		if i := bytes.IndexByte(segment, '/'); i >= 0 {
			segment, after = segment[:i], segment[i:]
		}
		if len(segment) > 0 && string(after) == s.after {
			return object(segment, s.collection)
		}
	}
	return objectID(s.template, path)
}

// objectOf finds the object of a path by its template and that one's lasting number, which several templates may share.
func (e *Engine) objectOf(number uint32, template string, path []byte) (id int64, hash uint32) {
	if int(number) >= len(e.shapes) {
		e.shapes = append(e.shapes, make([]shape, len(e.templates.list)-len(e.shapes))...)
	}
	s := &e.shapes[number]
	if s.template != template {
		if s.template != "" {
			return objectID(template, path)
		}
		*s = shapeOf(template)
	}
	return s.object(path)
}
