package ingest

// What a partition holds at a time, besides its request ids. Whoever holds more says so here.
const (
	blocksInTurn = 2 // one is filled while the other is inserted
	// fetchParts is room for two answers and for what a record batch of one unpacks to. An answer is a sixteenth of it: access
	// logs unpack to 6 to 12 times.
	fetchParts  = 1
	answerShare = 16
	// encodedParts is what an insert takes beside its block: the block encoded, and on the way to a server packed as well.
	encodedParts = 2
	// rekeyedParts is that of a block that goes into a topic: each row is a line of JSON again.
	rekeyedParts = 5

	minBlockBytes = 1 << 20
)

// memory is what one of a process's partitions may hold: its part of Config.MemoryBytes. The parts are of what is in use;
// Go's collector lets a heap grow beyond it before it collects (GOGC, GOMEMLIMIT).
//
// A record batch that is larger than its part cannot be held in less than itself. The blocks become smaller by what it
// takes too much, down to minBlockBytes each.
type memory struct {
	requestIDs int64
	block      int64 // columns of a block, and the unit of the parts above
	enough     bool  // false: the partitions are so many that minBlockBytes each are more than the budget
}

// divide shares the budget among so many partitions.
func (in *Ingester) divide(partitions int) memory {
	n := int64(max(partitions, 1))
	ids := int64(float64(in.cfg.MemoryBytes) * in.cfg.DedupShare)
	block := (in.cfg.MemoryBytes - ids) / in.parts(n)
	return memory{requestIDs: ids / n, block: max(block, minBlockBytes), enough: block >= minBlockBytes}
}

// parts is how many times a block's size partitions hold.
func (in *Ingester) parts(partitions int64) int64 {
	if in.target != nil { // it keeps what it has encoded for each partition
		return partitions * (blocksInTurn + fetchParts + rekeyedParts)
	}
	return partitions*(blocksInTurn+fetchParts) + min(partitions, int64(in.cfg.MaxInserts))*encodedParts
}

// needed is the least budget of so many partitions.
func (in *Ingester) needed(partitions int) int64 {
	return int64(float64(in.parts(int64(partitions))*minBlockBytes) / (1 - in.cfg.DedupShare))
}

// answerBytes is how much is asked for at a time.
func (m memory) answerBytes() int {
	return int(min(m.block*fetchParts/answerShare, fetchMaxBytes))
}

// blockLimit is what a block's columns may take while fetching takes so much.
func (m memory) blockLimit(fetching int64) int64 {
	return max(m.block-max(fetching-m.block*fetchParts, 0)/blocksInTurn, min(m.block, minBlockBytes))
}
