package tail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The encoding is little-endian and of fixed length: a version byte, then the fields in order. Counts are stored in full:
// state is compressed by whoever stores many of them.
const (
	encodingVersion = 1
	// EncodedBytes is the length of an encoded Tail.
	EncodedBytes = 1 + 2*buckets + 8 + 4 + 4 + 4 + 4 + 4 + 2 + 2 + 1 + 1
)

// ErrEncoding marks bytes that are no encoded Tail.
var ErrEncoding = errors.New("tail: not an encoded memory")

// AppendBinary implements encoding.BinaryAppender; it never fails.
func (t *Tail) AppendBinary(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	b = append(b, encodingVersion)
	for _, c := range t.counts {
		b = le.AppendUint16(b, c)
	}
	b = le.AppendUint64(b, math.Float64bits(t.from))
	b = le.AppendUint32(b, math.Float32bits(t.law32.shape))
	b = le.AppendUint32(b, math.Float32bits(t.law32.scale))
	b = le.AppendUint32(b, t.total)
	b = le.AppendUint32(b, uint32(t.base))
	b = le.AppendUint32(b, uint32(t.threshold))
	b = le.AppendUint16(b, t.zero)
	b = le.AppendUint16(b, t.since)
	var flags byte
	if t.placed {
		flags |= 1
	}
	if t.fitted {
		flags |= 2
	}
	return append(b, byte(t.scale), flags), nil
}

// MarshalBinary implements encoding.BinaryMarshaler; it never fails.
func (t *Tail) MarshalBinary() ([]byte, error) { return t.AppendBinary(make([]byte, 0, EncodedBytes)) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler. It checks what the arithmetic relies on, so that a damaged state is
// refused with ErrEncoding instead of giving wrong p-values; t is then unchanged.
func (t *Tail) UnmarshalBinary(b []byte) error {
	if len(b) != EncodedBytes || b[0] != encodingVersion {
		return fmt.Errorf("%w: %d bytes, want %d of version %d", ErrEncoding, len(b), EncodedBytes, encodingVersion)
	}
	le := binary.LittleEndian
	b = b[1:]
	var n Tail
	sum := uint32(0)
	for i := range n.counts {
		n.counts[i] = le.Uint16(b[2*i:])
		sum += uint32(n.counts[i])
	}
	b = b[2*buckets:]
	n.from = math.Float64frombits(le.Uint64(b))
	n.law32.shape = math.Float32frombits(le.Uint32(b[8:]))
	n.law32.scale = math.Float32frombits(le.Uint32(b[12:]))
	n.total = le.Uint32(b[16:])
	n.base = int32(le.Uint32(b[20:]))
	n.threshold = int32(le.Uint32(b[24:]))
	n.zero = le.Uint16(b[28:])
	n.since = le.Uint16(b[30:])
	n.scale = int8(b[32])
	n.placed, n.fitted = b[33]&1 != 0, b[33]&2 != 0
	law := n.law()
	switch {
	case b[33] > 3, n.scale > finestScale, n.scale < coarsestScale:
		return fmt.Errorf("%w: scale %d, flags %d", ErrEncoding, n.scale, b[33])
	case sum+uint32(n.zero) != n.total, n.total > (MaxMemory+1)*unitsPerObservation:
		return fmt.Errorf("%w: counts sum to %d, total is %d", ErrEncoding, sum+uint32(n.zero), n.total)
	case int64(n.base) > 1<<20 || int64(n.base) < -1<<20, int64(n.threshold) > 1<<20 || int64(n.threshold) < -1<<20:
		return fmt.Errorf("%w: bucket %d, threshold %d", ErrEncoding, n.base, n.threshold)
	case n.fitted && !(n.from > 0 && n.from <= huge && law.Scale > 0 && law.Shape >= 0 && law.Shape <= 2):
		return fmt.Errorf("%w: law %v above %v", ErrEncoding, law, n.from)
	}
	*t = n
	return nil
}
