package ingest

import (
	"math"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tollkeeper/tollkeeper/internal/prefetch"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// window remembers which (source, request id) pairs a partition has seen lately.
//
// Time is the stream's: the latest record time seen so far, never ahead of the clock by more than maxAhead. So the answer
// is a function of the partition's lines, the same when they are read again, and a pause of the whole pipeline does not
// shorten the window. A record that comes late belongs to the moment at which it arrives. Where the stream's time jumps
// further than the clock went on meanwhile, what came before the jump were late records, not old ones: the jump ages them
// by a sixteenth only.
//
// A pair is 88 bits of its 128-bit hash (xxh3): among 100 million pairs the chance that a given new one is taken for a
// repeat is below 1e-18. Slots of 12 bytes in open-addressing tables with linear probing, 64 of them so that growing or
// cleaning one takes microseconds to a few milliseconds. Age is kept in 8 bits as the number of the sixteenth of the
// window in which the pair was seen; expired slots are dropped when their table is rebuilt. At the memory bound the oldest
// sixteenths are dropped early, and span tells how much of the window is really held.
type window struct {
	width    int64 // ms; 0 is off
	epochLen int64 // ms
	stream   int64 // stream time, ms
	epoch    int64 // stream / epochLen - skipped
	skipped  int64 // epochs that jumps of the stream's time left out
	movedAt  int64 // the clock when epoch last changed, ms
	oldest   int64 // first epoch that is held in full
	cleaned  int64 // epoch at which every segment was last free of slots older than the 8 bits can tell
	maxSlots int   // per segment
	segs     [segments]segment
	spare    segment // the arrays of the table rebuilt last, for the next of its size
}

type segment struct {
	lo    []uint64
	hi    []uint32 // 24 bits of hash, 8 bits of epoch; 0 in both words is an empty slot
	used  int      // slots taken, expired ones included
	shift uint8
}

const (
	segments      = 64
	windowEpochs  = 16
	maxAhead      = 5 * time.Minute
	slotBytes     = 12
	minSlots      = 64
	fullNum       = 13 // a table is rebuilt when more than 13/16 of its slots are taken
	fullDen       = 16
	cleanInterval = 200 // epochs; the 8-bit age would wrap at 256
)

func newWindow(width time.Duration, memoryBytes int64) *window {
	w := &window{stream: math.MinInt64}
	if width <= 0 {
		return w
	}
	w.width = width.Milliseconds()
	w.epochLen = max(w.width/windowEpochs, 1)
	w.maxSlots = minSlots
	for int64(w.maxSlots)*2*segments*slotBytes <= memoryBytes {
		w.maxSlots *= 2
	}
	return w
}

// advance moves stream time. nowMillis bounds a record from the future, which else would empty the window.
func (w *window) advance(recordMillis, nowMillis int64) {
	recordMillis = min(recordMillis, nowMillis+maxAhead.Milliseconds())
	if recordMillis <= w.stream {
		return
	}
	first := w.stream == math.MinInt64
	w.stream = recordMillis
	if w.width == 0 {
		return
	}
	epoch := floorDiv(recordMillis, w.epochLen) - w.skipped
	switch {
	case first:
		w.epoch, w.oldest, w.cleaned, w.movedAt = epoch, epoch, epoch, nowMillis
	case epoch > w.epoch:
		if most := w.epoch + 1 + max(nowMillis-w.movedAt, 0)/w.epochLen; epoch > most {
			w.skipped += epoch - most
			epoch = most
		}
		w.epoch, w.movedAt = epoch, nowMillis
	}
	w.oldest = max(w.oldest, w.epoch-windowEpochs)
	if w.epoch-w.cleaned >= cleanInterval {
		for i := range w.segs {
			w.rebuild(&w.segs[i], w.epoch-w.cleaned > 256-windowEpochs)
		}
		w.cleaned = w.epoch
	}
}

// span is how much of the window is held, at most its width.
func (w *window) span() time.Duration {
	if w.width == 0 {
		return 0
	}
	held := (w.epoch - w.oldest) * w.epochLen
	return time.Duration(min(held, w.width)) * time.Millisecond
}

// bytes is the memory that the tables take.
func (w *window) bytes() int64 {
	n := len(w.spare.lo)
	for i := range w.segs {
		n += len(w.segs[i].lo)
	}
	return int64(n) * slotBytes
}

func pairHash(source uint64, requestID []byte) xxh3.Uint128 {
	return xxh3.Hash128Seed(requestID, source)
}

func sourceSeed(source string) uint64 { return xxh3.HashString(source) }

// put adds a pair of the given age and says whether it was there.
func (w *window) put(h xxh3.Uint128, age uint32) bool {
	s := &w.segs[h.Hi>>58]
	if s.used*fullDen >= len(s.lo)*fullNum {
		w.rebuild(s, false)
	}
	lo, tag := h.Lo, uint32(h.Hi)<<8
	if lo == 0 && tag == 0 {
		lo = 1 // the empty slot's value
	}
	mask := uint64(len(s.lo) - 1)
	for i := lo >> s.shift; ; i = (i + 1) & mask {
		if s.lo[i] == 0 && s.hi[i] == 0 {
			s.lo[i], s.hi[i] = lo, tag|age
			s.used++
			return false
		}
		if s.lo[i] == lo && s.hi[i]&^0xff == tag {
			if !w.live(s.hi[i]) {
				s.hi[i] = tag | age
				return false
			}
			return true
		}
	}
}

// live says whether a slot's age is inside the window.
func (w *window) live(hi uint32) bool {
	return int64(uint8(w.epoch)-uint8(hi)) <= w.epoch-w.oldest
}

// rebuild drops expired slots and grows the table if it is still more than half full; at the memory bound it drops the
// oldest sixteenths instead. With all set everything is expired.
func (w *window) rebuild(s *segment, all bool) {
	oldLo, oldHi := s.lo, s.hi
	var byAge [windowEpochs + 1]int
	live := 0
	if !all {
		for i, hi := range oldHi {
			if (oldLo[i] != 0 || hi != 0) && w.live(hi) {
				byAge[min(int(uint8(w.epoch)-uint8(hi)), windowEpochs)]++
				live++
			}
		}
	}
	size := minSlots
	for size < live*2 && size < w.maxSlots {
		size *= 2
	}
	for live*4 > size*3 { // only at the bound
		age := int(w.epoch - w.oldest)
		if age == 0 {
			all = true // one sixteenth alone is too much: forget it, the table must have room
			break
		}
		live -= byAge[min(age, windowEpochs)]
		byAge[min(age, windowEpochs)] = 0
		w.oldest++
	}
	if len(w.spare.lo) == size {
		s.lo, s.hi = w.spare.lo, w.spare.hi
		clear(s.lo)
		clear(s.hi)
	} else {
		s.lo, s.hi = make([]uint64, size), make([]uint32, size)
	}
	s.used = 0
	w.spare.lo, w.spare.hi = oldLo, oldHi
	s.shift = uint8(64 - log2(size))
	if all {
		return
	}
	mask := uint64(size - 1)
	for k, lo := range oldLo {
		hi := oldHi[k]
		if (lo == 0 && hi == 0) || !w.live(hi) {
			continue
		}
		i := lo >> s.shift
		for s.lo[i] != 0 || s.hi[i] != 0 {
			i = (i + 1) & mask
		}
		s.lo[i], s.hi[i] = lo, hi
		s.used++
	}
}

// restore adds a pair of an earlier owner's, seen when its record was made as far as is known.
func (w *window) restore(timeMillis int64, source string, requestID []byte) {
	if w.width == 0 || len(requestID) == 0 {
		return
	}
	epoch := min(max(floorDiv(timeMillis, w.epochLen)-w.skipped, w.oldest), w.epoch)
	w.put(pairHash(sourceSeed(source), requestID), uint32(uint8(epoch)))
}

// sourceSeeds caches the hash of each source by its number in one batch's dictionary.
type sourceSeeds struct {
	seeds      []uint64
	generation uint64
}

func (c *sourceSeeds) update(d *usage.Dict) []uint64 {
	if c.generation != d.Generation {
		c.seeds, c.generation = c.seeds[:0], d.Generation
	}
	for i := len(c.seeds); i < len(d.Values); i++ {
		c.seeds = append(c.seeds, sourceSeed(d.Values[i]))
	}
	return c.seeds
}

// fetchAhead is for how many rows slots are asked for together, before the first of them is looked at: a window of some million ids
// lies in no cache.
const fetchAhead = 16

// fetch asks for the slot at which a pair is looked for first.
func (w *window) fetch(h xxh3.Uint128) {
	s := &w.segs[h.Hi>>58]
	if i := h.Lo >> s.shift; i < uint64(len(s.lo)) {
		prefetch.Of(&s.lo[i])
		prefetch.Of(&s.hi[i])
	}
}

// mark sets FlagDuplicate on the rows from `from` on that repeat an earlier one, and FlagNoRequestID on those that
// cannot be judged. It returns how many of each.
func (w *window) mark(b *usage.Batch, from int, cache *sourceSeeds, nowMillis int64) (duplicates, unprotected int) {
	seeds := cache.update(&b.Source)
	var pairs [fetchAhead]xxh3.Uint128
	for ; from < b.Len(); from += fetchAhead {
		to := min(from+fetchAhead, b.Len())
		if w.width > 0 {
			for i := from; i < to; i++ {
				pairs[i-from] = pairHash(seeds[b.Source.Index[i]], b.RequestID.At(i))
				w.fetch(pairs[i-from])
			}
		}
		for i := from; i < to; i++ {
			w.advance(b.TimeMillis[i], nowMillis)
			if b.Flags[i]&usage.FlagDuplicate != 0 { // re-keyed twice
				duplicates++
				continue
			}
			id := b.RequestID.At(i)
			if len(id) == 0 {
				b.Flags[i] |= usage.FlagNoRequestID
				unprotected++
				continue
			}
			if len(id) > len(usage.DerivedRequestID) && string(id[:len(usage.DerivedRequestID)]) == usage.DerivedRequestID {
				b.Flags[i] |= usage.FlagNoRequestID
				unprotected++
			}
			if w.width > 0 && w.put(pairs[i-from], uint32(uint8(w.epoch))) {
				b.Flags[i] |= usage.FlagDuplicate
				duplicates++
			}
		}
	}
	return duplicates, unprotected
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func log2(n int) int {
	k := 0
	for 1<<k < n {
		k++
	}
	return k
}
