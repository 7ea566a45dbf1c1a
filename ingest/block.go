package ingest

import (
	"errors"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// block is a run of offsets [from, to) of one partition on its way to the store. Three of them per partition take turns:
// one is filled, one inserted, and one may wait between.
type block struct {
	from, to int64
	day      int32 // of the plan
	planned  bool  // the plan is an earlier owner's: the range is fixed
	targets  int   // over so many partitions the block is spread when it is re-keyed
	opened   time.Time

	batch   usage.Batch
	letters []usage.DeadLetter
	holes   []usage.Hole // offsets at which the log has no record that counts
	lines   int          // messages in it, transaction markers not counted
	bytes   int          // of lines
	kept    int          // bytes of refused lines that are kept
	seeds   sourceSeeds

	ready        int   // rows that are enriched, marked and observed
	streamMillis int64 // the partition's stream time after the last row
	lastRow      int64 // highest offset with a row or a dead letter
}

func (b *block) reset(from int64) {
	b.from, b.to, b.day, b.planned, b.targets, b.opened = from, from, 0, false, 0, time.Time{}
	b.batch.Reset()
	clear(b.letters)
	b.letters, b.holes = b.letters[:0], b.holes[:0]
	b.lines, b.bytes, b.kept, b.ready, b.streamMillis, b.lastRow = 0, 0, 0, 0, 0, -1
}

// reserve makes room in the columns in few steps, each eight times the last, up to what a block of that many rows and bytes
// can have by the rows so far: growing as they fill would copy every column five times over.
func (b *block) reserve(rows int, limit int64) {
	const first, factor = 1 << 10, 8
	n := b.batch.Len()
	if n < b.batch.Room() || n >= rows {
		return
	}
	most := min(filled(limit)/b.rowSize(), int64(n)+(limit-b.memory())/b.rowSize())
	b.batch.Grow(min(max(factor*n, first), rows, max(int(most), n+b.leastStep())))
}

// leastStep is by how many rows a block grows at the least.
func (b *block) leastStep() int { return b.batch.Len()/8 + 1 }

// rowSize is what a row of the block takes, going by those so far.
func (b *block) rowSize() int64 {
	if n := b.batch.Len(); n > 0 {
		return max(rowBytes, b.size()/int64(n))
	}
	return rowBytes
}

// begin notes when the first of the block came.
func (b *block) begin() {
	if b.opened.IsZero() {
		b.opened = time.Now()
	}
}

// pass notes that the log has no record that counts at [from, to).
func (b *block) pass(from, to int64) {
	if n := len(b.holes); n > 0 && b.holes[n-1].To == from {
		b.holes[n-1].To = to
		return
	}
	b.holes = append(b.holes, usage.Hole{From: from, To: to})
}

// withoutEvents are all offsets of the block that leave no event, those of refused lines among them.
func (b *block) withoutEvents() []usage.Hole {
	all := slices.Clone(b.holes)
	for i := range b.letters {
		at := b.letters[i].Offset
		if n := len(all); n > 0 && all[n-1].Refused && all[n-1].To >= at {
			all[n-1].To = at + 1
			continue
		}
		all = append(all, usage.Hole{From: at, To: at + 1, Refused: true})
	}
	return all
}

func (b *block) empty() bool { return b.batch.Len() == 0 && len(b.letters) == 0 }

// rowBytes is what a row takes in fixed-width columns and dictionary indexes.
const rowBytes = 140

// letterBytes is what a dead letter takes besides the line; holeBytes is what a hole takes, and the room for the next ones.
const (
	letterBytes = 160
	holeBytes   = 24
)

// size estimates what the block's rows and dead letters take, without the dictionaries.
func (b *block) size() int64 {
	return int64(b.batch.Len())*rowBytes + int64(len(b.batch.Path.Data)+len(b.batch.RequestID.Data)) +
		int64(len(b.batch.UnitValue))*12 + int64(len(b.letters))*letterBytes + int64(len(b.holes))*holeBytes + int64(b.kept)
}

// memory is what the block holds, used or not, and what the next lines may make it hold: a column that outgrows its room
// takes a quarter more.
func (b *block) memory() int64 {
	next := growth(b.batch.Path.Data) + growth(b.batch.RequestID.Data) + 8*growth(b.batch.UnitValue) + 4*growth(b.batch.UnitName.Index)
	return b.batch.Memory() + next + int64(cap(b.letters))*letterBytes + int64(cap(b.holes))*holeBytes + int64(b.kept)
}

func growth[T any](column []T) int64 {
	const soon = 32 << 10
	if cap(column)-len(column) > soon {
		return 0
	}
	return int64(cap(column) / 4)
}

// filled is how much of its memory a block's rows may use, so that a column may outgrow its room, which gives it a quarter
// more than it needs.
func filled(limit int64) int64 { return limit * 3 / 4 }

// full says whether the block must not take more rows. One whose columns have grown to the limit, because its lines are
// others than those before it, is full, and gives its memory back.
func (b *block) full(limit int64) bool {
	if b.size() >= filled(limit) {
		return true
	}
	held := b.memory()
	if b.batch.Len() == b.batch.Room() {
		held += int64(b.leastStep()) * b.rowSize()
	}
	return held > limit
}

// recycle empties a block that was stored, for what comes from there on. It gives back the memory of one that holds more than the
// limit, and of one that was full with less than half of it in use: its columns have grown for lines that are no longer like those.
func (b *block) recycle(from, limit int64) {
	outgrown := b.full(limit) && b.size() < limit/2
	b.reset(from)
	if outgrown || b.memory() > limit {
		b.batch.Release()
		b.letters, b.holes = nil, nil
	}
}

// maxDeadLetterBytes bounds what is kept of a refused line.
const maxDeadLetterBytes = 4096

// pipeline turns lines into rows of a block: the one way for records from Kafka and from files.
type pipeline struct {
	dec     Decoder
	source  string
	enrich  func(*usage.Batch, int)
	shorten bool // addresses, once they have told country and network
	window  *window
	origins originMarks // nil: the lines were not re-keyed
	metrics *metrics
	now     func() time.Time
}

// add decodes a line into the block. A line that is refused becomes a dead letter; its neighbours are not touched.
func (p *pipeline) add(b *block, line []byte, offset, nowMillis int64) {
	b.lines++
	b.bytes += len(line)
	b.lastRow = offset
	refused := decode(p.dec, line, Origin{Offset: offset, ReceivedMillis: nowMillis, Source: p.source}, &b.batch)
	if refused == nil {
		return
	}
	p.metrics.deadLetters.WithLabelValues(refused.Reason).Inc()
	kept := accesslog.Redact(line, maxDeadLetterBytes)
	if p.shorten {
		kept = accesslog.ShortenAddresses(kept)
	}
	b.kept += len(kept)
	b.letters = append(b.letters, usage.DeadLetter{
		Offset: offset, TimeMillis: nowMillis, Source: p.source, Format: p.dec.Name(), Reason: refused.Reason, Detail: refused.Detail,
		Line: kept, Bytes: len(line),
	})
}

// decode appends the records of a line to b, or says why it is refused and leaves b as it was.
func decode(dec Decoder, line []byte, at Origin, b *usage.Batch) *Reject {
	switch {
	case len(line) == 0:
		return &Reject{Reason: accesslog.ReasonEmptyLine, Detail: "the message has no value"}
	case len(line) > usage.MaxLineBytes:
		return &Reject{Reason: accesslog.ReasonLineTooLong, Detail: "longer than 1 MiB"}
	}
	before := b.Len()
	if err := contained(dec, line, at, b); err != nil {
		b.Truncate(before)
		return rejection(err)
	}
	for i := before; i < b.Len()-1; i++ { // nearly always none
		b.Flags[i] |= usage.FlagMoreFollow
	}
	return nil
}

// contained contains a decoder's panic: the line becomes a dead letter, the process lives.
func contained(dec Decoder, line []byte, at Origin, b *usage.Batch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Reject{Reason: reasonDecoder, Detail: "the decoder panicked"}
		}
	}()
	return dec.Decode(line, at, b)
}

