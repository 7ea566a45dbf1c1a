package detect

// actor is a client behind a key: one agent family in one network, with established addresses or with others (fresh).
// The two are kept apart so that a thief inside the customer's own network is not averaged away.
type actor struct {
	net    uint32
	agent  uint32
	cc     uint16
	fresh  bool
	ended  bool // its episode was dismissed: no longer judged
	first  int64
	last   int64
	n      uint32
	who    float32 // evidence of novelty when it first came
	netNew bool
	addrs  [4]uint32
	nAddr  uint16

	winN    float32
	errK    [errorClasses]float32
	late    float32
	ring    idRing
	walk    walk
	idN     float32
	idKnown float32
	idAgain float32
	idSeen  [8]uint32

	moneyN, moneySum float32
	moneyVar         float32
	sizeN, sizeSum   float32
	sizeVar          float32
	units            float32

	routesNew, routesKnown uint8
	rare                   uint8
	routeSeen              [12]uint32
	onNew                  float32

	episode  uint32
	examples []example
}

type example struct {
	t      int64
	route  uint32
	agent  uint32
	net    uint32
	cc     uint16
	status uint16
	ip     [16]byte
	path   string
}

const (
	maxActors   = 16
	windowLimit = 256 // counts are halved here: an actor that changes is noticed within a few hundred requests
	maxExamples = 5
)

// errorClasses of answers that abuse brings: not allowed, not there.
const (
	errDenied = iota // 401, 403
	errAbsent        // 404, 410
	errorClasses
)

func errorClass(status uint16) int {
	switch status {
	case 401, 403:
		return errDenied
	case 404, 410:
		return errAbsent
	}
	return -1
}

// actorOf finds or makes the actor of o.
func (k *keyState) actorOf(o *obs, fresh bool) (*actor, bool) {
	for i := range k.actors {
		a := &k.actors[i]
		if a.net == o.net && a.agent == o.agent && a.fresh == fresh {
			return a, false
		}
	}
	a := actor{net: o.net, agent: o.agent, cc: o.cc, fresh: fresh, first: o.t, last: o.t}
	if len(k.actors) < maxActors {
		if len(k.actors) == cap(k.actors) {
			grown := make([]actor, len(k.actors), len(k.actors)+1+len(k.actors)/2)
			copy(grown, k.actors)
			k.actors = grown
		}
		k.actors = append(k.actors, a)
		return &k.actors[len(k.actors)-1], true
	}
	worst := 0
	for i := range k.actors {
		b, w := &k.actors[i], &k.actors[worst]
		if (b.episode != 0) != (w.episode != 0) {
			if w.episode != 0 {
				worst = i
			}
		} else if b.last < w.last {
			worst = i
		}
	}
	k.actors[worst] = a
	return &k.actors[worst], true
}

func (a *actor) sawAddr(addr uint32) {
	n := min(int(a.nAddr), len(a.addrs))
	for i := range n {
		if a.addrs[i] == addr {
			return
		}
	}
	a.addrs[int(a.nAddr)%len(a.addrs)] = addr
	if a.nAddr < 65535 {
		a.nAddr++
	}
}

// sawRoute notes a route; isNew says that the key never used it before, rare that hardly any key does.
func (a *actor) sawRoute(route uint32, isNew, rare bool) {
	if isNew {
		a.onNew++
	}
	n := min(int(a.routesNew)+int(a.routesKnown), len(a.routeSeen))
	for i := range n {
		if a.routeSeen[i] == route {
			return
		}
	}
	if n == len(a.routeSeen) {
		return
	}
	a.routeSeen[n] = route
	if isNew {
		a.routesNew++
		if rare {
			a.rare++
		}
	} else {
		a.routesKnown++
	}
}

func (a *actor) halve() {
	if a.winN < windowLimit {
		return
	}
	for _, v := range []*float32{&a.winN, &a.errK[0], &a.errK[1], &a.late, &a.idN, &a.idKnown, &a.idAgain, &a.moneyN, &a.moneySum,
		&a.moneyVar, &a.sizeN, &a.sizeSum, &a.sizeVar, &a.onNew} {
		*v /= 2
	}
}

// pool gathers what comes from fresh addresses in networks new to the key, whichever: a botnet is one actor with a thousand homes.
type pool struct {
	start, last int64
	who         float32
	n           uint32
	nets        [24]uint32
	nNets       uint8
	agents      [8]uint32
	nAgents     uint8
	addrs       [64]uint32
	nAddrs      uint32
	ring        idRing
	walk        walk
	fan         float32 // cumulative log-likelihood that new addresses never stop
	episode     uint32
}

const poolIdleMillis = 6 * 3600e3

func note(list []uint32, n *uint8, v uint32) bool {
	for i := range int(*n) {
		if list[i] == v {
			return false
		}
	}
	if int(*n) == len(list) {
		return false
	}
	list[*n] = v
	*n++
	return true
}
