package clickhouse

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/ClickHouse/ch-go/compress"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// MaxBlockRows is the most rows of one insert. Up to it ClickHouse neither splits a block nor joins it with another.
const MaxBlockRows = 1_000_000

// encoder writes batches as blocks in ClickHouse's Native format, at protocol revision 0, which is what HTTP inserts
// take. It goes straight from the batch's columns to bytes: no value is boxed, hashed or copied twice. Its memory is
// reused; a warm encoder allocates nothing. The bytes depend only on the rows and the span, not on what the batch's
// dictionaries held before, so that a rebuilt block is the same block. It is not safe for concurrent use.
type encoder struct {
	buf  []byte
	dict dictEncoder

	compressor *compress.Writer // only on the way to a server
	framed     []byte
}

// eventColumns is the order of the columns in a block; it is also the INSERT's list.
var eventColumns = []string{
	"plan_day", "time", "key_id", "source", "request_id", "method", "host", "route", "path", "status", "latency_us",
	"request_bytes", "response_bytes", "client_ip", "country", "asn", "user_agent", "agent", "units", "flags",
	"topic", "epoch", "partition", "offset", "sub",
}

// originColumns follow in blocks that have re-keyed records.
var originColumns = []string{"origin", "origin_offset", "origin_sub"}

// columnsOf returns the columns of a batch's block.
func columnsOf(b *usage.Batch) []string {
	if len(b.OriginSub) == 0 {
		return eventColumns
	}
	return slices.Concat(eventColumns, originColumns)
}

const (
	typeLowCardinality = "LowCardinality(String)"
	typeUnits          = "Map(LowCardinality(String), UInt64)"
)

// encodedRow is about what a row takes without its path, request id and units: room for a whole block is made at once, so
// that the buffer is neither copied while it grows nor half empty at last.
const encodedRow = 128

// events encodes the batch as one block. The result is valid until the next call.
func (e *encoder) events(span usage.Span, b *usage.Batch) []byte {
	n := b.Len()
	e.buf = e.buf[:0]
	if room := n*encodedRow + len(b.Path.Data) + len(b.RequestID.Data) + 9*len(b.UnitValue); cap(e.buf) < room {
		// Unlike slices.Grow this neither copies what was there nor clears what will be overwritten. Blocks that are ever a little longer must not each
		// leave a buffer to be collected.
		e.buf = make([]byte, 0, max(room, cap(e.buf)+cap(e.buf)/4))
	}
	e.uvarint(uint64(len(columnsOf(b))))
	e.uvarint(uint64(n))

	e.header("plan_day", "Date")
	e.repeat16(uint16(span.Day), n)
	e.header("time", "DateTime64(3, 'UTC')")
	e.int64s(b.TimeMillis)
	e.header("key_id", "String")
	e.dictAsStrings(&b.KeyID)
	e.lowCardinality("source", &b.Source)
	e.strings("request_id", &b.RequestID)
	e.lowCardinality("method", &b.Method)
	e.lowCardinality("host", &b.Host)
	e.lowCardinality("route", &b.Route)
	e.strings("path", &b.Path)
	e.header("status", "UInt16")
	e.uint16s(b.Status)
	e.header("latency_us", "UInt32")
	e.clamp32(b.LatencyMicros)
	e.header("request_bytes", "UInt64")
	e.clamp64(b.RequestBytes)
	e.header("response_bytes", "UInt64")
	e.clamp64(b.ResponseBytes)
	e.header("client_ip", "IPv6")
	to := e.grow(16 * n)
	for i := range b.ClientIP {
		*(*[16]byte)(to[16*i:]) = b.ClientIP[i]
	}
	e.lowCardinality("country", &b.Country)
	e.header("asn", "UInt32")
	e.uint32s(b.ASN)
	e.lowCardinality("user_agent", &b.UserAgent)
	e.lowCardinality("agent", &b.Agent)
	e.units(b)
	e.header("flags", "UInt8")
	to = e.grow(n)
	for i, f := range b.Flags {
		to[i] = byte(f)
	}
	e.constant("topic", span.Topic, n)
	e.constant("epoch", span.Epoch, n)
	e.header("partition", "UInt32")
	e.repeat32(uint32(span.Partition), n)
	e.header("offset", "Int64")
	e.int64s(b.Offset)
	e.header("sub", "UInt16")
	e.uint16s(b.Sub)
	if len(b.OriginSub) > 0 {
		e.lowCardinality("origin", &b.Origin)
		e.header("origin_offset", "Int64")
		e.int64s(b.OriginOffset)
		e.header("origin_sub", "UInt16")
		e.uint16s(b.OriginSub)
	}
	return e.buf
}

