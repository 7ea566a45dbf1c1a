package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// Room lends memory for what is larger than others of its kind.
type Room interface {
	// Take waits until so many bytes are free. An error means that they will not be.
	Take(bytes int64) error
	// Give gives back what was taken.
	Give(bytes int64)
}

// streamed is a batch that is unpacked piece by piece as its records are walked over, because it is too large to be
// unpacked as a whole. It holds little more than one record, however much the batch unpacks to.
type streamed struct {
	src   io.Reader
	close func()
	buf   []byte // what Records.records lies in
	taken int64  // of the room
	err   error  // of src
}

const (
	// aroundValue is room for what a record has beside its value, if that is not much.
	aroundValue = 64 << 10
	gzipBytes   = 64 << 10
	zstdBytes   = 2 << 20 // beside the window
)

// stream starts to unpack piece by piece.
func (r *Records) stream(packed []byte, codec uint16) error {
	need, err := streamBytes(packed, codec)
	if err != nil {
		return corrupt(r.base, "cannot be unpacked: "+err.Error())
	}
	size := r.longest() + aroundValue
	need += int64(size)
	if r.Room != nil {
		if err := r.Room.Take(need); err != nil {
			return fmt.Errorf("unpack the record batch at offset %d: %w", r.base, err)
		}
	}
	s := &streamed{taken: need, close: func() {}, buf: make([]byte, 0, size)}
	r.streamed, r.records = s, nil
	switch codec {
	case codecLZ4:
		s.src = &lz4Reader{blocks: lz4Blocks{left: packed}}
	case codecSnappy:
		s.src = &snappyReader{chunks: newSnappyChunks(packed)}
	case codecGzip:
		z := kafka.Compression(codec).Codec().NewReader(bytes.NewReader(packed))
		s.src, s.close = z, func() { _ = z.Close() }
	case codecZstd:
		z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow(packed)), zstd.IgnoreChecksum(true))
		if err != nil {
			return corrupt(r.base, "cannot be unpacked: "+err.Error())
		}
		s.src, s.close = z, z.Close
	}
	return nil
}

// streamBytes is what unpacking piece by piece holds.
func streamBytes(packed []byte, codec uint16) (int64, error) {
	switch codec {
	case codecGzip:
		return gzipBytes, nil
	case codecSnappy:
		n, err := largestSnappyChunk(packed)
		return int64(n), err
	case codecLZ4:
		return lz4Window + lz4LargestBlock, nil
	case codecZstd:
		return int64(min(zstdWindow(packed), MaxBatchBytes)) + zstdBytes, nil
	}
	return 0, fmt.Errorf("its codec, number %d, is not known", codec)
}

// zstdWindow is how far back the first frame refers at the most; others of a batch may not refer further.
func zstdWindow(packed []byte) uint64 {
	var head zstd.Header
	if err := head.Decode(packed); err != nil {
		return zstd.MinWindowSize // and the reader says what is wrong
	}
	if head.SingleSegment {
		return max(head.FrameContentSize, zstd.MinWindowSize)
	}
	return max(head.WindowSize, zstd.MinWindowSize)
}

// longest is how much of a value a streamed batch gives.
func (r *Records) longest() int {
	if r.Longest > 0 {
		return r.Longest + 1
	}
	return 1 << 20
}

// endStream gives back what a streamed batch holds.
func (r *Records) endStream() {
	if s := r.streamed; s != nil {
		s.close()
		if r.Room != nil {
			r.Room.Give(s.taken)
		}
		r.streamed, r.records, r.count = nil, nil, 0
	}
}

// streamedRecord reads a record that is not, or not as a whole, in the piece at hand.
func (r *Records) streamedRecord() bool {
	s := r.streamed
	r.fill(binary.MaxVarintLen64)
	size, n := varint(r.records)
	if n <= 0 || size < 0 {
		return false
	}
	if size > int64(cap(s.buf)-n) {
		return r.longRecord(size, n)
	}
	whole := int(size) + n
	return r.fill(whole) >= whole && r.record()
}

