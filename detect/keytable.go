package detect

import (
	"hash/maphash"

	"github.com/tollkeeper/tollkeeper/detect/arena"
	"github.com/tollkeeper/tollkeeper/internal/prefetch"
)

// keyTable holds the states of keys under small numbers, and finds the number of an id.
//
// States lie in chunks, so that they never move and growing copies nothing. The index is an open-addressed table, probed one slot after the
// other. It tells ids apart by 64 bits of a hash that is seeded anew by each process, and not by the ids: two of a million keys have the same
// with a chance of 1 in 40 million, and nobody can bring it about who doesn't see into the process. So a lookup touches one cache line, where a Go map
// touches three in turn, and a whole block of ids can be looked up together (see [keyTable.fetch]).
type keyTable struct {
	seed   maphash.Seed
	slots  []slot // length is a power of two
	chunks []*[keyChunk]keyState
	used   int      // numbers that were ever given out
	spare  []uint32 // of these, those that are free again
}

// slot is where an id stands in the index.
type slot struct {
	hash   uint64
	number uint32 // plus one; 0: free
}

const (
	keyChunk   = 1024
	leastSlots = 256
	manyChunks = 8 // 2 MiB of states, from which huge pages are worth having
)

func newKeyTable() keyTable {
	return keyTable{seed: maphash.MakeSeed(), slots: make([]slot, leastSlots)}
}

// at returns the state of a number that was given out.
func (t *keyTable) at(number uint32) *keyState {
	return &t.chunks[number/keyChunk][number%keyChunk]
}

func (t *keyTable) len() int { return t.used - len(t.spare) }

// hash is taken once and handed to find, fetch and add.
func (t *keyTable) hash(id string) uint64 { return maphash.String(t.seed, id) }

// find returns the number of the key whose id has that hash.
func (t *keyTable) find(h uint64) (number uint32, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i := h & mask; t.slots[i].number != 0; i = (i + 1) & mask {
		if t.slots[i].hash == h {
			return t.slots[i].number - 1, true
		}
	}
	return 0, false
}

// add takes up a key that find does not know.
func (t *keyTable) add(h uint64, id string) uint32 {
	if 4*(t.len()+1) > 3*len(t.slots) {
		t.grow()
	}
	n := uint32(t.used)
	if last := len(t.spare) - 1; last >= 0 {
		n, t.spare = t.spare[last], t.spare[:last]
	} else {
		t.used++
	}
	if int(n/keyChunk) == len(t.chunks) {
		chunk := new([keyChunk]keyState)
		if len(t.chunks) >= manyChunks {
			arena.Huge(chunk[:])
		}
		t.chunks = append(t.chunks, chunk)
	}
	*t.at(n) = keyState{id: id}
	t.place(slot{h, n + 1})
	return n
}

// remove forgets a key. Its number will be another key's. What follows in the index moves up, so that no gap ends a search.
func (t *keyTable) remove(n uint32) {
	mask := uint64(len(t.slots) - 1)
	i := t.hash(t.at(n).id) & mask
	for t.slots[i].number != n+1 {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; t.slots[j].number != 0; j = (j + 1) & mask {
		if home := t.slots[j].hash & mask; (j-home)&mask >= (j-i)&mask {
			t.slots[i], i = t.slots[j], j
		}
	}
	t.slots[i] = slot{}
	*t.at(n) = keyState{}
	t.spare = append(t.spare, n)
}

func (t *keyTable) place(s slot) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *keyTable) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	if len(t.chunks) >= manyChunks {
		arena.Huge(t.slots)
	}
	for _, s := range old {
		if s.number != 0 {
			t.place(s)
		}
	}
}

// fetch brings into the cache what find will read for some ids: see [fetching].
func (t *keyTable) fetch(hashes []uint64) {
	mask := uint64(len(t.slots) - 1)
	for _, h := range hashes {
		prefetch.Of(&t.slots[h&mask])
	}
}
