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
	left       [2]uint8
}

// What is left of the objects that were made: those that nobody asked for yet, and those that nobody deleted.
const (
	unread = iota
	standing
)

// mostMade bounds what is made in advance: a batch of jobs, of which the results are fetched.
const mostMade = 32

// add notes that an object of a collection was made. The collection in which there is less left to ask for gives way to a new one.
func (m *made) add(collection uint32) {
	at := 0
	for i := range m {
		if m[i].collection == collection {
			for what := range m[i].left {
				m[i].left[what] = min(m[i].left[what]+1, mostMade)
			}
			return
		}
		if m[i].left[unread] < m[at].left[unread] {
			at = i
		}
	}
	m[at].collection, m[at].left = collection, [2]uint8{1, 1}
}

// take says whether an object of the collection may be one that was made, and counts it.
func (m *made) take(collection uint32, what int) bool {
	for i := range m {
		if m[i].collection == collection && m[i].left[what] > 0 {
			m[i].left[what]--
			return true
		}
	}
	return false
}

// made says whether an object that a client asks for, or deletes, may be one that it made, or another program in the same network: one
// service places orders, another waits for them.
func (k *keyState) made(a *actor, collection uint32, what int) bool {
	for i := range k.actors {
		if b := &k.actors[i]; b.net == a.net && b.made.take(collection, what) {
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