func (e *encoder) header(name, kind string) {
	e.text(name)
	e.text(kind)
}

func (e *encoder) uvarint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

func (e *encoder) text(s string) {
	e.uvarint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// grow makes room for n more bytes and returns it, already part of the buffer.
func (e *encoder) grow(n int) []byte {
	from := len(e.buf)
	if cap(e.buf)-from < n {
		bigger := make([]byte, from, cap(e.buf)+cap(e.buf)/4+n)
		copy(bigger, e.buf)
		e.buf = bigger
	}
	e.buf = e.buf[:from+n]
	return e.buf[from:]
}

func (e *encoder) int64s(values []int64) {
	to := e.grow(8 * len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint64(to[8*i:], uint64(v))
	}
}

// clamp64 writes values that are never negative as UInt64; a negative one, which no decoder makes, becomes 0.
func (e *encoder) clamp64(values []int64) {
	to := e.grow(8 * len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint64(to[8*i:], uint64(max(v, 0)))
	}
}

// clamp32 writes microseconds as UInt32, which holds up to 71 minutes; more stays at that.
func (e *encoder) clamp32(values []int64) {
	to := e.grow(4 * len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(to[4*i:], uint32(min(max(v, 0), math.MaxUint32)))
	}
}

func (e *encoder) uint32s(values []uint32) {
	to := e.grow(4 * len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(to[4*i:], v)
	}
}

func (e *encoder) uint16s(values []uint16) {
	to := e.grow(2 * len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint16(to[2*i:], v)
	}
}

func (e *encoder) repeat16(v uint16, n int) {
	to := e.grow(2 * n)
	for i := range n {
		binary.LittleEndian.PutUint16(to[2*i:], v)
	}
}

func (e *encoder) repeat32(v uint32, n int) {
	to := e.grow(4 * n)
	for i := range n {
		binary.LittleEndian.PutUint32(to[4*i:], v)
	}
}

const (
	// lengthBytes is what the length of a string takes at the most: it is part of a line.
	lengthBytes = 3
	// shortString is how many bytes of a string are written at once, without a loop. What it has not is overwritten by the next.
	shortString = 32
)

// strings writes a column of strings: each its length and its bytes.
func (e *encoder) strings(name string, s *usage.Strings) {
	e.header(name, "String")
	before, from, at := len(e.buf), 0, 0
	to := e.grow(len(s.Data) + lengthBytes*len(s.Ends) + shortString)
	for _, end := range s.Ends {
		size := end - from
		at += binary.PutUvarint(to[at:], uint64(size))
		if size <= shortString && from+shortString <= len(s.Data) {
			*(*[shortString]byte)(to[at:]) = *(*[shortString]byte)(s.Data[from:])
		} else {
			copy(to[at:], s.Data[from:end])
		}
		at, from = at+size, end
	}
	e.buf = e.buf[:before+at]
}

func (e *encoder) dictAsStrings(d *usage.Dict) {
	for _, i := range d.Index {
		e.text(d.Values[i])
	}
}

// units writes the units of all rows as a map column: where each row's end, then all names, then all values.
func (e *encoder) units(b *usage.Batch) {
	e.header("units", typeUnits)
	e.uint64(lowCardinalityVersion)
	to := e.grow(8 * len(b.UnitEnd))
	for i, end := range b.UnitEnd {
		binary.LittleEndian.PutUint64(to[8*i:], uint64(end))
	}
	e.dictBody(b.UnitName.Values, b.UnitName.Index)
	e.clamp64(b.UnitValue)
}

func (e *encoder) uint64(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }
