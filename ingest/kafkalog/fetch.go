// Package kafkalog reads the log of one Kafka partition as fast as a processor can look at it.
//
// A [Fetcher] sends fetch requests over a connection that is dialled and authenticated already, and reads each answer into
// memory that is used again. [Records] walks the records of an [Answer] in place: what is compressed is unpacked batch by
// batch into one buffer, nothing else is copied, and a warm walk allocates nothing. Against the client library's way
// (a buffered reader, a decompressing reader and a copy per record) this halves the cost of getting at a record.
//
// What the walk gives is what a consumer with isolation.level=read_committed is given: no records of aborted
// transactions, no transaction markers. Every batch's CRC-32C is compared; inner checksums of LZ4 and Zstandard frames
// are then not looked at again. Batches that compaction has emptied are stepped over.
//
// [TopicID] asks for what the client library cannot: which of the topics that had that name it is.
//
//   - Blocking: only [Fetcher.Fetch] and [TopicID], until the connection's deadline.
//   - Bounds: an answer holds MaxBytes, or one record batch of at most MaxBatchBytes where that is larger. Batches are
//     unpacked into Records.Keep bytes; one that needs more is unpacked piece by piece. For a larger answer and for that a [Room]
//     is asked, so that many partitions' may share one budget.
//   - Not done here: finding the leader, offsets, groups (kafka-go does), message formats from before Kafka 0.11 (2017),
//     which brokers since 3.0 no longer keep.
//
// Protocol: Fetch version 10, which brokers since 2.1 answer; record batches of magic 2
// (https://kafka.apache.org/documentation/#recordbatch).
package kafkalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// Config of NewFetcher.
type Config struct {
	ClientID  string
	Topic     string
	Partition int32
	MinBytes  int           // the broker waits for this much
	MaxWait   time.Duration // but no longer than this
	MaxBytes  int           // of an answer
	Keep      int           // how much memory an answer keeps for the next; for more the room is asked. 0: all that it needs
	Room      Room          // nil: there is room
}

// Fetcher asks for one partition's log over one connection. It is not safe for concurrent use.
type Fetcher struct {
	conn    net.Conn
	request []byte
	offset  int // where in request the offset stands
	id      int32
	limit   int
	keep    int
	room    Room
}

// Answer is what one request brought. It is used again for the next.
type Answer struct {
	// End is the offset of the next record to come. Stable is where what can be read ends: there, or at the first record of an open
	// transaction.
	End, Stable int64

	records []byte
	aborted []abortedTransaction
	buf     []byte
	room    Room // that has lent taken
	taken   int64
}

type abortedTransaction struct{ producer, first int64 }

const (
	fetchKey, fetchVersion = 1, 10
	readCommitted          = 1
	// maxFrameBytes bounds what an answer may claim to be beyond what was asked for: one batch of the largest size.
	maxFrameBytes = MaxBatchBytes + 1<<20
)

