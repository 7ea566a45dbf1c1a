package accesslog

import (
	"bytes"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// assemble fills a call from the scanned fields and returns which targets the line names, with a value or without.
func (d *jsonDecoder) assemble(line []byte, r *call) (seen uint32, err error) {
	var filled uint32
	fields := d.spec.fields
	slots := d.slots[:len(fields)]
	for i := range slots {
		if slots[i].Kind == jsonscan.None {
			continue
		}
		v, f := slots[i], &fields[i]
		switch f.to {
		case toNothing, toWrapped:
			continue
		case toUnits:
			if err := d.units(line, v, r, i); err != nil {
				return 0, err
			}
			continue
		case toRoute, toRouteKey, toRequest:
			seen |= 1 << toPath
		}
		bit := uint32(1) << f.to
		if seen |= bit; filled&bit != 0 && f.to != toUnit {
			continue
		}
		text, ok := d.text(line, v)
		if !ok {
			return 0, d.bad(ReasonBadField, i, "is of the wrong type")
		}
		if len(text) == 0 || len(text) == 1 && text[0] == '-' {
			continue
		}
		filled |= bit
		switch f.to {
		case toTime:
			if r.millis, r.hasTime = d.dates.parse(text, f.unit); !r.hasTime {
				return 0, d.bad(ReasonBadTime, i, "is not a time")
			}
		case toKey:
			if key := plainKey(text); len(key) > 0 {
				r.key = key
			} else {
				filled &^= bit
			}
		case toAuthorization:
			d.authorization(text, r)
		case toKeyID:
			r.keyID = text
		case toUser:
			r.user = text
		case toRequestID:
			r.rid = text
		case toMethod:
			r.method = text
		case toHost:
			r.host = text
		case toRoute:
			r.route = text
		case toRouteKey:
			if _, path, ok := bytes.Cut(text, []byte(" ")); ok {
				r.route = path
			} else if text[0] != '$' { // AWS: "$default" is no route
				r.route = text
			}
		case toPath:
			r.path = text
		case toRequest:
			requestLine(text, r)
		case toStatus:
			status, fault := parseInt(text)
			if fault != numberOK {
				return 0, d.bad(ReasonBadStatus, i, numberFaultText[fault])
			}
			r.status = status
		case toLatency:
			micros, fault := latency(text, f.unit)
			if fault != numberOK {
				return 0, d.bad(ReasonBadNumber, i, numberFaultText[fault])
			}
			r.latencyMicros = micros
		case toBytesIn, toBytesOut, toUnit, toLength:
			if f.to == toLength && string(text) == "-1" {
				continue
			}
			n, fault := parseAmount(text)
			if fault != numberOK {
				return 0, d.bad(ReasonBadNumber, i, numberFaultText[fault])
			}
			switch f.to {
			case toBytesIn, toLength:
				r.requestBytes = n
			case toBytesOut:
				r.responseBytes = n
			default:
				if r.units == usage.MaxUnits {
					return 0, d.bad(ReasonBadUnits, i, "is one unit too many")
				}
				d.unitName[r.units], d.unitValue[r.units] = f.name, n
				r.units++
			}
		case toIP:
			r.peer = text
		case toForwarded:
			r.forwarded = text
		case toAgent:
			r.agent = text
		case toSource:
			r.source = text
		case toOrigin:
			if d.origins {
				if r.origin, ok = parseOrigin(text); !ok {
					return 0, d.bad(ReasonBadField, i, "is not topic/partition/offset")
				}
			}
		}
	}
	return seen, nil
}

// bad is an error about field i. The field's name is the format's, not the line's.
func (d *jsonDecoder) bad(reason string, i int, what string) error {
	return reject(reason, d.spec.labels[i]+": "+what)
}

// text returns a value as text: of an array, as headers are in some formats, its first element. Objects and truth values
// are no text.
func (d *jsonDecoder) text(line []byte, v jsonscan.Value) ([]byte, bool) {
	switch v.Kind {
	case jsonscan.String:
		if !v.Escaped {
			return v.In(line), true
		}
		from := len(d.scratch)
		d.scratch = jsonscan.Unquote(d.scratch, v.In(line))
		return d.scratch[from:len(d.scratch):len(d.scratch)], true
	case jsonscan.Number:
		return v.In(line), true
	case jsonscan.Null:
		return nil, true
	case jsonscan.Array:
		it := jsonscan.Over(line, v)
		if !it.Next() {
			return nil, true
		}
		if it.Value.Kind == jsonscan.Array {
			return nil, false
		}
		return d.text(line, it.Value)
	}
	return nil, false
}

// units reads an object of names and numbers.
func (d *jsonDecoder) units(line []byte, v jsonscan.Value, r *call, i int) error {
	if v.Kind == jsonscan.Null {
		return nil
	}
	if v.Kind != jsonscan.Object {
		return d.bad(ReasonBadUnits, i, "is not an object")
	}
	for it := jsonscan.Over(line, v); it.Next(); {
		text, ok := d.text(line, it.Value)
		if !ok || it.Value.Kind == jsonscan.Array {
			return d.bad(ReasonBadUnits, i, "has a value that is not a number")
		}
		if len(text) == 0 || len(text) == 1 && text[0] == '-' {
			continue
		}
		n, fault := parseAmount(text)
		if fault != numberOK {
			return d.bad(ReasonBadUnits, i, "has a value that "+numberFaultText[fault])
		}
		name, _ := d.text(line, it.Name)
		if len(name) == 0 {
			return d.bad(ReasonBadUnits, i, "has a unit without a name")
		}
		if r.units == usage.MaxUnits {
			return d.bad(ReasonBadUnits, i, "has too many units")
		}
		d.unitName[r.units], d.unitValue[r.units] = name, n
		r.units++
	}
	return nil
}

// latency reads a duration: a number in the field's unit, or with its own ("1.5ms", "200µs", "1m3s" is not).
func latency(b []byte, u unit) (int64, numberFault) {
	if u == unitSeconds {
		if micros, ok := threePlaces(b); ok {
			return micros, numberOK
		}
	}
	if last := b[len(b)-1]; last == 's' {
		n := len(b) - 1
		switch {
		case n > 1 && b[n-1] == 'm':
			n, u = n-1, unitMillis
		case n > 1 && b[n-1] == 'n':
			n, u = n-1, unitNanos
		case n > 1 && b[n-1] == 'u':
			n, u = n-1, unitMicros
		case n > 2 && (string(b[n-2:n]) == "µ" || string(b[n-2:n]) == "μ"):
			n, u = n-2, unitMicros
		default:
			u = unitSeconds
		}
		b = b[:n]
	}
	return parseScaled(b, u.exponent()-3)
}

// threePlaces reads less than ten thousand seconds with three places, as nginx's $request_time is. It says no where it is not sure.
func threePlaces(b []byte) (micros int64, ok bool) {
	whole := len(b) - len(".000")
	if whole < 1 || whole > 4 || b[whole] != '.' {
		return 0, false
	}
	n, ok := decimals(b[:whole])
	tenths, hundredths, thousandths := b[whole+1]-'0', b[whole+2]-'0', b[whole+3]-'0'
	if !ok || max(tenths, hundredths, thousandths) > 9 {
		return 0, false
	}
	return int64(n)*1_000_000 + int64(tenths)*100_000 + int64(hundredths)*10_000 + int64(thousandths)*1000, true
}

// requestLine takes "GET /path HTTP/1.1" apart. A line that is none (the bytes of a TLS handshake, say) leaves method and
// path empty: what it holds is nothing to store.
func requestLine(line []byte, r *call) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(method) == 0 || len(method) > 32 {
		return
	}
	for _, c := range method {
		if !isAlnum(c) && c != '-' && c != '_' {
			return
		}
	}
	// Unescaped blanks in a path are the callers' mistake; the protocol is behind the last blank.
	if sp := bytes.LastIndexByte(rest, ' '); sp >= 0 && hasFoldPrefix(rest[sp+1:], "http/") {
		rest = rest[:sp]
	}
	r.method, r.path = method, bytes.TrimSpace(rest)
}