// finish enriches and marks the rows that were added since it was last called, and returns where they start.
func (p *pipeline) finish(b *block, nowMillis int64) (from int) {
	from = b.ready
	if n := b.batch.Len(); n > from {
		if p.enrich != nil {
			p.enrich(&b.batch, from)
		}
		if p.shorten {
			b.batch.ShortenIPs(from)
		}
		p.origins.mark(&b.batch, from)
		dup, unprotected := p.window.mark(&b.batch, from, &b.seeds, nowMillis)
		p.metrics.records.Add(float64(n - from))
		if dup > 0 {
			p.metrics.duplicates.Add(float64(dup))
		}
		if unprotected > 0 {
			p.metrics.unprotected.Add(float64(unprotected))
		}
		b.ready = n
	}
	b.streamMillis = p.window.stream
	return from
}

// rejection reads a decoder's reason; any other error is its fault, and still loses no line.
func rejection(err error) *Reject {
	if r, ok := errors.AsType[*Reject](err); ok {
		return r
	}
	return &Reject{Reason: reasonDecoder, Detail: "the decoder failed"}
}

// reasonDecoder is that of an error of a decoder which is no reject.
const reasonDecoder = "decoder_error"

func dayOf(t time.Time) int32 { return int32(floorDiv(t.Unix(), 86400)) }
