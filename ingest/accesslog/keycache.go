package accesslog

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/zeebo/xxh3"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// NewHMACResolver is the KeyResolver for use without a key store: it knows no key, and derives ids as unk_ and the first
// eight bytes of HMAC-SHA-256 in hex. The same pepper gives the same ids. It is safe for concurrent use.
func NewHMACResolver(pepper []byte) (KeyResolver, error) {
	if len(pepper) < 16 {
		return nil, errors.New("accesslog: the pepper of key ids needs at least 16 bytes: short keys could be guessed from their ids")
	}
	return hmacResolver{pepper: append([]byte(nil), pepper...)}, nil
}

type hmacResolver struct{ pepper []byte }

func (r hmacResolver) Resolve(plaintext []byte) (string, bool) {
	m := hmac.New(sha256.New, r.pepper)
	m.Write([]byte("tollkeeper/key\x00"))
	m.Write(plaintext)
	return UnknownKeyPrefix + hex.EncodeToString(m.Sum(nil)[:8]), false
}

// keyEntry is what is remembered of a value that was logged as a key or as a key's id.
type keyEntry struct {
	id    string
	known bool
	// sinceMillis is when a key that no store knew was asked for: it may be issued meanwhile.
	sinceMillis int64
	hash        uint64
	// telltale keys are recognised by their look wherever they stand: nothing has to be searched for them.
	telltale bool

	// The numbers that the id had in the batch's dictionary, and the agent and the method of its last call in theirs, as far as is
	// known: to be looked at before they are used.
	number, agent, method uint32
}

// unknownKeyMillis is how long "no store knows it" is believed.
const unknownKeyMillis = 5000

// keyCache remembers resolved keys by a 128-bit hash under a random seed: it holds no plaintext, and whoever sends keys
// cannot aim at a collision. Two generations make a cheap approximation of LRU: what is used moves to the young one; when
// that is full the old one is forgotten.
//
// In front of both stands a small direct-mapped table: the keys of most lines are few, and a map's lookup costs as much as
// the rest of finding out whose call it was.
type keyCache struct {
	seed       uint64
	limit      int
	young, old map[xxh3.Uint128]keyEntry
	front      [frontSlots]frontEntry
}

const frontSlots = 1 << 9

// frontEntry is empty while its entry has no id.
type frontEntry struct {
	hash  xxh3.Uint128
	entry keyEntry
}

func newKeyCache(limit int, seed uint64) *keyCache {
	return &keyCache{seed: seed, limit: max(limit/2, 1), young: map[xxh3.Uint128]keyEntry{}, old: map[xxh3.Uint128]keyEntry{}}
}

func (c *keyCache) hash(value []byte) xxh3.Uint128 { return xxh3.Hash128Seed(value, c.seed) }

// get returns what is remembered, nil where that is nothing or too old. It is good until get or put is called again.
func (c *keyCache) get(h xxh3.Uint128, nowMillis int64) *keyEntry {
	f := &c.front[h.Hi%frontSlots]
	if f.hash == h && f.entry.id != "" && f.entry.believed(nowMillis) {
		return &f.entry
	}
	e, ok := c.young[h]
	if !ok {
		if e, ok = c.old[h]; ok {
			c.put(h, e)
		}
	}
	if !ok || !e.believed(nowMillis) {
		return nil
	}
	*f = frontEntry{h, e}
	return &f.entry
}

func (e *keyEntry) believed(nowMillis int64) bool {
	return e.known || nowMillis-e.sinceMillis <= unknownKeyMillis && nowMillis >= e.sinceMillis
}

func (e *keyEntry) appendID(d *usage.Dict) {
	if n := e.number; holdsAs(d, n, e.id) {
		d.AppendNumber(n)
		return
	}
	d.AppendString(e.id)
	e.number = d.Index[len(d.Index)-1]
}

// put remembers an entry and returns it, good until get or put is called again.
func (c *keyCache) put(h xxh3.Uint128, e keyEntry) *keyEntry {
	f := &c.front[h.Hi%frontSlots]
	*f = frontEntry{h, e}
	if len(c.young) >= c.limit {
		c.young, c.old = c.old, c.young
		clear(c.young)
	}
	c.young[h] = e
	return &f.entry
}
