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
	sightings int             // first and second ones of every key
	again     map[uint64]bool // segments, by hash; true: came again. A named place keeps only those.
}

const (
	nameSegment = "{name}"
	// fanoutLeast segments must be known of a place before it is judged, and at every further so many. More than most
	// interfaces have endpoints at one place, fewer than the routes that a key may have: a key alone can teach it.
	fanoutLeast = 150
	// fanoutMost is where learning ends: that many endpoints are an interface of remote procedures.
	fanoutMost = 600
	maxPlaces  = 1 << 14
)

// rewrite puts {name} where names stand. It returns route itself where there are none, else what it appends to *scratch.
func (f *fanout) rewrite(route []byte, scratch *[]byte) []byte {
	if f.named == 0 {
		return route
	}
	from, changed := len(*scratch), false
	dst := *scratch
	eachSegment(route, func(s []byte) {
		if p := f.places[xxh3.Hash(dst[from:])]; p != nil && p.named && literal(s) && !p.again[xxh3.Hash(s)] {
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
func (f *fanout) learn(route []byte, seen sight) {
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
			p = &place{again: map[uint64]bool{}}
			f.places[h] = p
		}
		if p.named {
			return
		}
		p.sightings++
		child := xxh3.Hash(s)
		_, known := p.again[child]
		switch {
		case known:
			p.again[child] = true
		case seen == first && len(p.again) < fanoutMost:
			p.again[child] = false
			if len(p.again)%fanoutLeast == 0 {
				f.judge(p)
			}
		}
	})
}

// judge says that a place holds names when more than a third of the sightings there were of segments that came only once:
// by Good's and Turing's estimate that is the share of what comes next that will be new. Of procedures that are called with
// very different frequency it is a quarter at most by then, and falls.
func (f *fanout) judge(p *place) {
	once := 0
	for _, again := range p.again {
		if !again {
			once++
		}
	}
	if 3*once <= p.sightings {
		return
	}
	p.named = true
	f.named++
	for child, again := range p.again {
		if !again {
			delete(p.again, child)
		}
	}
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
