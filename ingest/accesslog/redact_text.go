package accesslog

import (
	"bytes"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// kind says what may be shown of the string values of a field.
type kind uint8

const (
	hidden kind = iota
	shownTime
	shownMethod
	shownPath
	shownHost
	shownAddress
	shownWords
	shownWrapped
	shownAttribute
)

// kinds are the names whose strings may be shown when they have the right look, in lower case without separators.
var kinds = func() map[string]kind {
	m := map[string]kind{}
	for k, names := range map[kind][]string{
		shownTime: {
			"time", "timestamp", "ts", "starttime", "startutc", "startlocal", "timeiso8601", "timelocal", "msec", "requesttime", "requesttimeepoch",
			"startedat", "timeunixnano", "observedtimeunixnano", "date",
		},
		shownMethod: {"method", "requestmethod", "httpmethod", "httprequestmethod"},
		shownPath: {
			"path", "uri", "url", "requesturi", "requestpath", "rawpath", "urlpath", "upstreamuri", "resourcepath", "route", "httproute", "httptarget",
			"urlfull", "httpurl", "request", "requestline", "routekey", "xenvoyoriginalpath",
		},
		shownHost: {"host", "httphost", "authority", "requesthost", "requestaddr", "domainname", "servername", "serveraddress"},
		shownAddress: {
			"clientip", "remoteaddr", "remoteip", "ip", "clienthost", "clientaddr", "sourceip", "ipaddress", "downstreamremoteaddress", "clientaddress",
			"downstreamdirectremoteaddress", "networkpeeraddress", "httpxforwardedfor", "xforwardedfor", "forwardedfor", "downstreamlocaladdress",
		},
		shownWords:     {"useragent", "httpuseragent", "requestuseragent", "useragentoriginal", "level", "proto", "protocol", "requestprotocol", "scheme", "requestscheme"},
		shownWrapped:   {"message", "log"},
		shownAttribute: {"key"},
	} {
		for _, n := range names {
			m[n] = k
		}
	}
	return m
}()

func plainName(name []byte) []byte {
	if len(name) > 64 {
		return nil
	}
	out := make([]byte, 0, 64)
	for _, c := range name {
		if c != '_' && c != '-' && c != '.' && c != '@' {
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			out = append(out, c)
		}
	}
	return out
}

// text redacts a line word by word. Of a text that is perhaps not whole the first and the last word may be the rest of
// anything: they are not shown for being words.
func (r *redactor) text(b []byte, whole bool) {
	const apart = "\"[](){}<>|,;'\\"
	hiding := false // behind the name of a secret: to the next separator, for it may be of several words
	for i := 0; i < len(b) && !r.full(); {
		if c := b[i]; c <= ' ' || bytes.IndexByte([]byte(apart), c) >= 0 {
			if c == ' ' || c == '\t' {
				r.out = append(r.out, ' ')
				i++
				continue
			}
			if hiding = false; c > ' ' && c != '\\' {
				r.out = append(r.out, c)
			}
			i++
			continue
		}
		end := i
		for end < len(b) && b[end] > ' ' && bytes.IndexByte([]byte(apart), b[end]) < 0 {
			end++
		}
		if hiding = hiding || afterCredentialsMark(b[:i]); hiding {
			r.out = append(r.out, redacted...)
		} else {
			r.token(b[i:end], whole || i > 0 && end < len(b))
		}
		i = end
	}
}

func (r *redactor) token(w []byte, words bool) {
	name, _, pair := bytes.Cut(w, []byte("="))
	switch {
	case w[0] == '/', bytes.Contains(w, schemeEnd):
		if isTimers(w) {
			r.out = append(r.out, w...)
			return
		}
		r.out = append(r.out, pathOf(w, words)...)
	case isAddressText(w), isNumberText(w, 13), isTimeText(w), isTimers(w), isMethodText(w):
		r.out = append(r.out, w...)
	case pair && words:
		r.out = append(r.out, nameOrNot(name)...)
		r.out = append(append(r.out, '='), redacted...)
	case w[len(w)-1] == ':' && sensitiveName(w[:len(w)-1]):
		r.out = append(append(r.out, nameOrNot(w[:len(w)-1])...), ':')
	case words && isWords(w):
		r.out = append(r.out, w...)
	default:
		r.out = append(r.out, redacted...)
	}
}

// pathOf shows a path, URL or request line as a template: no id, no query string, no user, and only words as segments.
// The last segment of one that is perhaps not whole may be the start of anything.
func pathOf(v []byte, whole bool) []byte {
	if !whole && bytes.IndexByte(v, '?') < 0 {
		return append(pathOf(v[:bytes.LastIndexByte(v, '/')+1], true), redacted...)
	}
	if method, rest, ok := bytes.Cut(v, blank); ok && isMethodText(method) {
		rest, _, _ = bytes.Cut(rest, blank)
		return append(append(bytes.Clone(method), ' '), pathOf(rest, true)...)
	}
	var scratch []byte
	path, host, _ := splitTarget(v, &scratch)
	route := appendRoute(nil, appendPrintable(nil, path), usage.MaxNameBytes)
	var out []byte
	if len(host) > 0 {
		out = append(out, "//"...)
		if isHostText(host) {
			out = append(out, host...)
		} else {
			out = append(out, redacted...)
		}
	}
	for len(route) > 0 {
		segment := route[1:]
		if route[0] != '/' {
			segment = route
		} else {
			out = append(out, '/')
		}
		if next := bytes.IndexByte(segment, '/'); next >= 0 {
			segment, route = segment[:next], segment[next:]
		} else {
			route = nil
		}
		switch {
		case len(segment) == 0:
		case segment[0] == '{' || isWords(segment) || segment[0]|0x20 == 'v' && len(segment) <= 3:
			out = append(out, segment...)
		default:
			out = append(out, redacted...)
		}
	}
	return out
}

// isWords reports whether a word is made of parts that are letters, or few digits: versions and names, no keys.
func isWords(w []byte) bool {
	if len(w) > 80 || secretWord(w) {
		return false
	}
	mixed, parts, upperLower := 0, 0, 0
	for i := 0; i < len(w); {
		start, letters, digits := i, 0, 0
		for i < len(w) && isAlnum(w[i]) {
			if w[i]-'0' <= 9 {
				digits++
			} else {
				letters++
				if i > start && (w[i]^w[i-1])&0x20 != 0 && w[i-1] > '9' {
					upperLower++
				}
			}
			i++
		}
		switch {
		case letters > 20, digits > 8, digits > 0 && letters > 0 && i-start > 4:
			return false
		case digits > 0 && letters > 0:
			mixed++
		}
		if i > start {
			parts++
		}
		if i < len(w) {
			if w[i] >= 0x80 || w[i] == '%' || w[i] == '=' || w[i] == '@' {
				return false
			}
			i++
		}
	}
	return mixed <= 2 && parts <= 8 && upperLower <= 8
}

func isNumberText(v []byte, maxBytes int) bool {
	digits := 0
	for _, c := range v {
		switch {
		case c-'0' <= 9:
			digits++
		case c == '.' || c == '-' || c == '+' || c|0x20 == 'e':
		default:
			return false
		}
	}
	return digits > 0 && len(v) <= maxBytes
}

// isTimers are the numbers and slashes of HAProxy: 10/0/30/69/109.
func isTimers(v []byte) bool {
	run, slashes := 0, 0
	for _, c := range v {
		switch {
		case c-'0' <= 9:
			if run++; run > 8 {
				return false
			}
		case c == '/':
			slashes++
			run = 0
		case c == '-' || c == '+':
		default:
			return false
		}
	}
	return slashes > 0 && len(v) <= 40
}

func isTimeText(v []byte) bool {
	var d dates
	_, ok := d.parse(v, unitAuto)
	return ok && len(v) <= 40
}

func isMethodText(v []byte) bool {
	for _, m := range knownMethods {
		if bytes.EqualFold(m, v) {
			return true
		}
	}
	return hasFoldPrefix(v, "http/") && len(v) <= 8 && isNumberText(v[5:], 3)
}

func isAddressText(v []byte) bool {
	for part := range bytes.SplitSeq(v, []byte(",")) {
		part = bytes.TrimSpace(part)
		if _, ok := parseAddr(part); !ok || len(part) > 50 {
			return false
		}
		if colon := bytes.LastIndexByte(part, ':'); colon >= 0 && bytes.IndexByte(part, '.') >= 0 && len(part)-colon > 6 {
			return false // 1.2.3.4: and no port
		}
		if bytes.IndexByte(part, '%') >= 0 || part[0] == '[' && !isTimers(append([]byte("/"), part[bytes.IndexByte(part, ']')+1:]...)) {
			return false
		}
	}
	return true
}

func isHostText(v []byte) bool {
	if isAddressText(v) {
		return true
	}
	for _, c := range v {
		if !isAlnum(c) && c != '.' && c != '-' && c != ':' {
			return false
		}
	}
	return isWords(v)
}

// isAttributeName is the name of an attribute in OTLP: words of small letters with dots.
func isAttributeName(v []byte) bool {
	for _, c := range v {
		if (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return bytes.IndexByte(v, '.') > 0 && isWords(v)
}
