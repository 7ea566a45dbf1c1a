package detect

import (
	"hash/maphash"
	"unsafe"

	"github.com/tollkeeper/tollkeeper/internal/prefetch"
)

// keyTable holds the states of keys under small numbers, and finds the number of an id.
//
// States lie in chunks, so that they never move and growing copies nothing. The index is an open-addressed table of 8-byte slots,
// hash above and number below, probed one after the other; ids are compared in the states themselves. A Go map would do the
// same but for one thing: here a whole block of ids can be looked up in stages (see [keyTable.fetch]), so that the processor
// waits for the cache lines of many keys at once, not for three of each in turn.
type keyTable struct {
	seed   maphash.Seed
	slots  []uint64 // length is a power of two; 0 is free, numbers are kept plus one
	chunks []*[keyChunk]keyState
	used   int      // numbers that were ever given out
	spare  []uint32 // of these, those that are free again
}

const (
	keyChunk   = 1024
	leastSlots = 256
)

func newKeyTable() keyTable {
	return keyTable{seed: maphash.MakeSeed(), slots: make([]uint64, leastSlots)}
}

// at returns the state of a number that was given out.
func (t *keyTable) at(number uint32) *keyState {
	return &t.chunks[number/keyChunk][number%keyChunk]
}

func (t *keyTable) len() int { return t.used - len(t.spare) }

// hash is taken once and handed to find, fetch and add.
func (t *keyTable) hash(id string) uint32 { return uint32(maphash.String(t.seed, id)) }

// find returns the number of a key.
func (t *keyTable) find(h uint32, id string) (number uint32, ok bool) {
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if uint32(t.slots[i]>>32) == h {
			if n := uint32(t.slots[i]) - 1; t.at(n).id == id {
				return n, true
			}
		}
	}
	return 0, false
}

// add takes up a key that find does not know.
func (t *keyTable) add(h uint32, id string) uint32 {
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
		t.chunks = append(t.chunks, new([keyChunk]keyState))
	}
	*t.at(n) = keyState{id: id}
	t.place(uint64(h)<<32 | uint64(n+1))
	return n
}

// remove forgets a key. Its number will be another key's. What follows in the index moves up, so that no gap ends a search.
func (t *keyTable) remove(n uint32) {
	mask := uint32(len(t.slots) - 1)
	i := t.hash(t.at(n).id) & mask
	for uint32(t.slots[i]) != n+1 {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; t.slots[j] != 0; j = (j + 1) & mask {
		if home := uint32(t.slots[j]>>32) & mask; (j-home)&mask >= (j-i)&mask {
			t.slots[i], i = t.slots[j], j
		}
	}
	t.slots[i] = 0
	*t.at(n) = keyState{}
	t.spare = append(t.spare, n)
}

func (t *keyTable) place(slot uint64) {
	mask := uint32(len(t.slots) - 1)
	i := uint32(slot>>32) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot
}

func (t *keyTable) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	for _, s := range old {
		if s != 0 {
			t.place(s)
		}
	}
}

// fetch brings into the cache what find will read for some ids, in stages: see [fetching].
func (t *keyTable) fetch(hashes []uint32) {
	mask := uint32(len(t.slots) - 1)
	for _, h := range hashes {
		prefetch.Of(&t.slots[h&mask])
	}
	for _, h := range hashes {
		if k := t.first(h); k != nil {
			prefetch.Of(&k.id)
		}
	}
	for _, h := range hashes {
		if k := t.first(h); k != nil && k.id != "" {
			prefetch.Lines(unsafe.Pointer(unsafe.StringData(k.id)), uintptr(len(k.id)))
		}
	}
}

// first returns the state that find will look at first, nil for a hash that no id has.
func (t *keyTable) first(h uint32) *keyState {
	mask := uint32(len(t.slots) - 1)
	i := h & mask
	for t.slots[i] != 0 && uint32(t.slots[i]>>32) != h {
		i = (i + 1) & mask
	}
	if t.slots[i] == 0 {
		return nil
	}
	return t.at(uint32(t.slots[i]) - 1)
}
