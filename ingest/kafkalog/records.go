package kafkalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Where things stand in a record batch.
const (
	batchLength     = 8
	batchMagic      = 16
	batchCRC        = 17
	batchAttributes = 21
	batchLastDelta  = 23
	batchProducer   = 43
	batchCount      = 57
	batchHeader     = 61

	attributeCodec       = 7
	attributeTransaction = 1 << 4
	attributeControl     = 1 << 5
)

// MaxBatchBytes bounds one record batch, packed.
const MaxBatchBytes = 256 << 20

// ErrCorrupt is a record batch that cannot be read.
var ErrCorrupt = errors.New("record batch cannot be read")

func corrupt(offset int64, why string) error {
	return fmt.Errorf("%w: the one at offset %d %s", ErrCorrupt, offset, why)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Records walks the records of an answer:
//
//	r.Over(answer)
//	for r.Next() {
//		use(r.Offset, r.Value)
//	}
//	if err := r.Err(); err != nil {
//
// It keeps the buffers of one answer for the next. It is not safe for concurrent use.
type Records struct {
	Offset int64
	Value  []byte // valid until Next is called; nil where the record has none
	// Skipped counts transaction markers and records of aborted transactions that were passed by.
	Skipped int
	// Keep is how many bytes of memory are kept to unpack batches in. Those that are larger are unpacked piece by piece. 0: MaxBatchBytes.
	Keep int
	// Longest is how many bytes of a value are given whole; those of a batch that is unpacked piece by piece may be cut one byte
	// behind it. 0: 1 MiB.
	Longest int
	// Room is asked before a batch is unpacked piece by piece, and while that goes on has lent what it takes. Nil: there is room.
	Room Room

	left     []byte // batches to come
	aborted  []abortedTransaction
	aborting []int64 // producers whose running transaction will be aborted

	base    int64
	records []byte // to come of this batch
	count   int
	end     int64 // behind this batch
	next    int64
	err     error

	plain    []byte // this batch's records, unpacked
	unpack   unpacker
	streamed *streamed // where they are unpacked piece by piece
}

// Over starts at the first record of an answer, which must stay as it is until the walk has ended. offset is the one that
// was asked for.
func (r *Records) Over(a *Answer, offset int64) {
	r.Close()
	r.left, r.aborted, r.aborting = a.records, a.aborted, r.aborting[:0]
	r.records, r.count, r.err, r.next, r.end, r.Skipped = nil, 0, nil, offset, offset, 0
}

// Close ends a walk that was not gone to its end, and gives back what it holds of the room.
func (r *Records) Close() { r.endStream() }

// Err returns what ended the walk early: an [ErrCorrupt], or what the room says.
func (r *Records) Err() error { return r.err }

// After is the offset behind what was walked over, records or not.
func (r *Records) After() int64 { return r.next }

// Next moves to the next record.
func (r *Records) Next() bool {
	for r.err == nil {
		if r.count == 0 {
			r.endStream()
			r.next = max(r.next, r.end) // compaction may have removed the batch's last records
			if !r.batch() {
				return false
			}
			continue
		}
		r.count--
		if !r.record() && (r.streamed == nil || !r.streamedRecord()) {
			r.err = r.broken()
			r.endStream()
			return false
		}
		if r.Offset < r.next {
			continue // the batch starts before the offset that was asked for
		}
		r.next = r.Offset + 1
		return true
	}
	return false
}

// batch opens the next batch that has records for us.
func (r *Records) batch() bool {
	for {
		size, last := batchAt(r.left)
		if size == 0 {
			return false // the answer ends, perhaps in the middle of a batch
		}
		b := r.left[:size]
		r.left = r.left[size:]
		r.base = int64(binary.BigEndian.Uint64(b))
		if err := checkBatch(b, r.base); err != nil {
			r.err = err
			return false
		}
		count := int(int32(binary.BigEndian.Uint32(b[batchCount:])))
		attributes := binary.BigEndian.Uint16(b[batchAttributes:])
		if last < r.next || count == 0 || r.unwanted(b, attributes, last) {
			if last >= r.next {
				r.Skipped += max(count, 0)
				r.next = last + 1
			}
			continue
		}
		if r.records, r.err = r.open(b, attributes&attributeCodec); r.err != nil {
			return false
		}
		r.count, r.end = count, last+1
		return count > 0
	}
}

// batchAt returns the length of the batch that b starts with and its last offset; 0 where there is no whole one.
func batchAt(b []byte) (size int, last int64) {
	if len(b) < batchHeader {
		return 0, 0
	}
	size = int(int32(binary.BigEndian.Uint32(b[batchLength:]))) + batchLength + 4
	if size < batchHeader || size > len(b) {
		return 0, 0
	}
	return size, int64(binary.BigEndian.Uint64(b)) + int64(int32(binary.BigEndian.Uint32(b[batchLastDelta:])))
}

func checkBatch(b []byte, base int64) error {
	if magic := b[batchMagic]; magic != 2 {
		return corrupt(base, fmt.Sprintf("has message format %d, which Kafka replaced in 2017; copy the topic with a newer client", magic))
	}
	if crc32.Checksum(b[batchAttributes:], castagnoli) != binary.BigEndian.Uint32(b[batchCRC:]) {
		return corrupt(base, "has another checksum than it says: it was damaged on the broker's disk or on the way")
	}
	return nil
}

// unwanted follows the transactions and says whether the batch is a marker or belongs to an aborted one.
func (r *Records) unwanted(b []byte, attributes uint16, last int64) bool {
	if attributes&(attributeTransaction|attributeControl) == 0 {
		return false
	}
	for len(r.aborted) > 0 && r.aborted[0].first <= last {
		r.aborting = append(r.aborting, r.aborted[0].producer)
		r.aborted = r.aborted[1:]
	}
	producer := int64(binary.BigEndian.Uint64(b[batchProducer:]))
	for i, p := range r.aborting {
		if p != producer {
			continue
		}
		if attributes&attributeControl != 0 {
			r.aborting = append(r.aborting[:i], r.aborting[i+1:]...)
		}
		return true
	}
	return attributes&attributeControl != 0
}

// open returns the records of a batch, unpacked.
func (r *Records) open(b []byte, codec uint16) ([]byte, error) {
	packed := b[batchHeader:]
	if codec == 0 {
		return packed, nil
	}
	limit := r.Keep
	if limit == 0 {
		limit = MaxBatchBytes
	}
	var err error
	r.plain, err = r.unpack.into(r.plain[:0], packed, codec, limit)
	if errors.Is(err, errTooLarge) {
		return nil, r.stream(packed, codec)
	}
	if err != nil {
		return nil, corrupt(r.base, "cannot be unpacked: "+err.Error())
	}
	return r.plain, nil
}

// record reads a record's offset and value and steps over it.
func (r *Records) record() bool {
	size, n := varint(r.records)
	if n <= 0 || size < 0 || size > int64(len(r.records)-n) {
		return false
	}
	b := r.records[n : n+int(size)]
	r.records = r.records[n+int(size):]
	if len(b) < 1 {
		return false
	}
	b = b[1:] // attributes
	if _, n = varint(b); n <= 0 {
		return false // time
	}
	b = b[n:]
	delta, n := varint(b)
	if n <= 0 {
		return false
	}
	b = b[n:]
	key, n := varint(b)
	if n <= 0 || key > int64(len(b)-n) {
		return false
	}
	b = b[n+int(max(key, 0)):]
	length, n := varint(b)
	if n <= 0 || length > int64(len(b)-n) {
		return false
	}
	r.Offset, r.Value = r.base+delta, nil
	if length >= 0 {
		r.Value = b[n : n+int(length) : n+int(length)]
	}
	return true
}

// varint reads a zigzag number and its length; most are of one or two bytes.
func varint(b []byte) (int64, int) {
	if len(b) >= 2 {
		if b[0] < 0x80 {
			return int64(b[0]>>1) ^ -int64(b[0]&1), 1
		}
		if b[1] < 0x80 {
			v := int64(b[0]&0x7f) | int64(b[1])<<7
			return v>>1 ^ -(v & 1), 2
		}
	}
	return binary.Varint(b)
}

// Next returns the offset behind all whole batches of the answer, to ask for while this one is being walked over.
func (a *Answer) Next(offset int64) int64 {
	for b := a.records; ; {
		size, last := batchAt(b)
		if size == 0 {
			return offset
		}
		offset = max(offset, last+1)
		b = b[size:]
	}
}

// Cut says that the answer holds records, but not one whole batch.
func (a *Answer) Cut() bool {
	size, _ := batchAt(a.records)
	return len(a.records) > 0 && size == 0
}
