package counter

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
)

// table maps ids to values: reading takes no lock and allocates nothing, adding takes a lock. It exists because sync.Map
// puts every string key that is asked for on the heap, and because Check is on the path of every API call.
//
// It is an open-addressing table of pointers; slots are only ever filled, and a full table is replaced by one of twice the
// size, so a reader with the old one still finds what was there when it looked.
type table[V any] struct {
	mu    sync.Mutex
	n     int
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[entry[V]]]
}

type entry[V any] struct {
	hash  uint64
	id    string
	value V
}

const firstSlots = 64 // a power of two, like every later size

func newTable[V any]() *table[V] {
	t := &table[V]{seed: maphash.MakeSeed()}
	slots := make([]atomic.Pointer[entry[V]], firstSlots)
	t.slots.Store(&slots)
	return t
}

// get returns nil when the id is not there.
func (t *table[V]) get(id string) *V {
	return find(*t.slots.Load(), maphash.String(t.seed, id), id)
}

func find[V any](slots []atomic.Pointer[entry[V]], hash uint64, id string) *V {
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := slots[i].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e.id == id {
			return &e.value
		}
	}
}

// getOrAdd returns the value of the id, adding one that init has filled when there is none.
func (t *table[V]) getOrAdd(id string, init func(*V)) *V {
	hash := maphash.String(t.seed, id)
	if v := find(*t.slots.Load(), hash, id); v != nil {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	slots := *t.slots.Load()
	if v := find(slots, hash, id); v != nil {
		return v
	}
	if 4*(t.n+1) > 3*len(slots) {
		slots = resized(slots, 2*len(slots), nil)
		t.slots.Store(&slots)
	}
	e := &entry[V]{hash: hash, id: id}
	init(&e.value)
	place(slots, e)
	t.n++
	return &e.value
}

func place[V any](slots []atomic.Pointer[entry[V]], e *entry[V]) {
	mask := uint64(len(slots) - 1)
	i := e.hash & mask
	for slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	slots[i].Store(e)
}

func resized[V any](old []atomic.Pointer[entry[V]], size int, keep func(*V) bool) []atomic.Pointer[entry[V]] {
	slots := make([]atomic.Pointer[entry[V]], size)
	for i := range old {
		if e := old[i].Load(); e != nil && (keep == nil || keep(&e.value)) {
			place(slots, e)
		}
	}
	return slots
}

// prune drops what keep refuses. Whoever holds a value that is dropped writes into the void.
func (t *table[V]) prune(keep func(*V) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.slots.Load()
	slots := resized(old, len(old), keep)
	t.n = 0
	for i := range slots {
		if slots[i].Load() != nil {
			t.n++
		}
	}
	t.slots.Store(&slots)
}

// len returns how many values there are.
func (t *table[V]) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// all yields the values that were there at the start.
func (t *table[V]) all() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		slots := *t.slots.Load()
		for i := range slots {
			if e := slots[i].Load(); e != nil && !yield(&e.value) {
				return
			}
		}
	}
}
