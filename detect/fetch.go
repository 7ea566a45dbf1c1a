package detect

import "github.com/tollkeeper/tollkeeper/internal/usage"

// fetchBlock is how many records are brought into the cache together: their state must fit into the second-level cache beside
// what else is used.
const fetchBlock = 64

// fetchFrom is the number of keys from which it is worth it: what fewer keys remember lies in the cache anyway.
const fetchFrom = 4096

// fetch reads a word of every cache line that the records of a block will need, and does nothing with it. With a million keys
// hardly any of these lines is in the cache, and judging a record waits for some thirty of them, one after the other: each
// decides where the next is looked for. Here they are asked for together, so that the processor waits for ten at a time. Go has
// no prefetch instruction for programs; a load whose result is added up is the next best.
func (e *Engine) fetch(order []uint64) {
	if e.keys.len() < fetchFrom {
		return
	}
	sum := uint64(0)
	for _, at := range order {
		k := e.keys.at(uint32(at >> 32))
		sum += uint64(k.born) + uint64(len(k.sets.entries)) + uint64(k.day) + uint64(k.gapSec) + uint64(k.errN) + uint64(len(k.actors))
	}
	for _, at := range order {
		k, o := e.keys.at(uint32(at>>32)), &e.buf[uint32(at)]
		for i := 0; i < len(k.sets.entries); i += 4 {
			sum += uint64(k.sets.entries[i].id)
		}
		for i := range k.actors {
			sum += uint64(k.actors[i].net)
		}
		sum += uint64(len(k.read().episodes))
		if h := k.hours; h != nil {
			slot := slotOf(int32(o.t / hourMillis))
			sum += uint64(h.hour) + uint64(h.known[0]) + uint64(h.votes) + uint64(h.day[slot])
			if int32(o.t/hourMillis) > h.hour {
				sum += uint64(h.day[0]) + uint64(h.day[16]) + uint64(h.day[32])
				if h.tails != nil {
					sum += uint64(h.tails.requests.Count()) + uint64(h.tails.bytes.Count())
				}
			}
		}
		if o.idHash != 0 && k.ids != nil {
			sum += uint64(k.ids.added) + uint64(k.ids.gaps[0]) + uint64(k.ids.ring.n)
			x := mix(uint64(o.idHash))
			for range 3 {
				sum += k.ids.filter[x>>6%idFilterWords]
				if k.ids.older != nil {
					sum += k.ids.older[x>>6%idFilterWords]
				}
				x >>= 12
			}
		}
	}
	for _, at := range order {
		k, o := e.keys.at(uint32(at>>32)), &e.buf[uint32(at)]
		for i := range k.actors {
			if a := &k.actors[i]; a.net == o.net && a.agent == o.agent {
				sum += uint64(a.idN) + uint64(a.sizeN) + a.idSeen[0] + a.idSeen[7] + uint64(a.ips[3][0]) + uint64(a.leap.at)
			}
		}
	}
	e.fetched = sum
}

// resolve looks up the keys of rows [from, to) that the column does not know, at most fetchBlock of them, together.
func (e *Engine) resolve(b *usage.Batch, from, to int) {
	if e.keys.len() < fetchFrom {
		return
	}
	const passed = usage.FlagDuplicate | usage.FlagNoKey | usage.FlagUnknownKey
	var hashes, rows [fetchBlock]uint32
	n := 0
	for i := from; i < to; i++ {
		if b.Flags[i]&passed == 0 && !e.keyCol.has(&b.KeyID, i) {
			hashes[n], rows[n] = e.keys.hash(b.KeyID.At(i)), uint32(i)
			n++
		}
	}
	e.fetched += e.keys.fetch(hashes[:n])
	for j, i := range rows[:n] {
		e.keyCol.set(&b.KeyID, int(i), e.numberOf(hashes[j], b.KeyID.At(int(i))))
	}
}
