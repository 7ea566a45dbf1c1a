package accesslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// identity finds out whose call it was. In this order: a key in clear that the store knows; the id of a key or consumer that
// the gateway logged; the name of the user; a key in clear that nobody knows, by an id of its own. The answer is good until the next call.
func (c *core) identity(r *call) (*keyEntry, usage.Flags) {
	var plain *keyEntry
	if len(r.key) > 0 {
		if plain = c.resolve(r.key); !plain.telltale {
			r.secret = r.key
		}
		if plain.known {
			return plain, 0
		}
	}
	given, foreign := r.keyID, false
	if len(given) == 0 && r.status != 401 { // with 401 nobody checked the user's name
		given, foreign = r.user, true
	}
	if len(given) > 0 {
		e := c.givenID(given, r.secret, foreign)
		if e.id != "" {
			return e, unknownFlag(e.id)
		}
	}
	if len(r.key) > 0 {
		return plain, usage.FlagUnknownKey
	}
	return &c.nobody, usage.FlagNoKey
}

func unknownFlag(id string) usage.Flags {
	if len(id) > len(UnknownKeyPrefix) && id[:len(UnknownKeyPrefix)] == UnknownKeyPrefix {
		return usage.FlagUnknownKey
	}
	return 0
}

// resolve asks the store about a key in clear, once in a while.
func (c *core) resolve(plaintext []byte) *keyEntry {
	h := c.cache.hash(plaintext)
	if e := c.cache.get(h, c.nowMillis); e != nil {
		return e
	}
	id, known := c.keys.Resolve(plaintext)
	return c.cache.put(h, keyEntry{id: id, known: known, sinceMillis: c.nowMillis, hash: h.Lo, telltale: isOurs(plaintext) && secretWord(plaintext)})
}

// givenID takes an id as it is, unless it is in truth a key: then the key's id stands. foreign ids come from a place where
// callers write what they want.
func (c *core) givenID(v, secret []byte, foreign bool) *keyEntry {
	h := c.ids.hash(v)
	if foreign {
		h.Hi ^= 1
	}
	if !holds(v, secret) {
		if e := c.ids.get(h, c.nowMillis); e != nil {
			return e
		}
	}
	e := keyEntry{sinceMillis: c.nowMillis, hash: h.Lo}
	id, known := c.keys.Resolve(v)
	switch {
	case known, len(v) > usage.MaxNameBytes, holdsSecret(v), foreign && len(v) >= 20 && random(v),
		holds(v, secret):
		e.id, e.known = id, known
	default:
		e.id = string(c.clean(v, secret, usage.MaxNameBytes))
		if strings.Contains(e.id, redacted) { // a key with control characters inside
			e.id = id
		}
	}
	if !holds(v, secret) {
		return c.ids.put(h, e)
	}
	return &e
}

// requestID keeps a request id unique whatever is done to it: one that is too long or looks like a secret is replaced by, or
// ends in, a hash, for equal ids mean one call.
func (c *core) requestID(r *call) []byte {
	v := r.rid
	if len(v) == 0 {
		return nil
	}
	if len(v) <= usage.MaxRequestIDBytes && (plain(v) || printable(v) && !suspicious(v)) && !holds(v, r.secret) {
		return v
	}
	shown := c.clean(v, r.secret, len(v))
	if len(shown) <= usage.MaxRequestIDBytes && bytes.Equal(shown, v) {
		return v
	}
	if bytes.Contains(shown, []byte(redacted)) {
		id, _ := c.keys.Resolve(v) // peppered: the hash of a secret must not be one to guess at
		return c.keep([]byte("redacted-" + id))
	}
	sum := sha256.Sum256(v)
	out := c.keep(cut(shown, usage.MaxRequestIDBytes-33))
	from := len(c.scratch) - len(out)
	c.scratch = append(c.scratch, '-')
	c.scratch = hex.AppendEncode(c.scratch, sum[:16])
	id := c.scratch[from:len(c.scratch):len(c.scratch)]
	if holdsSecret(id) { // together they look like one: who reads the record again would mask them
		return id[len(id)-hex.EncodedLen(16):]
	}
	return id
}

