package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/snappy"
)

// Java's producers cut what they pack with Snappy into chunks behind a header, each with its length; C's leave it whole.
const (
	snappyMagic  = "\x82SNAPPY\x00"
	snappyHeader = len(snappyMagic) + 8 // two versions
)

var errSnappy = errors.New("it is no Snappy stream")

// snappyChunks are those to come.
type snappyChunks struct {
	left   []byte
	framed bool
}

func newSnappyChunks(packed []byte) snappyChunks {
	if bytes.HasPrefix(packed, []byte(snappyMagic)) && len(packed) >= snappyHeader {
		return snappyChunks{packed[snappyHeader:], true}
	}
	return snappyChunks{packed, false}
}

// next returns a chunk and what it says that it unpacks to; nil behind the last.
func (c *snappyChunks) next() (chunk []byte, size int, err error) {
	if len(c.left) == 0 {
		return nil, 0, nil
	}
	chunk, c.left = c.left, c.left[len(c.left):]
	if c.framed {
		if len(chunk) < 4 {
			return nil, 0, errSnappy
		}
		n := binary.BigEndian.Uint32(chunk)
		if chunk = chunk[4:]; uint64(n) > uint64(len(chunk)) {
			return nil, 0, errSnappy
		}
		chunk, c.left = chunk[:n], chunk[n:]
	}
	if size, err = snappy.DecodedLen(chunk); err != nil {
		return nil, 0, errSnappy
	}
	return chunk, size, nil
}

func unpackSnappy(dst, packed []byte, limit int) ([]byte, error) {
	chunks := newSnappyChunks(packed)
	for {
		chunk, size, err := chunks.next()
		if err != nil || chunk == nil {
			return dst, err
		}
		var ok bool
		if dst, ok = grow(dst, size, limit); !ok {
			return dst, errTooLarge
		}
		if _, err := snappy.Decode(dst[len(dst):len(dst)+size], chunk); err != nil {
			return dst, errSnappy
		}
		dst = dst[:len(dst)+size]
	}
}

// largestSnappyChunk is what the largest chunk says that it unpacks to.
func largestSnappyChunk(packed []byte) (int, error) {
	largest := 0
	for chunks := newSnappyChunks(packed); ; {
		chunk, size, err := chunks.next()
		if err != nil || chunk == nil {
			return largest, err
		}
		largest = max(largest, size)
	}
}
