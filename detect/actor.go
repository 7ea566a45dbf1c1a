package detect

import (
	"encoding/binary"

	"github.com/tollkeeper/tollkeeper/detect/arena"
)

// actor is a client behind a key: one agent family in one network, with established addresses or with others (fresh).
// The two are kept apart so that a thief inside the customer's own network is not averaged away.
//
// A field's place is no accident. What a call of an established client touches lies in the first six cache lines, each a block of fields below, so that no
// more are fetched ([fetching.fetchMore]); the rest is needed of clients that are new, and of those once an hour.
type actor struct {
	net       uint32
	agent     uint32
	last      int64
	n         uint32
	winN      float32
	minutesAt int32           // the running five minutes of this client
	inMinutes float32         // its calls in them
	hour      int32           // the running hour of this client
	used      [meters]float32 // what it took in it
	most      [2]float32      // calls of five minutes, the most in any of the running hour, and of the hour before
	cc        uint16
	nAddr     uint16
	fresh     bool
	netNew    bool
	idSet     uint16 // ids in idSeen

	cadence   cadence
	routeSeen [12]uint16
	ipHashes  [4]uint32 // of ips, so that an address that is among them is known without

	money                  excess // in units
	size                   excess // of answers, in bytes
	body                   excess // of requests, in bytes
	took                   excess // in time
	slow                   float32
	usual                  ratio // of an established client: how much longer its calls take than others of its key
	routesNew, routesKnown uint8
	rare                   uint8
	kept                   uint8 // records as examples

	ring       idRing
	idN        float32
	idKnown    float32
	idAgain    float32
	objects    float32 // different ones of the latest, and
	ownObjects float32 // those of them that the customer uses
	units      float32

	idSeen [8]uint64 // Bloom filter of two hashes over 512 bits, emptied as it fills

	walk   walk
	made   made
	errK   [errorClasses]float32
	seldom [2]float32 // its calls that are seldom for the key, in the running hour and the hour before

	first     int64
	leap      leap
	ips       [4][16]byte     // latest distinct addresses
	who       float32         // evidence of novelty when it first came
	rate      float32         // chance of the rarest thing that was new about it on a day, when it came
	elsewhere float32         // of who, what its address did at another key
	line      float32         // of who, what an address that changed during a silence explains
	level     float32         // evidence that the budget for alerts asks for
	soon      float32         // evidence of its pace within soonMillis
	slowAt    uint32          // seconds since 1970, when the slow calls began
	past      [meters]float32 // what it took in the hour before
	mark      [meters]float32 // the busiest hour of the key when it came
	minutes   float32         // the most calls of the key in five minutes when it came
	seldoms   float32         // the most seldom calls in an hour of the key when it came

	units5 minutesUnits
	doors  doors

	news         uint8  // that thing: kindAddr, kindNet or kindAgent
	seldomRoutes uint16 // of routeSeen, a bit each: the key hardly used it when this client came to it

	settled float32 // of who, what the key has shown since of how often new addresses come
}

// example is a record that is kept to show what the actor did.
type example struct {
	t      int64
	route  uint32
	agent  uint32
	net    uint32
	cc     uint16
	status uint16
	ip     [16]byte
	path   []byte
}

const (
	maxActors   = 16
	windowLimit = 256 // counts are halved here: an actor that changes is noticed within a few hundred requests
	maxExamples = 5
)

// errorClasses of answers that abuse brings: not allowed, not there, understood and declined; and what succeeded and should not have.
const (
	errDenied   = iota // 401, 403
	errAbsent          // 404, 410
	errDeclined        // 402, 409, 412, 423, 451: a card, a code or a state was not accepted.
	errGone            // an object was deleted that the key's own clients use, and none of them had made of late
	errFaulty          // 400, 422 and the like: a program's fault, or what comes of trying what else it may be made to do
	errorClasses
)

func errorClass(status uint16) int {
	switch status {
	case 401, 403:
		return errDenied
	case 404, 410:
		return errAbsent
	case 402, 409, 412, 423, 451:
		return errDeclined
	case 429: // what is told to wait has not failed
		return -1
	}
	if status/100 == 4 {
		return errFaulty
	}
	return -1
}

