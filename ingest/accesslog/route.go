package accesslog

import (
	"bytes"

	"github.com/zeebo/xxh3"
)

// Bounds of a derived route.
const (
	maxRouteSegments  = 12
	maxLiteralSegment = 40
	otherRoute        = "{other}"
	idSegment         = "{id}"
	restSegment       = "{rest}"
)

const (
	classDigit = 1 << iota
	classLower
	classUpper
	classMark  // separators inside a segment
	classOther // percent signs, brackets, non-ASCII: free text
)

var segmentClass = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		switch {
		case c-'0' <= 9:
			t[i] = classDigit
		case c-'a' < 26:
			t[i] = classLower
		case c-'A' < 26:
			t[i] = classUpper
		case c == '-', c == '_', c == '.', c == '~', c == ',', c == ':', c == '+', c == '!', c == '$', c == '*':
			t[i] = classMark
		default:
			t[i] = classOther
		}
	}
	return t
}()

// appendRoute derives the template of a clean path: segments that are ids become {id}. It is a matter of judgement: a segment
// is an id when it is a number, an address, has the look of a hash or of random letters, has a number of its own beside a
// separator (user-12) or is free text.
func appendRoute(dst, path []byte, max int) []byte {
	if len(path) == 0 || path[0] != '/' {
		if len(path) == 1 && path[0] == '*' {
			return append(dst, '*') // OPTIONS *
		}
		return append(dst, otherRoute...)
	}
	from, segments := len(dst), 0
	for i := 1; i < len(path); {
		start, class := i, uint8(0)
		for i < len(path) && path[i] != '/' {
			class |= segmentClass[path[i]]
			i++
		}
		segment := path[start:i]
		i++
		if len(segment) == 0 {
			continue
		}
		id := class != classLower && isID(segment, class) && !isVersionDate(segment, dst[from:]) || len(segment) > maxLiteralSegment
		size := len(segment)
		if id {
			size = len(idSegment)
		}
		if segments++; segments > maxRouteSegments || len(dst)-from+1+size+1+len(restSegment) > max {
			return append(append(dst, '/'), restSegment...)
		}
		dst = append(dst, '/')
		if id {
			dst = append(dst, idSegment...)
		} else {
			dst = append(dst, segment...)
		}
	}
	if len(dst) == from {
		dst = append(dst, '/')
	}
	return dst
}

func isID(s []byte, class uint8) bool {
	switch {
	case class&classOther != 0:
		return !isTemplate(s)
	case class == classDigit:
		return true
	case class&classDigit == 0:
		return false
	case s[0]|0x20 == 'v' && len(s) <= 8 && len(s) > 1 && s[1]-'0' <= 9: // v1, v2.1, v1beta1
		return false
	case len(s) <= 4 && len(s) >= 3 && s[1] == '.': // 2.0, 1.21
		return false
	}
	for i := 0; i < len(s); {
		start, c := i, uint8(0)
		for i < len(s) && segmentClass[s[i]] != classMark {
			c |= segmentClass[s[i]]
			i++
		}
		if i > start && idPart(s[start:i], c) {
			return true
		}
		i++
	}
	// 8-4-4-4-12: a UUID may have no part that tells.
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}

// isVersionDate reports whether a segment is the date that some platforms version by: /2025-07/orders, /admin/api/2025-07/orders.
// It stands where versions stand, first or behind "api"; a date elsewhere is a parameter.
func isVersionDate(s, before []byte) bool {
	if len(s) != len("2025-07") && len(s) != len("2025-07-01") || s[4] != '-' || len(before) > 0 && !bytes.HasSuffix(before, []byte("/api")) {
		return false
	}
	for i, c := range s {
		if dash := i == 4 || i == 7; dash && c != '-' || !dash && c-'0' > 9 {
			return false
		}
	}
	month := (s[5]-'0')*10 + s[6] - '0'
	return month >= 1 && month <= 12
}

// isTemplate reports whether a segment is a placeholder already: {id}, <id>.
func isTemplate(s []byte) bool {
	return s[0] == '{' && s[len(s)-1] == '}' || s[0] == '<' && s[len(s)-1] == '>'
}

// idPart judges a run of letters and digits.
func idPart(p []byte, class uint8) bool {
	if class == classDigit {
		return true
	}
	if class&classDigit == 0 {
		return false
	}
	digits, changes, hex := 0, 0, true
	for i, c := range p {
		digit := c-'0' <= 9
		if digit {
			digits++
		}
		if i > 0 && digit != (p[i-1]-'0' <= 9) {
			changes++
		}
		hex = hex && hexDigit(c) < 16
	}
	switch {
	case hex && len(p) >= 8:
		return true
	case digits >= 2 && changes >= 2 && len(p) >= 8:
		return true
	}
	return digits >= 3 && !technicalWord(p)
}

// technicalWord are words with three digits that are no ids.
func technicalWord(p []byte) bool {
	switch string(p) {
	case "sha224", "sha256", "sha384", "sha512", "x509", "h264", "h265", "utf16", "rfc822", "s3v4", "iso8601", "rfc3339":
		return true
	}
	return false
}

// routeCap bounds the distinct routes of each key, so that neither ids that go unrecognised nor a caller who makes up paths
// can fill the dictionaries. It forgets everything when it has seen too many routes altogether.
type routeCap struct {
	perKey int
	seen   map[uint64]bool // false: once
	counts map[uint64]int
	front  [1 << 10]admitted // some of seen, where they are found without a map's cost
}

// admitted is a route that a key showed often. The hash 0 is an empty slot.
type admitted struct {
	hash   uint64
	number uint32 // of the route in the batch's dictionary, as far as is known: to be looked at before it is used
}

// maxRoutesSeen bounds the memory of routeCap: about 50 MB.
const maxRoutesSeen = 1 << 20

func newRouteCap(perKey int) *routeCap {
	return &routeCap{perKey: perKey, seen: map[uint64]bool{}, counts: map[uint64]int{}}
}

// sight says how often a key showed a route, as far as that is told apart.
type sight uint8

const (
	refused sight = iota // it has too many others
	first
	second
	often
)

// admit says whether a key may have this route, and where the number of one is kept that it showed often.
func (r *routeCap) admit(key uint64, route []byte) (sight, *uint32) {
	h := xxh3.HashSeed(route, key)
	front := &r.front[h%uint64(len(r.front))]
	if front.hash == h && h != 0 {
		return often, &front.number
	}
	if again, ok := r.seen[h]; ok {
		*front = admitted{hash: h}
		if !again {
			r.seen[h] = true
			return second, nil
		}
		return often, &front.number
	}
	if r.counts[key] >= r.perKey {
		return refused, nil
	}
	if len(r.seen) >= maxRoutesSeen {
		clear(r.seen)
		clear(r.counts)
		clear(r.front[:])
	}
	r.seen[h] = false
	r.counts[key]++
	return first, nil
}
