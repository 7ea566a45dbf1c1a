package ingest

import "math"

// What a partition holds at a time, besides its request ids. Whoever holds more says so here.
const (
	blocksInTurn = 3 // one is filled, one is inserted, and one lies between: neither side waits for the other's hiccups
	// fetchParts is room for two answers and for what a record batch of one unpacks to, twice while that grows. An answer is a
	// sixteenth of it: access logs unpack to 6 to 12 times.
	fetchParts  = 1
	answerShare = 16
	keptShare   = 8 // of what an answer keeps; a record batch alone makes one larger than was asked for
	unpackShare = 2
	// encodedParts is what an insert takes beside its block: the block encoded, and on the way to a server packed as well.
	encodedParts = 2
	// rekeyedParts is that of a block that goes into a topic: each row is a line of JSON again.
	rekeyedParts = 5

	minBlockBytes = 1 << 20

	// largeShare of the budget is for answers that are larger than their part, and as much for batches that unpack to more than
	// theirs, of all partitions: by default 32 MiB, or 32 of the batches that brokers take by default.
	largeShare = 16
	// leastUnpackBytes is what a batch takes that is unpacked piece by piece and refers 8 MiB back: RFC 8878 asks that of any
	// decoder of Zstandard, and Go's producers make use of it.
	leastUnpackBytes = 12 << 20
	leastMemory      = 64 << 20
)

// memory is what one of a process's partitions may hold: its part of Config.MemoryBytes. The parts are of what is in use;
// Go's collector lets a heap grow beyond it before it collects (GOGC, GOMEMLIMIT).
//
// What a record batch needs beyond its partition's part is lent by the process's pools, see room.go. One that is larger than
// these stops its partition.
type memory struct {
	requestIDs int64
	block      int64 // columns of a block, and the unit of the parts above
	enough     bool  // false: the partitions are so many that minBlockBytes each are more than the budget
}

// divide shares the budget among so many partitions.
func (in *Ingester) divide(partitions int) memory {
	n := int64(max(partitions, 1))
	ids := int64(float64(in.cfg.MemoryBytes) * in.cfg.DedupShare)
	block := (in.cfg.MemoryBytes - ids - in.cfg.largeAnswers() - in.cfg.largeBatches()) / in.parts(n)
	return memory{requestIDs: ids / n, block: max(block, minBlockBytes), enough: block >= minBlockBytes}
}

// parts is how many times a block's size partitions hold.
func (in *Ingester) parts(partitions int64) int64 {
	if in.target != nil { // it keeps what it has encoded for each partition
		return partitions * (blocksInTurn + fetchParts + rekeyedParts)
	}
	return partitions*(blocksInTurn+fetchParts) + min(partitions, int64(in.cfg.MaxInserts))*encodedParts
}

func (c *Config) largeAnswers() int64 { return c.MemoryBytes / largeShare }
func (c *Config) largeBatches() int64 { return max(c.MemoryBytes/largeShare, leastUnpackBytes) }

// needed is the least budget of so many partitions.
func (in *Ingester) needed(partitions int) int64 {
	blocks, rest := float64(in.parts(int64(partitions))*minBlockBytes), 1-in.cfg.DedupShare
	return int64(math.Ceil(max(blocks/(rest-2./largeShare), (blocks+leastUnpackBytes)/(rest-1./largeShare))))
}

// answerBytes is how much is asked for at a time.
func (m memory) answerBytes() int {
	return int(min(m.block*fetchParts/answerShare, fetchMaxBytes))
}

// keptAnswer is what one of the two answers keeps.
func (m memory) keptAnswer() int { return int(m.block * fetchParts / keptShare) }

// unpacked is what a batch may unpack to as a whole.
func (m memory) unpacked() int { return int(m.block * fetchParts / unpackShare) }