// NewFetcher makes a fetcher for a connection to the partition's leader on which nothing is outstanding.
func NewFetcher(conn net.Conn, c Config) *Fetcher {
	be := binary.BigEndian
	b := make([]byte, 4, 128)
	b = be.AppendUint16(b, fetchKey)
	b = be.AppendUint16(b, fetchVersion)
	b = be.AppendUint32(b, 0) // correlation id, set anew each time
	b = appendString(b, c.ClientID)
	b = be.AppendUint32(b, ^uint32(0)) // replica: a consumer
	b = be.AppendUint32(b, uint32(c.MaxWait.Milliseconds()))
	b = be.AppendUint32(b, uint32(c.MinBytes))
	b = be.AppendUint32(b, uint32(c.MaxBytes))
	b = append(b, readCommitted)
	b = be.AppendUint32(b, 0)          // session: none
	b = be.AppendUint32(b, ^uint32(0)) // its epoch: no session is wanted
	b = be.AppendUint32(b, 1)          // topics
	b = appendString(b, c.Topic)
	b = be.AppendUint32(b, 1) // partitions
	b = be.AppendUint32(b, uint32(c.Partition))
	b = be.AppendUint32(b, ^uint32(0)) // leader epoch: not known
	offset := len(b)
	b = be.AppendUint64(b, 0)
	b = be.AppendUint64(b, ^uint64(0)) // log start: followers only
	b = be.AppendUint32(b, uint32(c.MaxBytes))
	b = be.AppendUint32(b, 0) // forgotten topics
	be.PutUint32(b, uint32(len(b)-4))
	return &Fetcher{conn: conn, request: b, offset: offset, limit: c.MaxBytes + maxFrameBytes, keep: c.Keep, room: c.Room}
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// Fetch asks for what is at the offset and behind it, and waits for the answer. An error of the broker's is a
// [kafka.Error], one of the room's is the room's; after any but the first the connection is of no more use. Free is called
// before the answer is used again.
func (f *Fetcher) Fetch(offset int64, into *Answer) error {
	f.id++
	binary.BigEndian.PutUint32(f.request[8:], uint32(f.id))
	binary.BigEndian.PutUint64(f.request[f.offset:], uint64(offset))
	if _, err := f.conn.Write(f.request); err != nil {
		return fmt.Errorf("send a fetch request: %w", err)
	}
	var head [8]byte
	if _, err := io.ReadFull(f.conn, head[:]); err != nil {
		return fmt.Errorf("read the answer to a fetch request: %w", err)
	}
	size := int(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != f.id || size < 0 || size > f.limit {
		return fmt.Errorf("%w: it is of request %d and has %d bytes, request %d was sent", errAnswer, id, size, f.id)
	}
	if err := into.reserve(size, f); err != nil {
		return fmt.Errorf("fetch from offset %d: %w", offset, err)
	}
	if _, err := io.ReadFull(f.conn, into.buf); err != nil {
		return fmt.Errorf("read the answer to a fetch request: %w", err)
	}
	return into.parse()
}

// reserve makes room for an answer of that size.
func (a *Answer) reserve(size int, f *Fetcher) error {
	switch {
	case size <= cap(a.buf):
	case f.keep == 0 || size <= f.keep:
		n := 1 << bits.Len(uint(size))
		if f.keep > 0 {
			n = min(n, f.keep)
		}
		a.buf = make([]byte, n)
	default:
		if f.room != nil {
			if err := f.room.Take(int64(size)); err != nil {
				return err
			}
			a.room, a.taken = f.room, int64(size)
		}
		a.buf = make([]byte, size)
	}
	a.buf = a.buf[:size]
	return nil
}

// Size is how many bytes of records the answer has.
func (a *Answer) Size() int { return len(a.records) }

// Free says that the answer will not be looked at any more. What was lent for it is given back; else its memory is kept for
// the next.
func (a *Answer) Free() {
	if a.room == nil {
		return
	}
	a.records, a.buf = nil, nil
	a.room.Give(a.taken)
	a.room, a.taken = nil, 0
}

var errAnswer = errors.New("the broker's answer is not understood")

// parse reads what stands before the records.
func (a *Answer) parse() error {
	a.records, a.aborted, a.End, a.Stable = nil, a.aborted[:0], 0, 0
	d := decoder{b: a.buf}
	d.skip(4) // throttled for
	if code := kafka.Error(int16(d.uint16())); code != 0 {
		return code
	}
	d.skip(4) // session
	if topics := d.uint32(); topics != 1 {
		return fmt.Errorf("%w: it has %d topics", errAnswer, topics)
	}
	d.skip(int(d.uint16()))
	if partitions := d.uint32(); partitions != 1 {
		return fmt.Errorf("%w: it has %d partitions", errAnswer, partitions)
	}
	d.skip(4)
	code := kafka.Error(int16(d.uint16()))
	high, stable := int64(d.uint64()), int64(d.uint64())
	d.skip(8) // log start
	for range max(int32(d.uint32()), 0) {
		if d.bad {
			break
		}
		a.aborted = append(a.aborted, abortedTransaction{int64(d.uint64()), int64(d.uint64())})
	}
	size := int(int32(d.uint32()))
	switch {
	case d.bad || size > len(d.b):
		return fmt.Errorf("%w: it ends early", errAnswer)
	case code != 0:
		return code
	}
	a.records = d.b[:max(size, 0)]
	a.End, a.Stable = high, high
	if stable >= 0 {
		a.Stable = stable
	}
	return nil
}

// decoder reads big-endian numbers; once it is bad all that it gives is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.bad = nil, true
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) skip(n int) { d.take(n) }

func (d *decoder) uint16() uint16 {
	if v := d.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if v := d.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}
