package accesslog

import "bytes"

// haproxyText reads HAProxy's httplog, with a syslog header or without:
//
//	ip:port [06/Feb/2009:12:14:14.655] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes - - ---- conns queues {captured} "request"
//
// The time is HAProxy's local one and carries no zone: it is read as UTC. Captured request headers are recognised by what
// they look like: the first that looks like a key is the key, an address list is X-Forwarded-For, a product/version is the
// user agent. A time of -1 means that the phase was never reached.
type haproxyText struct{ *core }

func newHAProxy(c *core) (Decoder, error) {
	return newTextDecoder(c, "haproxy", haproxyText{c}.parse)
}

func (d haproxyText) parse(line []byte, r *call) error {
	open := timeBracket(line)
	if open < 0 {
		return reject(ReasonBadLine, "no [time] behind an address")
	}
	shut := bytes.IndexByte(line[open:], ']')
	if shut < 0 {
		return reject(ReasonBadLine, "the line ends inside of the time")
	}
	shut += open
	head := bytes.TrimRight(line[:open], " ")
	r.peer = head[bytes.LastIndexByte(head, ' ')+1:]
	// Without brackets the port of an IPv6 address is behind its last colon.
	if colon := bytes.LastIndexByte(r.peer, ':'); colon > 0 && r.peer[0] != '[' {
		r.peer = r.peer[:colon]
	}
	if r.millis, r.hasTime = d.dates.parse(line[open+1:shut], unitAuto); !r.hasTime {
		return reject(ReasonBadTime, "time: is not a time")
	}
	_, rest := word(bytes.TrimLeft(line[shut+1:], " ")) // frontend
	backend, rest := word(rest)
	timers, rest := word(rest)
	if bytes.IndexByte(backend, '/') < 0 || bytes.Count(timers, []byte("/")) != 4 {
		return reject(ReasonBadLine, "no backend/server and five times: is this option httplog?")
	}
	total := timers[bytes.LastIndexByte(timers, '/')+1:]
	if len(total) > 0 && total[0] == '+' { // logasap: at least
		total = total[1:]
	}
	var fault numberFault
	if string(total) != "-1" {
		if r.latencyMicros, fault = parseScaled(total, 3); fault != numberOK {
			return reject(ReasonBadNumber, "total time: "+numberFaultText[fault])
		}
	}
	status, rest := word(rest)
	if string(status) != "-1" {
		var ok bool
		if r.status, ok = number(status); !ok {
			return reject(ReasonBadStatus, "status: is not a number")
		}
	}
	size, rest := word(rest)
	if len(size) > 0 && size[0] == '+' {
		size = size[1:]
	}
	if r.responseBytes, fault = parseAmount(size); fault != numberOK {
		return reject(ReasonBadNumber, "bytes: "+numberFaultText[fault])
	}
	// Behind the counters come captured headers in braces and the request in quotes; the request's own quotes are not
	// escaped in old versions, so it ends at the last one.
	quote := bytes.IndexByte(rest, '"')
	if quote < 0 {
		return reject(ReasonBadLine, "no request in \"quotes\"")
	}
	if from := bytes.IndexByte(rest[:quote], '{'); from >= 0 {
		if to := bytes.IndexByte(rest[from:quote], '}'); to > 0 {
			d.captured(rest[from+1:from+to], r)
		}
	}
	request := rest[quote+1:]
	if end := bytes.LastIndexByte(request, '"'); end >= 0 {
		request = request[:end]
	} else if bytes.IndexByte(request, '?') < 0 {
		request = request[:bytes.LastIndexByte(request, '/')+1] // cut by syslog: the last segment may be the start of anything
	}
	if string(request) != "<BADREQ>" {
		requestLine(d.unhash(request), r)
	}
	return nil
}

func (d haproxyText) captured(list []byte, r *call) {
	for len(list) > 0 {
		v := list
		if bar := bytes.IndexByte(list, '|'); bar >= 0 {
			v, list = list[:bar], list[bar+1:]
		} else {
			list = nil
		}
		if v = bytes.TrimSpace(d.unhash(v)); len(v) == 0 {
			continue
		}
		scheme, _, _ := bytes.Cut(v, blank)
		_, isIP := parseAddr(lastEntry(v))
		switch {
		case isIP:
			if len(r.forwarded) == 0 {
				r.forwarded = v
			}
		case isAuthScheme(scheme) && len(v) > len(scheme):
			d.authorization(v, r)
		case secretWord(v) && len(r.key) == 0:
			r.key = v
		case bytes.IndexByte(v, '/') > 0 && len(r.agent) == 0:
			r.agent = v
		case bytes.IndexByte(v, '.') > 0 && len(r.host) == 0 && bytes.IndexByte(v, ' ') < 0:
			r.host = v
		case len(r.key) == 0 && bytes.IndexByte(v, ' ') < 0:
			r.key = v
		}
	}
}

// unhash resolves HAProxy's escapes: #22 is a quote.
func (d haproxyText) unhash(v []byte) []byte {
	if bytes.IndexByte(v, '#') < 0 {
		return v
	}
	from := len(d.scratch)
	for i := 0; i < len(v); i++ {
		if v[i] == '#' && i+2 < len(v) && hexDigit(v[i+1]) < 16 && hexDigit(v[i+2]) < 16 {
			d.scratch = append(d.scratch, hexDigit(v[i+1])<<4|hexDigit(v[i+2]))
			i += 2
			continue
		}
		d.scratch = append(d.scratch, v[i])
	}
	return d.scratch[from:len(d.scratch):len(d.scratch)]
}

func lastEntry(v []byte) []byte {
	return bytes.TrimSpace(v[bytes.LastIndexByte(v, ',')+1:])
}
