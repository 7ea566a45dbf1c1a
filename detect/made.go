package detect

import (
	"hash/fnv"
	"strings"
)

// What a client makes is its own: whoever places an order asks for that order afterwards, builds make objects, look at them and delete
// them, and since objects are numbered in the order in which they are made, these are ids one after the other that the key never asked
// for. The log doesn't say which id an answer gave. So each call that makes an object lets the client ask for one new object of that
// collection, which speaks neither against it nor for it. A thief may do the same, at the price of a forged object for each that it looks at.
type made [2]struct {
	collection uint32 // 0: none
	left       uint8  // objects that were made, and not asked for yet
	stand      uint8  // and not deleted yet
}

// mostMade bounds what is made in advance: a batch of jobs, of which the results are fetched.
const mostMade = 32

// add notes that an object of a collection was made. The collection in which there is less left to ask for gives way to a new one.
func (m *made) add(collection uint32) {
	at := 0
	for i := range m {
		if m[i].collection == collection {
			m[i].left, m[i].stand = min(m[i].left+1, mostMade), min(m[i].stand+1, mostMade)
			return
		}
		if m[i].left < m[at].left {
			at = i
		}
	}
	m[at].collection, m[at].left, m[at].stand = collection, 1, 1
}

// take says whether an object of the collection may be one that was made, and counts it as asked for.
func (m *made) take(collection uint32) bool {
	for i := range m {
		if m[i].collection == collection && m[i].left > 0 {
			m[i].left--
			return true
		}
	}
	return false
}

// remove says whether a deleted object of the collection may be one that was made.
func (m *made) remove(collection uint32) bool {
	for i := range m {
		if m[i].collection == collection && m[i].stand > 0 {
			m[i].stand--
			return true
		}
	}
	return false
}

// made says whether an object that a client asks for may be one that it made, or another program in the same network: one service places
// orders, another waits for them.
func (k *keyState) made(a *actor, collection uint32) bool {
	for i := range k.actors {
		if b := &k.actors[i]; b.net == a.net && b.made.take(collection) {
			return true
		}
	}
	return false
}

// removed says the same of an object that it deletes.
func (k *keyState) removed(a *actor, collection uint32) bool {
	for i := range k.actors {
		if b := &k.actors[i]; b.net == a.net && b.made.remove(collection) {
			return true
		}
	}
	return false
}

// collectionOf names the collection that a route's objects are of, by the last segment before its last placeholder: POST /orders makes
// what GET /orders/{id} reads, and so may POST /customers/{id}/orders. makes says that a call of the route makes an object of it.
func collectionOf(method, template string) (collection uint32, makes bool) {
	segments := strings.Split(strings.Trim(template, "/"), "/")
	last := len(segments) - 1
	makes = method == "POST" && !strings.HasPrefix(segments[last], "{")
	if !makes {
		for last >= 0 && !strings.HasPrefix(segments[last], "{") {
			last--
		}
		last--
	}
	if last < 0 || segments[last] == "" {
		return 0, false
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(segments[last]))
	return h.Sum32() | 1, makes
}