// longRecord reads one that is larger than the piece at hand can be; its value is cut. Its head has n bytes.
func (r *Records) longRecord(size int64, n int) bool {
	r.records = r.records[n:]
	number := func() (v int64) {
		r.fill(binary.MaxVarintLen64)
		var n int
		if v, n = varint(r.records); n <= 0 || int64(n) > size {
			size = -1
			return 0
		}
		r.records, size = r.records[n:], size-int64(n)
		return v
	}
	step := func(n int64) {
		if n > size || !r.drop(n) {
			size = -1
		}
		size -= n
	}
	step(1) // attributes
	number()
	delta := number()
	step(max(number(), 0)) // key
	length := number()
	if size < 0 || length > size {
		return false
	}
	r.Offset, r.Value = r.base+delta, nil
	if length >= 0 {
		n := int(min(length, int64(r.longest())))
		if r.fill(n) < n {
			return false
		}
		r.Value = r.records[:n:n]
		r.records, size = r.records[n:], size-int64(n)
	}
	return r.drop(size) // the rest of the value, and headers
}

// fill reads until the piece at hand has so many bytes, or all that are left. What was there before is overwritten.
func (r *Records) fill(n int) int {
	s := r.streamed
	if len(r.records) >= n {
		return len(r.records)
	}
	s.buf = s.buf[:copy(s.buf[:cap(s.buf)], r.records)]
	for len(s.buf) < n && s.err == nil {
		var m int
		m, s.err = s.src.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+m]
	}
	r.records = s.buf
	return len(r.records)
}

// drop passes so many bytes by. It leaves what was read before as it is.
func (r *Records) drop(n int64) bool {
	here := min(n, int64(len(r.records)))
	r.records = r.records[here:]
	if n == here {
		return true
	}
	dropped, err := io.CopyN(io.Discard, r.streamed.src, n-here)
	if err != nil {
		r.streamed.err = err
	}
	return dropped == n-here
}

// broken is why the record could not be read.
func (r *Records) broken() error {
	if s := r.streamed; s != nil && s.err != nil && !errors.Is(s.err, io.EOF) {
		return corrupt(r.base, "cannot be unpacked: "+s.err.Error())
	}
	return corrupt(r.base, "has a broken record")
}

// lz4Reader unpacks block by block.
type lz4Reader struct {
	blocks lz4Blocks
	buf    []byte // the window, and behind it the block
	start  int    // of the frame
	at     int    // of what was not read yet
}

func (l *lz4Reader) Read(p []byte) (int, error) {
	for l.at == len(l.buf) {
		block, packed, first, err := l.blocks.next()
		if err != nil {
			return 0, err
		}
		if block == nil {
			return 0, io.EOF
		}
		keep := min(len(l.buf), lz4Window)
		l.start = max(l.start-(len(l.buf)-keep), 0)
		l.buf = l.buf[:copy(l.buf, l.buf[len(l.buf)-keep:])]
		if first {
			l.start = keep
		}
		if l.buf, err = lz4Block(l.buf, block, packed, l.start, l.blocks.linked(), l.blocks.largest); err != nil {
			return 0, err
		}
		l.at = keep
	}
	n := copy(p, l.buf[l.at:])
	l.at += n
	return n, nil
}

// snappyReader unpacks chunk by chunk.
type snappyReader struct {
	chunks snappyChunks
	buf    []byte
	at     int
}

func (s *snappyReader) Read(p []byte) (int, error) {
	for s.at == len(s.buf) {
		chunk, _, err := s.chunks.next()
		if err != nil {
			return 0, err
		}
		if chunk == nil {
			return 0, io.EOF
		}
		if s.buf, err = snappy.Decode(s.buf[:cap(s.buf)], chunk); err != nil {
			return 0, errSnappy
		}
		s.at = 0
	}
	n := copy(p, s.buf[s.at:])
	s.at += n
	return n, nil
}