// actorOf finds or makes the actor of o, at that number.
func (k *keyState) actorOf(mem *arena.Arena, o *obs, fresh bool) (is *actor, at int, created bool) {
	for i := range k.actors {
		a := &k.actors[i]
		if a.net == o.net && a.agent == o.agent && a.fresh == fresh {
			return a, i, false
		}
	}
	if at = len(k.actors); at < maxActors {
		k.actors = arena.Append(mem, k.actors, actor{})
	} else {
		at = 0
		for i, longest := 1, k.actors[0].last; i < len(k.actors); i++ {
			if last := k.actors[i].last; last < longest {
				at, longest = i, last
			}
		}
		k.actors[at] = actor{}
		k.read().forget(at)
	}
	is = &k.actors[at]
	is.net, is.agent, is.cc, is.fresh, is.first, is.last = o.net, o.agent, o.cc, fresh, o.t, o.t
	return is, at, true
}

// again says whether the actor asked for that object before, and remembers it.
func (a *actor) again(h uint32) bool {
	x := uint32(mix(uint64(h) ^ 0xa5))
	v, w := &a.idSeen[x>>6%8], &a.idSeen[x>>22%8]
	b, c := uint64(1)<<(x&63), uint64(1)<<(x>>16&63)
	if *v&b != 0 && *w&c != 0 {
		return true
	}
	if a.idSet++; a.idSet > 64 {
		a.idSeen, a.idSet = [8]uint64{}, 1
	}
	*v |= b
	*w |= c
	return false
}

func (a *actor) sawAddr(o *obs) {
	h := o.addr + uint32(mix(binary.LittleEndian.Uint64(o.ip[8:]))) // of all of the address, where addr is of a /64
	for i := range min(int(a.nAddr), len(a.ips)) {
		if a.ipHashes[i] == h {
			return
		}
	}
	at := int(a.nAddr) % len(a.ips)
	a.ips[at], a.ipHashes[at] = o.ip, h
	if a.nAddr < 65535 {
		a.nAddr++
	}
}

// sawRoute notes a route at a time; isNew says that the key never used it before, rare that hardly any key does, seldom that the key hardly uses it. It returns whether
// the key hardly used it when the client called it first: what the client does since makes it no more usual.
func (a *actor) sawRoute(t int64, route uint32, isNew, rare, seldom bool) bool {
	n := min(int(a.routesNew)+int(a.routesKnown), len(a.routeSeen))
	for i := range n {
		if a.routeSeen[i] == uint16(route) {
			return a.fresh && a.seldomRoutes>>i&1 != 0
		}
	}
	if n == len(a.routeSeen) {
		return seldom
	}
	a.routeSeen[n] = uint16(route)
	if seldom && a.fresh {
		a.seldomRoutes |= 1 << n
	}
	if isNew {
		a.routesNew++
		if rare {
			a.rare++
			a.doors.try(t, a.n)
		}
	} else {
		a.routesKnown++
	}
	return seldom
}

// forgive forgets what the actor did, not who it is.
func (a *actor) forgive() {
	*a = actor{
		net: a.net, agent: a.agent, cc: a.cc, fresh: a.fresh, first: a.last, last: a.last, who: a.who, netNew: a.netNew,
		rate: a.rate, news: a.news, line: a.line, elsewhere: a.elsewhere, ips: a.ips, ipHashes: a.ipHashes, nAddr: a.nAddr, level: a.level, settled: a.settled,
	}
}

func (a *actor) halve() {
	if a.winN >= windowLimit {
		a.thin(windowLimit / 2)
	}
}

// thin makes what the client did lately count as so many calls, where there were more.
func (a *actor) thin(calls float32) {
	if a.winN <= calls {
		return
	}
	share := calls / a.winN
	for _, v := range []*float32{
		&a.winN, &a.errK[errDenied], &a.errK[errAbsent], &a.errK[errDeclined], &a.errK[errGone], &a.errK[errFaulty], &a.idN, &a.idKnown, &a.idAgain, &a.objects, &a.ownObjects,
	} {
		*v *= share
	}
}
