package accesslog

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// fanout learns at which places of the derived routes ids stand that do not look like ids: slugs, names, words. Below
// /guide/ such a place has ever new segments, most of which never come again, where an endpoint's name comes again and
// again. Once a place has shown that, a segment there becomes {name}, save those that did come again.
//
// Where several keys have each segments of their own, as every customer has its packages or projects, these are names as well, though each comes again:
// an endpoint is used by one customer and the next.
//
// It learns from the routes that a key is new to, and from their second time, so that a warm decoder pays nothing. Answers
// 404 teach nothing: a caller who makes up paths must not blur those of the others. What was learnt is lost with the
// process; until it is learnt anew, a place has up to fanoutLeast routes more.
type fanout struct {
	places map[uint64]*place // by hash of the template in front
	named  int               // places that are known to hold names
}

// place is what follows one template.
type place struct {
	named     bool
	sightings int // first and second ones of every key
	common    int // segments that several keys have shown
	known     map[uint64]segment
	keys      map[uint64]bool // that have shown any, privateKeys at most
}

// segment is what is known of one, by its hash. A named place keeps those that are endpoints all the same.
type segment struct {
	owner uint64 // the key that showed it first
	is    standing
}

type standing uint8

const (
	once   standing = iota
	again           // came again
	common          // with another key
)

const (
	nameSegment = "{name}"
	// fanoutLeast segments must be known of a place before it is judged, and at every further so many. More than most
	// interfaces have endpoints at one place, fewer than the routes that a key may have: a key alone can teach it.
	fanoutLeast = 150
	// fanoutMost is where learning ends: that many endpoints are an interface of remote procedures.
	fanoutMost = 600
	// privateLeast segments of privateKeys keys show whether each key has its own: of endpoints one key's are nearly all another's too. At most one in
	// privateShared may be common, as one for searching is.
	privateLeast, privateKeys, privateShared = 50, 5, 10

	maxPlaces = 1 << 14
)

// rewrite puts {name} where names stand. It returns route itself where there are none, else what it appends to *scratch.
func (f *fanout) rewrite(route []byte, scratch *[]byte) []byte {
	if f.named == 0 {
		return route
	}
	from, changed := len(*scratch), false
	dst := *scratch
	eachSegment(route, func(s []byte) {
		if p := f.places[xxh3.Hash(dst[from:])]; p != nil && p.named && literal(s) && p.known[xxh3.Hash(s)].is == once {
			s, changed = []byte(nameSegment), true
		}
		dst = append(append(dst, '/'), s...)
	})
	if !changed || len(dst)-from > usage.MaxNameBytes {
		return route
	}
	*scratch = dst
	return dst[from:len(dst):len(dst)]
}

// learn takes a route that a key shows for the first time, or for the second.
func (f *fanout) learn(route []byte, seen sight, key uint64) {
	if len(f.places) >= maxPlaces {
		clear(f.places)
		f.named = 0
	}
	at := 0
	eachSegment(route, func(s []byte) {
		front := route[:at]
		at += 1 + len(s)
		if !literal(s) {
			return
		}
		h := xxh3.Hash(front)
		p := f.places[h]
		if p == nil {
			p = &place{known: map[uint64]segment{}, keys: map[uint64]bool{}}
			f.places[h] = p
		}
		if p.named {
			return
		}
		p.sightings++
		child := xxh3.Hash(s)
		old, known := p.known[child]
		if len(p.keys) < privateKeys {
			p.keys[key] = true
		}
		switch {
		case known && old.owner != key:
			if old.is != common {
				p.common++
			}
			p.known[child] = segment{old.owner, common}
		case known:
			p.known[child] = segment{key, max(old.is, again)}
		case seen == first && len(p.known) < fanoutMost:
			p.known[child] = segment{key, once}
			if n := len(p.known); n%privateLeast == 0 && len(p.keys) == privateKeys && privateShared*p.common <= n {
				f.name(p, common)
			} else if n%fanoutLeast == 0 && p.oftenNew() {
				f.name(p, again)
			}
		}
	})
}

// oftenNew says that more than a third of the sightings at a place were of segments that came only once: by Good's and Turing's estimate that is the share of
// what comes next that will be new. Of procedures that are called with very different frequency it is a quarter at most by then, and falls.
func (p *place) oftenNew() bool {
	n := 0
	for _, s := range p.known {
		if s.is == once {
			n++
		}
	}
	return 3*n > p.sightings
}

// name says that a place holds names, but for segments of that standing or a higher one.
func (f *fanout) name(p *place, endpoints standing) {
	p.named = true
	f.named++
	for child, s := range p.known {
		if s.is < endpoints {
			delete(p.known, child)
		}
	}
	p.keys = nil
}

// literal reports whether a segment could be a name: no placeholder, and no version such as v2.
func literal(s []byte) bool {
	return s[0] != '{' && s[0] != '<' && (s[0]|0x20 != 'v' || len(s) < 2 || s[1]-'0' > 9)
}

// eachSegment calls f with every segment of a route that starts with a slash.
func eachSegment(route []byte, f func(segment []byte)) {
	for len(route) > 1 && route[0] == '/' {
		route = route[1:]
		s, _, _ := bytes.Cut(route, []byte{'/'})
		if len(s) > 0 {
			f(s)
		}
		route = route[len(s):]
	}
}
