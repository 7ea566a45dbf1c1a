package accesslog

import "bytes"

// combinedDecoder reads the combined log format of nginx and Apache:
//
//	host ident user [time] "request" status bytes "referer" "user agent" more...
//
// The user is taken as the key's id. A line that was cut in the middle of the user agent (syslog cuts) still tells all that
// counts and is taken. What follows the user agent is free; in format apache its first number is %D, the duration in
// microseconds, and the common format without referer and user agent is taken too.
type combinedDecoder struct {
	*core
	apache bool
}

func newCombined(c *core) (Decoder, error) {
	return newTextDecoder(c, "combined", (&combinedDecoder{core: c}).parse)
}

func newApache(c *core) (Decoder, error) {
	return newTextDecoder(c, "apache", (&combinedDecoder{core: c, apache: true}).parse)
}

func (d *combinedDecoder) parse(line []byte, r *call) error {
	// The time is found first: host and user may hold anything, but before it comes " [" and two digits.
	open := timeBracket(line)
	if open < 0 {
		return reject(ReasonBadLine, "no [time] between blanks")
	}
	head := bytes.TrimRight(line[:open], " ")
	host, rest, ok := bytes.Cut(head, blank)
	if !ok {
		return reject(ReasonBadLine, "nothing but an address before the time")
	}
	_, user, _ := bytes.Cut(bytes.TrimLeft(rest, " "), blank)
	if len(host) == 0 {
		return reject(ReasonBadLine, "the line starts with a blank")
	}
	shut := bytes.IndexByte(line[open:], ']')
	if shut < 0 {
		return reject(ReasonBadLine, "the line ends inside of the time")
	}
	shut += open
	if r.millis, r.hasTime = d.dates.parse(line[open+1:shut], unitAuto); !r.hasTime {
		return reject(ReasonBadTime, "time: is not a time")
	}
	line = bytes.TrimLeft(line[shut+1:], " ")
	request, line, state := d.quoted(line)
	if state != quotedWhole {
		return reject(ReasonBadLine, `the request line is not in "quotes"`)
	}
	if len(request) > 1 {
		requestLine(request, r)
	}
	status, line := word(line)
	if r.status, ok = number(status); !ok {
		return reject(ReasonBadStatus, "status: is not a number")
	}
	size, line := word(line)
	var fault numberFault
	if len(size) == 0 {
		return reject(ReasonBadLine, "the line ends before the size")
	}
	if !dash(size) {
		if r.responseBytes, fault = parseAmount(size); fault != numberOK {
			return reject(ReasonBadNumber, "bytes: "+numberFaultText[fault])
		}
	}
	r.peer = host
	if !dash(user) {
		r.user = user
	}
	if len(line) == 0 {
		if d.apache {
			return nil
		}
		return reject(ReasonBadLine, "the line ends behind the size: for the common log format use format apache")
	}
	_, line, state = d.quoted(line) // the referer
	if state == quotedNot {
		return reject(ReasonBadLine, `the referer is not in "quotes"`)
	}
	agent, line, state := d.quoted(line)
	if state == quotedCut { // the last word may be the start of anything
		agent = agent[:max(bytes.LastIndexByte(agent, ' '), 0)]
	}
	if !dash(agent) {
		r.agent = agent
	}
	if d.apache {
		return d.duration(line, r)
	}
	return nil
}

// duration reads %D, microseconds, behind the user agent.
func (d *combinedDecoder) duration(line []byte, r *call) error {
	text, _ := word(line)
	if len(text) == 0 || dash(text) || text[0]-'0' > 9 {
		return nil
	}
	var fault numberFault
	if r.latencyMicros, fault = parseScaled(text, 0); fault != numberOK {
		return reject(ReasonBadNumber, "duration: "+numberFaultText[fault])
	}
	return nil
}

var blank = []byte(" ")

// timeBracket finds " [02/" or " [2026-".
func timeBracket(line []byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(line[from:], '[')
		if i < 0 {
			return -1
		}
		i += from
		if i > 0 && line[i-1] == ' ' && i+12 < len(line) && line[i+1]-'0' <= 9 && (line[i+3] == '/' || line[i+5] == '-') {
			return i
		}
		from = i + 1
	}
}

// word reads up to the next blank and steps over the blanks.
func word(b []byte) (w, rest []byte) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return b, nil
	}
	return b[:i], bytes.TrimLeft(b[i:], " ")
}

func dash(b []byte) bool { return len(b) == 1 && b[0] == '-' }

// number reads a status: digits, or - for none.
func number(b []byte) (int64, bool) {
	if dash(b) {
		return 0, true
	}
	n, fault := parseInt(b)
	return n, fault == numberOK
}

type quotedState uint8

const (
	quotedNot quotedState = iota
	quotedWhole
	quotedCut // the closing quote is missing
)

// quoted reads a "quoted" value with \" \\ \xHH (as nginx and Apache escape) and steps over the blanks behind it.
func (c *core) quoted(b []byte) (text, rest []byte, state quotedState) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, quotedNot
	}
	b = b[1:]
	end := bytes.IndexByte(b, '"')
	if end < 0 && bytes.IndexByte(b, '\\') < 0 {
		return b, nil, quotedCut
	}
	if end >= 0 && bytes.IndexByte(b[:end], '\\') < 0 {
		return b[:end], bytes.TrimLeft(b[end+1:], " "), quotedWhole
	}
	from := len(c.scratch)
	i := 0
	for ; i < len(b) && b[i] != '"'; i++ {
		if b[i] != '\\' || i+1 == len(b) {
			c.scratch = append(c.scratch, b[i])
			continue
		}
		i++
		switch b[i] {
		case 'x':
			if i+2 < len(b) && hexDigit(b[i+1]) < 16 && hexDigit(b[i+2]) < 16 {
				c.scratch = append(c.scratch, hexDigit(b[i+1])<<4|hexDigit(b[i+2]))
				i += 2
			}
		case 'n', 'r', 't', 'v', 'b':
			c.scratch = append(c.scratch, ' ')
		default:
			c.scratch = append(c.scratch, b[i])
		}
	}
	text = c.scratch[from:len(c.scratch):len(c.scratch)]
	if i == len(b) {
		return text, nil, quotedCut
	}
	return text, bytes.TrimLeft(b[i+1:], " "), quotedWhole
}