// authorization reads an Authorization header: a bearer token, a key and basic credentials are keys in clear.
func (c *core) authorization(v []byte, r *call) {
	scheme, rest := v, []byte(nil)
	if sp := bytes.IndexByte(v, ' '); sp >= 0 {
		scheme, rest = v[:sp], bytes.TrimSpace(v[sp+1:])
	}
	switch {
	case len(rest) == 0:
		if len(r.key) == 0 && !isAuthScheme(v) {
			r.key = plainKey(v)
		}
	case len(scheme) == 5 && hasFoldPrefix(scheme, "basic"):
		c.basic(rest, r)
	case len(scheme) == 6 && hasFoldPrefix(scheme, "digest"), len(scheme) == 9 && hasFoldPrefix(scheme, "negotiate"),
		len(scheme) > 4 && hasFoldPrefix(scheme, "aws4"):
		// Another signature in every request: nothing that could name a key.
	case len(r.key) == 0:
		r.key = plainKey(rest)
	}
}

func (c *core) basic(v []byte, r *call) {
	if len(v) > 4096 {
		return
	}
	from := len(c.scratch)
	var err error
	if c.scratch, err = base64.StdEncoding.AppendDecode(c.scratch, v); err != nil {
		if c.scratch, err = base64.RawStdEncoding.AppendDecode(c.scratch[:from], v); err != nil {
			c.scratch = c.scratch[:from]
			return
		}
	}
	user, password, _ := bytes.Cut(c.scratch[from:len(c.scratch):len(c.scratch)], []byte(":"))
	// The name alone is not taken as an id: no one may have checked the password, and anyone could call in another's name.
	switch {
	case len(r.key) > 0:
	case len(user) == 0:
		r.key = password
	case len(password) <= 1 || secretWord(user): // a key for a user name, as many services do
		r.key = user
	default:
		r.key = c.scratch[from:len(c.scratch):len(c.scratch)]
	}
}

// plainKey takes the scheme off a key and drops what stands for "not logged".
func plainKey(v []byte) []byte {
	if len(v) > 12 && graphic(v) {
		return v // no blank, so nothing to trim and no scheme
	}
	return strippedKey(v)
}

func strippedKey(v []byte) []byte {
	v = bytes.TrimSpace(v)
	for _, scheme := range authSchemes {
		if len(v) > len(scheme) && hasFoldPrefix(v, scheme) {
			v = bytes.TrimSpace(v[len(scheme):])
		}
	}
	if len(v) == 0 || string(v) == "-" || len(v) <= 12 && (bytes.EqualFold(v, []byte("redacted")) || bytes.EqualFold(v, []byte("[redacted]")) || v[0] == '*') {
		return nil
	}
	return v
}

// graphic reports whether all of eight bytes or more are ASCII that shows: no blank, no control character.
func graphic(v []byte) bool {
	for i := 0; ; i += 8 {
		last := i+8 >= len(v)
		if last {
			i = len(v) - 8
		}
		w := binary.LittleEndian.Uint64(v[i:])
		// As in printable. 0x7f passes for it makes no difference here.
		if (w|(w-ones*0x21))&highs != 0 {
			return false
		}
		if last {
			return true
		}
	}
}

var authSchemes = []string{"bearer ", "apikey ", "token ", "key "}

// keyFromQuery finds a key that was sent as a query parameter.
func (c *core) keyFromQuery(query []byte) []byte {
	for len(query) > 0 {
		var pair []byte
		if amp := bytes.IndexAny(query, "&;#"); amp >= 0 {
			pair, query = query[:amp], query[amp+1:]
		} else {
			pair, query = query, nil
		}
		name, value, ok := bytes.Cut(pair, []byte("="))
		if !ok || len(value) == 0 {
			continue
		}
		for _, p := range c.keyParams {
			if len(name) == len(p) && hasFoldPrefix(name, string(p)) {
				if bytes.IndexByte(value, '%') < 0 {
					return plainKey(value)
				}
				from := len(c.scratch)
				c.scratch = percentDecode(c.scratch, value)
				return plainKey(c.scratch[from:len(c.scratch):len(c.scratch)])
			}
		}
	}
	return nil
}
