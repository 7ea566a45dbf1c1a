package accesslog

import (
	"bytes"
	"net/netip"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// ShortenAddresses replaces every IP address that a line shows by its network, as [usage.ShortenAddr] does: for dead
// letters of those who keep no whole addresses. A version number of four parts loses its last one too.
func ShortenAddresses(line []byte) []byte {
	var out []byte
	kept := 0
	for i := 0; i < len(line); {
		if !inAddress(line[i]) {
			i++
			continue
		}
		from := i
		for i < len(line) && inAddress(line[i]) {
			i++
		}
		if short, n := shortened(line[from:i]); n > 0 {
			out = append(append(out, line[kept:from]...), short...)
			kept = from + n
		}
	}
	if kept == 0 {
		return line
	}
	return append(out, line[kept:]...)
}

func inAddress(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f' || c == ':' || c == '.'
}

// shortened returns the network of the address that a word starts with, and how long that address is; 0 when it is none.
func shortened(word []byte) (short string, n int) {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255:65535")
	word = word[:min(len(word), longest)]
	colons := bytes.Count(word, []byte(":"))
	if colons == 0 && bytes.Count(word, []byte(".")) < 3 {
		return "", 0
	}
	for end := len(word); end > 6 || end == len(word); {
		if a, err := netip.ParseAddr(string(word[:end])); err == nil {
			return usage.ShortenAddr(a).String(), end
		}
		// A port, or the end of a sentence.
		if end = bytes.LastIndexAny(word[:end], ".:"); end < 0 {
			break
		}
	}
	return "", 0
}
