package accesslog

import (
	"bytes"
	"unicode/utf8"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
)

// Redact makes a line that could not be decoded fit to be kept as a dead letter: at most max bytes of printable UTF-8, and
// no secrets. It works by permission, not by prohibition, for what is wrong with such a line cannot be known: structure,
// names, numbers, times, methods, addresses, hosts, paths as templates without query strings, and words of letters are
// shown; every other value becomes [redacted]. JSON is read by a reader that does not mind where the line is cut or broken.
// What is left is enough to see which format it was and what is wrong with it, not to decode it again.
func Redact(line []byte, max int) []byte {
	if max <= 0 {
		return nil
	}
	r := redactor{max: max, out: make([]byte, 0, min(max, len(line))+len(redacted))}
	r.line(line, 0)
	if len(r.out) > max {
		const more = "…"
		if max > len(more) {
			return append(cut(r.out, max-len(more)), more...)
		}
		return cut(r.out, max)
	}
	return r.out
}

type redactor struct {
	out []byte
	max int
}

func (r *redactor) full() bool { return len(r.out) > r.max }

// line redacts JSON as JSON, text as text, and a syslog header with JSON behind it as both.
func (r *redactor) line(b []byte, depth int) {
	at := bytes.IndexByte(b, '{')
	for at >= 0 {
		if i := skipBlanks(b, at+1); i < len(b) && (b[i] == '"' || b[i] == '}') {
			break
		}
		next := bytes.IndexByte(b[at+1:], '{')
		if next < 0 {
			at = -1
			break
		}
		at += 1 + next
	}
	if i := skipBlanks(b, 0); i < len(b) && b[i] == '[' && (i+1 == len(b) || b[i+1]-'0' > 9) {
		at = i
	}
	if at < 0 {
		// The inside of an object whose start is lost is read as JSON too: that shows less.
		if bytes.Contains(b, []byte(`":`)) {
			at = 0
		} else {
			r.text(b, false)
			return
		}
	}
	r.text(b[:at], false)
	r.json(b[at:], depth)
}

func skipBlanks(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// json reads tokens of JSON without expecting them in any order.
func (r *redactor) json(b []byte, depth int) {
	var name []byte
	for i := 0; i < len(b) && !r.full(); {
		switch c := b[i]; {
		case c == '"':
			raw, end, whole := jsonString(b, i+1)
			value := jsonscan.Unquote(nil, raw)
			i = end
			if next := skipBlanks(b, i); next < len(b) && b[next] == ':' {
				name = value
				r.quote(nameOrNot(name))
				continue
			}
			r.out = append(r.out, '"')
			r.value(name, value, whole, depth)
			r.out = append(r.out, '"')
		case c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':':
			r.out = append(r.out, c)
			i++
		case c <= ' ':
			i = skipBlanks(b, i)
			r.out = append(r.out, ' ')
		default:
			end := i
			for end < len(b) && b[end] > ' ' && bytes.IndexByte([]byte(`"{}[],:`), b[end]) < 0 {
				end++
			}
			bare := b[i:end]
			i = end
			switch {
			case string(bare) == "true", string(bare) == "false", string(bare) == "null":
				r.out = append(r.out, bare...)
			case isNumberText(bare, 20) && !hiddenNumber(name):
				r.out = append(r.out, bare...)
			default:
				r.out = append(r.out, redacted...)
			}
		}
	}
}

// jsonString returns the inside of a string and where the text behind it starts. One that is cut reaches to the end.
func jsonString(b []byte, i int) (raw []byte, end int, whole bool) {
	for start := i; ; i++ {
		switch {
		case i >= len(b):
			return b[start:], len(b), false
		case b[i] == '\\':
			i++
		case b[i] == '"':
			return b[start:i], i + 1, true
		}
	}
}

// quote writes a value that was found fit, as a JSON string.
func (r *redactor) quote(v []byte) {
	r.out = append(r.out, '"')
	r.escaped(v)
	r.out = append(r.out, '"')
}

func (r *redactor) escaped(v []byte) {
	for _, c := range appendPrintable(nil, v) {
		if c == '"' || c == '\\' {
			r.out = append(r.out, '\\')
		}
		r.out = append(r.out, c)
	}
}

// nameOrNot lets names of fields through: letters and separators, no digits but in names that formats have.
func nameOrNot(name []byte) []byte {
	if len(name) > 64 || secretWord(name) || !utf8.Valid(name) {
		return []byte(redacted)
	}
	run, digits := 0, 0
	for _, c := range name {
		switch {
		case c|0x20-'a' < 26:
			if run++; run > 20 {
				return []byte(redacted)
			}
		case c-'0' <= 9:
			if digits++; digits > 4 {
				return []byte(redacted)
			}
		case bytes.IndexByte([]byte("_-.@/ "), c) >= 0:
			run = 0
		default:
			return []byte(redacted)
		}
	}
	if digits > 0 && kinds[string(plainName(name))] == hidden {
		return []byte(redacted)
	}
	return name
}

// hiddenNumber reports whether not even a number may be shown under that name. Counts of tokens may.
func hiddenNumber(name []byte) bool {
	return sensitiveName(name) && !bytes.HasSuffix(bytes.ToLower(name), []byte("tokens"))
}

// value writes what may be shown of a string under that name.
func (r *redactor) value(name, v []byte, whole bool, depth int) {
	if len(v) == 0 || dash(v) {
		r.out = append(r.out, v...)
		return
	}
	kind := kinds[string(plainName(name))]
	switch {
	case kind == shownWrapped && depth < 2:
		inner := redactor{max: r.max}
		inner.line(v, depth+1)
		r.escaped(inner.out)
		return
	case kind == shownAttribute && isAttributeName(v):
		r.out = append(r.out, v...)
		return
	case kind == hidden && sensitiveName(name):
	case isNumberText(v, 13):
		r.out = append(r.out, v...)
		return
	case kind == shownTime && isTimeText(v), kind == shownMethod && isMethodText(v), kind == shownAddress && isAddressText(v):
		r.escaped(v)
		return
	case kind == shownHost && whole && isHostText(v):
		r.out = append(r.out, v...)
		return
	case kind == shownPath:
		r.escaped(pathOf(v, whole))
		return
	case kind == shownWords:
		inner := redactor{max: r.max}
		inner.text(v, whole)
		r.escaped(inner.out)
		return
	}
	r.out = append(r.out, redacted...)
}
