package detect

import (
	"math"
	"runtime"
	"slices"

	"github.com/tollkeeper/tollkeeper/detect/arena"
)

const (
	trimSample = 4096
	trimSpare  = 20 // one key of so many is forgotten beyond the bound, so that it is not reached again at once
)

// Trim bounds memory: it forgets keys until at most limit are left, those first that were seen longest ago. Call it between
// batches, every second or so; while there are no more keys than the limit it costs nothing. A key that comes back is in
// [Engine.Unknown] again, to be warmed up with its history. Keys with alerts or verdicts are never forgotten: they are
// few, and history alone does not tell what people said.
func (e *Engine) Trim(limit int) (forgotten int) {
	defer runtime.KeepAlive(e) // and with it the arena
	if e.keys.len() <= max(limit, 0) {
		return 0
	}
	// How long ago is long: from a sample, since sorting a million times every time would take longer than forgetting.
	step := max(1, e.keys.used/trimSample)
	times := make([]int64, 0, 2*trimSample)
	for n := 0; n < e.keys.used; n += step {
		if k := e.keys.at(uint32(n)); k.id != "" {
			times = append(times, k.last)
		}
	}
	slices.Sort(times)
	excess := e.keys.len() - limit + limit/trimSpare
	cut := int64(math.MaxInt64)
	if i := len(times) * excess / e.keys.len(); i < len(times) {
		cut = times[i]
	}
	waiting := make(map[uint32]bool) // keys of the second that is being collected
	for i := range e.buf {
		waiting[e.buf[i].key] = true
	}
	for n := range uint32(e.keys.used) {
		k := e.keys.at(n)
		if forgotten < excess && k.id != "" && k.last <= cut && !waiting[n] && k.forgettable() {
			e.forget(n)
			forgotten++
		}
	}
	e.forgotten += uint64(forgotten)
	e.keyCol = column{} // numbers will stand for other keys
	return forgotten
}

func (k *keyState) forgettable() bool {
	f := k.read()
	return len(f.episodes) == 0 && f.tolerance == 0
}

// forget gives back what is remembered of a key, its part of what the platform does included.
func (e *Engine) forget(number uint32) {
	k := e.keys.at(number)
	nets := k.nets()
	for i := range nets {
		if n := nets[i].id; nets[i].established() {
			if e.netKeys[n] -= 1 / float32(len(nets)); e.netKeys[n] <= 0 {
				delete(e.netKeys, n)
			}
		}
	}
	for _, r := range k.routes() {
		if r.established() && r.id != otherName {
			e.routes[r.id].keys--
		}
	}
	arena.FreeSlice(e.mem, k.sets.entries)
	arena.FreeSlice(e.mem, k.actors)
	if k.ids != nil {
		arena.Free(e.mem, k.ids.older)
		arena.Free(e.mem, k.ids)
	}
	if h := k.hours; h != nil {
		if h.cohort != everybody {
			e.cohorts[h.cohort].members--
			e.cohorts[everybody].members--
		}
		arena.Free(e.mem, h.units)
		arena.Free(e.mem, h.tails)
		arena.Free(e.mem, h)
	}
	e.keys.remove(number)
	e.absent = absence{}
}

// Forget drops what is remembered of a key, whatever it is: alerts, verdicts, baselines. The key's next record finds it in [Engine.Unknown],
// to be warmed up with its history and the verdicts that hold by then; that is how a verdict is taken back, since nobody can tell what
// would have been learnt without it. What was collected of the running second is judged first. It says whether there was anything.
func (e *Engine) Forget(keyID string) bool {
	defer runtime.KeepAlive(e) // and with it the arena
	e.flush()
	n, ok := e.keys.find(e.keys.hash(keyID))
	if !ok {
		return false
	}
	e.running = slices.DeleteFunc(e.running, func(r uint32) bool { return r == n })
	e.forget(n)
	e.keyCol = column{}
	return true
}

// Knows says that the engine has state for a key.
func (e *Engine) Knows(keyID string) bool { return e.key(keyID) != nil }
