package accesslog

import "bytes"

// parseAddr reads an address, with or without port, brackets and zone, into the form of the column. What is no address
// (a host name, "unix:", "unknown") is unknown: false.
func parseAddr(b []byte) (out [16]byte, ok bool) {
	if len(b) == 0 {
		return out, false
	}
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return out, false
		}
		return parseIPv6(b[1:end])
	}
	colon := bytes.IndexByte(b, ':')
	switch {
	case colon < 0:
	case bytes.IndexByte(b[colon+1:], ':') >= 0:
		return parseIPv6(b)
	default:
		b = b[:colon]
	}
	v4, ok := parseIPv4(b)
	if !ok {
		return out, false
	}
	return mapped(v4), true
}

func mapped(v4 [4]byte) (out [16]byte) {
	out[10], out[11] = 0xff, 0xff
	copy(out[12:], v4[:])
	return out
}

func parseIPv4(b []byte) (out [4]byte, ok bool) {
	part, value, digits := 0, 0, 0
	for i, c := range b {
		switch {
		case c-'0' <= 9:
			if digits > 0 && value == 0 {
				return out, false // a leading zero: octal to some
			}
			value = value*10 + int(c-'0')
			if digits++; value > 255 {
				return out, false
			}
		case c == '.':
			if digits == 0 || part == 3 || i == len(b)-1 {
				return out, false
			}
			out[part] = byte(value)
			part, value, digits = part+1, 0, 0
		default:
			return out, false
		}
	}
	if part != 3 || digits == 0 {
		return out, false
	}
	out[3] = byte(value)
	return out, true
}

func parseIPv6(b []byte) (out [16]byte, ok bool) {
	if zone := bytes.IndexByte(b, '%'); zone >= 0 {
		if zone == len(b)-1 {
			return out, false
		}
		b = b[:zone]
	}
	at, gap, i := 0, -1, 0
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(b) {
		if at == 16 {
			return [16]byte{}, false
		}
		from, value := i, 0
		for ; i < len(b) && i-from < 5; i++ {
			h := hexDigit(b[i])
			if h > 15 {
				break
			}
			value = value<<4 | int(h)
		}
		if i < len(b) && b[i] == '.' {
			v4, ok := parseIPv4(b[from:])
			if !ok || at > 12 {
				return [16]byte{}, false
			}
			copy(out[at:], v4[:])
			at += 4
			break
		}
		if i == from || i-from > 4 {
			return [16]byte{}, false
		}
		out[at], out[at+1] = byte(value>>8), byte(value)
		if at += 2; i == len(b) {
			break
		}
		if b[i] != ':' || i+1 == len(b) {
			return [16]byte{}, false
		}
		if i++; b[i] == ':' {
			if gap >= 0 {
				return [16]byte{}, false
			}
			gap = at
			i++
		}
	}
	if gap < 0 {
		return out, at == 16
	}
	if at == 16 {
		return [16]byte{}, false // "::" must stand for something
	}
	tail := out
	clear(out[gap:])
	copy(out[16-(at-gap):], tail[gap:at])
	return out, true
}

func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// client finds the caller behind the trusted proxies: each of them appended the address it saw to X-Forwarded-For, so with
// n of them the n-th entry from the right is the last one that can be believed. Of a shorter list the leftmost is taken;
// without one the peer's address stands. An entry that is no address leaves the client unknown: the proxy is not it.
// A last entry that is the peer's own address was added by the gateway itself (Envoy does) and counts for no proxy.
func client(peer, forwarded []byte, hops int) [16]byte {
	ip, _ := parseAddr(peer)
	if hops == 0 || len(forwarded) == 0 {
		return ip
	}
	first := true
	for {
		comma := bytes.LastIndexByte(forwarded, ',')
		entry, _ := parseAddr(bytes.TrimSpace(forwarded[comma+1:]))
		if own := first && entry == ip; !own {
			hops--
		}
		first = false
		if hops == 0 || comma < 0 {
			return entry
		}
		forwarded = forwarded[:comma]
	}
}
