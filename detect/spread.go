package detect

import "math"

// gather adds a record from a network new to the key to the pool of such records.
func (k *keyState) gather(a *actor, o *obs, _ *[gapClasses]float32, e *Engine) {
	p := k.pool
	if p == nil || o.t-p.last > poolIdleMillis || o.t-p.start > 4*poolIdleMillis {
		if p == nil {
			p = &pool{}
			k.pool = p
		}
		*p = pool{start: o.t, who: a.who}
	}
	p.last = o.t
	p.n++
	p.who = max(p.who, a.who)
	note(p.nets[:], &p.nNets, o.net)
	note(p.agents[:], &p.nAgents, o.agent)
	back := false
	have := min(int(p.nAddrs), len(p.addrs))
	for i := range have {
		if p.addrs[i] == o.addr {
			back = true
			break
		}
	}
	// A service of any size comes back to its addresses: the share of requests from an address not seen before falls like
	// size/(size+n) (Blackwell and MacQueen 1973). That of a botnet stays.
	const size, stays = 8.0, 0.2
	q := size / (size + float64(p.n))
	if !back {
		p.addrs[int(p.nAddrs)%len(p.addrs)] = o.addr
		p.nAddrs++
	}
	if p.n > 8 {
		s := math.Log10((1 - stays) / (1 - q))
		if !back {
			s = math.Log10(stays / q)
		}
		p.fan = max(0, p.fan+float32(s))
	}
	if o.id >= 0 {
		if class, ok := p.ring.gap(o.id); ok {
			null := e.nullGaps(k)
			p.walk.step(class, &null)
		}
	}
}
