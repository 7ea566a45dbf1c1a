package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go"
)

// Codecs by number in a batch's attributes.
const (
	codecGzip = iota + 1
	codecSnappy
	codecLZ4
	codecZstd
)

// unpacker unpacks the records of batches. LZ4 and Zstandard, which are recommended, go straight from bytes to bytes; the
// others go through the client library's readers.
type unpacker struct {
	zstd *zstd.Decoder
}

func (u *unpacker) into(dst, packed []byte, codec uint16) ([]byte, error) {
	switch codec {
	case codecLZ4:
		return lz4Frames(dst, packed)
	case codecZstd:
		if u.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBatchBytes), zstd.IgnoreChecksum(true))
			if err != nil {
				return dst, err
			}
			u.zstd = d
		}
		return u.zstd.DecodeAll(packed, dst)
	case codecGzip, codecSnappy:
		r := kafka.Compression(codec).Codec().NewReader(bytes.NewReader(packed))
		defer r.Close()
		return readAll(dst, r)
	}
	return dst, fmt.Errorf("its codec, number %d, is not known", codec)
}

// readAll is io.ReadAll into memory that is there already.
func readAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 64<<10)
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		case len(dst) > MaxBatchBytes:
			return dst, errTooLarge
		}
	}
}

var (
	errTooLarge = fmt.Errorf("it has more than %d bytes", MaxBatchBytes)
	errLZ4      = errors.New("it is no LZ4 frame")
)

// Of an LZ4 frame's descriptor (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md).
const (
	lz4Magic           = 0x184d2204
	lz4SkippableMagic  = 0x184d2a50 // and the next fifteen
	lz4ContentChecksum = 1 << 2
	lz4ContentSize     = 1 << 3
	lz4BlockChecksum   = 1 << 4
	lz4Independent     = 1 << 5
	lz4Dictionary      = 1 << 0
	lz4Window          = 64 << 10
)

// lz4Frames unpacks frames, one after the other. Their checksums are stepped over.
func lz4Frames(dst, src []byte) ([]byte, error) {
	le := binary.LittleEndian
	for len(src) > 0 {
		if len(src) < 8 {
			return dst, errLZ4
		}
		magic := le.Uint32(src)
		if magic&^15 == lz4SkippableMagic {
			size := uint64(le.Uint32(src[4:]))
			if size > uint64(len(src)-8) {
				return dst, errLZ4
			}
			src = src[8+size:]
			continue
		}
		flags, sizes := src[4], src[5]
		header := 7
		if flags&lz4ContentSize != 0 {
			header += 8
		}
		if magic != lz4Magic || flags>>6 != 1 || flags&lz4Dictionary != 0 || len(src) < header || sizes>>4&7 < 4 {
			return dst, errLZ4
		}
		var err error
		if dst, src, err = lz4Blocks(dst, src[header:], flags, 1<<(2*(sizes>>4&7)+8)); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// lz4Blocks unpacks the blocks of one frame and returns what is behind it.
func lz4Blocks(dst, src []byte, flags byte, most int) (out, rest []byte, err error) {
	const plain = 1 << 31
	start := len(dst)
	for {
		if len(src) < 4 {
			return dst, nil, errLZ4
		}
		head := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if head == 0 { // the end mark
			if flags&lz4ContentChecksum != 0 {
				if len(src) < 4 {
					return dst, nil, errLZ4
				}
				src = src[4:]
			}
			return dst, src, nil
		}
		size, checksum := int(head&^plain), 0
		if flags&lz4BlockChecksum != 0 {
			checksum = 4
		}
		if size > most || size+checksum > len(src) {
			return dst, nil, errLZ4
		}
		block := src[:size]
		src = src[size+checksum:]
		if head&plain != 0 {
			dst = append(dst, block...)
			continue
		}
		if len(dst) > MaxBatchBytes {
			return dst, nil, errTooLarge
		}
		var window []byte
		if flags&lz4Independent == 0 {
			window = dst[max(start, len(dst)-lz4Window):]
		}
		// Producers make blocks of up to 4 MiB of batches that unpack to a fraction of that, so memory is taken as it is needed.
		room, n := min(most, max(cap(dst)-len(dst), 8*size)), 0
		for {
			dst = slices.Grow(dst, room)
			var err error
			if n, err = lz4.UncompressBlockWithDict(block, dst[len(dst):len(dst)+room], window); err == nil {
				break
			}
			if room == most {
				return dst, nil, fmt.Errorf("%w: %w", errLZ4, err)
			}
			room = min(most, 4*room)
		}
		dst = dst[:len(dst)+n]
	}
}
