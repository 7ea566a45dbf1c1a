package detect

import (
	"unsafe"

	"github.com/tollkeeper/tollkeeper/internal/prefetch"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// fetchBlock is how many records are brought into the cache together. Four blocks are on their way at a time; their state must fit into
// the second-level cache beside what else is used.
const fetchBlock = 16

// fetchFrom is the number of keys from which it is worth it: what fewer keys remember lies in the second-level cache anyway.
const fetchFrom = 512

// fetching brings what the keys of a second remember into the cache while the records before theirs are judged. With a million keys hardly
// any of these lines is there, and a record needs some twenty of them. What points to them has to be there first, so it goes in
// stages, each a block of records ahead of the next: by the time a stage follows a pointer, that has arrived.
type fetching struct {
	states, pointed, actors int // positions of the order up to which each stage has come
	day, hour               int32
	slot                    int // of the hour
}

func fetchingOf(second int64) fetching {
	hour := int32(second / 3600)
	return fetching{day: hour / 24, hour: hour, slot: slotOf(hour)}
}

// fetchObs is the number of records in a second from which they are not all in the cache any more, as they came.
const fetchObs = 256

// fetch sees to it that what the records up to that position of the order need is on its way.
func (e *Engine) fetch(f *fetching, order []uint64, to int) {
	for end := min(to+2*fetchBlock, len(order)); f.states < end; f.states++ {
		k, o := e.at(order[f.states])
		prefetch.Lines(unsafe.Pointer(k), unsafe.Offsetof(k.id))
		if len(order) >= fetchObs {
			prefetch.Of(o)
		}
	}
	for end := min(to+fetchBlock, len(order)); f.pointed < end; f.pointed++ {
		k, o := e.at(order[f.pointed])
		f.fetch(k, o)
	}
	for end := min(to, len(order)); f.actors < end; f.actors++ {
		k, o := e.at(order[f.actors])
		f.fetchMore(k, o)
	}
}

// at is what a number of the order stands for.
func (e *Engine) at(is uint64) (*keyState, *obs) {
	return e.keys.at(uint32(is >> orderedBits)), &e.buf[uint32(is)]
}

// fetch asks for what k itself points to.
func (f *fetching) fetch(k *keyState, o *obs) {
	if f.day > k.day { // arrivals fade
		prefetch.Of(&k.arrived)
	}
	if k.file != nil { // whether there is an alert is asked of each record
		prefetch.Of(k.file)
	}
	prefetch.Slice(k.sets.entries)
	for i := range k.actors { // the line that says whose it is
		prefetch.Line(unsafe.Pointer(&k.actors[i].net))
	}
	if h := k.hours; h != nil {
		prefetch.Lines(unsafe.Pointer(h), unsafe.Offsetof(h.day))
		prefetch.Line(unsafe.Pointer(&h.day[f.slot]))
	}
	if o.idHash != 0 && k.ids != nil {
		k.ids.filter.fetch(o.idBits)
		prefetch.Lines(unsafe.Pointer(&k.ids.older), unsafe.Sizeof(*k.ids)-unsafe.Offsetof(k.ids.older))
	}
}

// fetchMore asks for what that points to, and for the actor that the record is of.
func (f *fetching) fetchMore(k *keyState, o *obs) {
	for i := range k.actors {
		if a := &k.actors[i]; a.net == o.net && a.agent == o.agent {
			n := unsafe.Sizeof(*a)
			if !a.fresh && f.hour == a.hour {
				n = unsafe.Offsetof(a.first)
			}
			prefetch.Lines(unsafe.Pointer(&a.cadence), n-unsafe.Offsetof(a.cadence))
		}
	}
	if h := k.hours; h != nil && f.hour > h.hour { // hours are closed
		prefetch.Of(&h.day)
		if h.tails != nil {
			prefetch.Of(h.tails)
		}
		if h.units != nil {
			prefetch.Of(h.units)
		}
	}
	if o.idHash != 0 && k.ids != nil && k.ids.older != nil {
		k.ids.older.fetch(o.idBits)
	}
}

// fetch asks for the line that has looks at.
func (f *idFilter) fetch(bits uint64) { prefetch.Line(unsafe.Pointer(f.line(bits))) }

// resolveBlock is how many keys are looked up together.
const resolveBlock = 128

// resolve looks up the keys of rows [from, to) that the column does not know, at most resolveBlock of them, together.
func (e *Engine) resolve(b *usage.Batch, c *columns, from, to int) {
	if e.keys.len() < fetchFrom {
		return
	}
	const passed = usage.FlagDuplicate | usage.FlagNoKey | usage.FlagUnknownKey
	var hashes [resolveBlock]uint64
	var rows [resolveBlock]uint32
	n := 0
	for i := from; i < to; i++ {
		if b.Flags[i]&passed != 0 {
			continue
		}
		if _, known := c.key.at(&b.KeyID, i); !known {
			hashes[n], rows[n] = e.keys.hash(b.KeyID.At(i)), uint32(i)
			n++
		}
	}
	e.keys.fetch(hashes[:n])
	for j, i := range rows[:n] {
		c.key.set(&b.KeyID, int(i), e.numberOf(hashes[j], b.KeyID.At(int(i))))
	}
}
