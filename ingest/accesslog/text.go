package accesslog

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// clean makes a value fit for a column: control characters dropped, invalid UTF-8 replaced, secrets masked, cut to max bytes.
// secret is this record's own key, which no shape may tell. The result is v itself where nothing had to change, else
// it lies in the scratch space. Cleaning twice changes nothing more.
func (c *core) clean(v, secret []byte, max int) []byte {
	if plain(v) && len(v) <= max && !holds(v, secret) {
		return v // it has eight bytes and more, so it is no dash
	}
	if !printable(v) {
		v = c.rewrite(v)
	}
	if holds(v, secret) {
		v = c.keep(bytes.ReplaceAll(v, secret, []byte(redacted)))
	}
	if suspicious(v) {
		from := len(c.scratch)
		c.scratch = maskSecrets(c.scratch, v)
		v = c.scratch[from:len(c.scratch):len(c.scratch)]
	}
	if len(v) > max {
		v = cut(v, max)
	}
	if dash(v) {
		return nil
	}
	return v
}

// minOwnSecretBytes is the length below which a key is not searched for in the other values of its record: a key "api" would
// eat half of the path.
const minOwnSecretBytes = 6

// holds reports whether a value holds its record's own key.
func holds(v, secret []byte) bool {
	return len(secret) >= minOwnSecretBytes && bytes.Contains(v, secret)
}

// keep copies v into the scratch space, which lasts as long as the line.
func (c *core) keep(v []byte) []byte {
	from := len(c.scratch)
	c.scratch = append(c.scratch, v...)
	return c.scratch[from:len(c.scratch):len(c.scratch)]
}

// rewrite drops control characters, those of Unicode too, and replaces each invalid byte by U+FFFD.
func (c *core) rewrite(v []byte) []byte {
	from := len(c.scratch)
	c.scratch = appendPrintable(c.scratch, v)
	return c.scratch[from:len(c.scratch):len(c.scratch)]
}

func appendPrintable(dst, v []byte) []byte {
	for i := 0; i < len(v); {
		if b := v[i]; b < utf8.RuneSelf {
			if b >= 0x20 && b != 0x7f {
				dst = append(dst, b)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(v[i:])
		switch {
		case r >= 0x80 && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r == 0xfeff:
			// C1 controls, separators of lines, and marks that only serve to show a text other than it is.
		default:
			dst = utf8.AppendRune(dst, r)
		}
		i += n
	}
	return dst
}

// Words of eight bytes with the lowest and the highest bit of each set.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// printable reports whether all bytes are printable ASCII.
func printable(v []byte) bool {
	for len(v) >= 8 {
		w := binary.LittleEndian.Uint64(v)
		// A byte fails when it is >= 0x80, < 0x20 or 0x7f. Errors of borrow only come from bytes that fail themselves.
		if (w|(w-ones*0x20)|(w+ones))&highs != 0 {
			return false
		}
		v = v[8:]
	}
	for _, b := range v {
		if b < 0x20 || b >= 0x7f {
			return false
		}
	}
	return true
}

// cut shortens v to max bytes without splitting a character.
func cut(v []byte, max int) []byte {
	if len(v) <= max {
		return v
	}
	for max > 0 && !utf8.RuneStart(v[max]) {
		max--
	}
	return v[:max:max]
}
