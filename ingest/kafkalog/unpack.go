package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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

// unpacker unpacks the records of batches from bytes to bytes, gzip by way of the client library's reader.
type unpacker struct {
	zstd *zstd.Decoder
}

// errTooLarge says that what is unpacked has more bytes than it may.
var errTooLarge = errors.New("it is too large")

// into unpacks behind dst, which grows to limit bytes at the most; what has more is errTooLarge.
func (u *unpacker) into(dst, packed []byte, codec uint16, limit int) ([]byte, error) {
	switch codec {
	case codecLZ4:
		return lz4Frames(dst, packed, limit)
	case codecZstd:
		return u.unpackZstd(dst, packed, limit)
	case codecSnappy:
		return unpackSnappy(dst, packed, limit)
	case codecGzip:
		r := kafka.Compression(codec).Codec().NewReader(bytes.NewReader(packed))
		defer r.Close()
		return readAll(dst, r, limit)
	}
	return dst, fmt.Errorf("its codec, number %d, is not known", codec)
}

// grow makes room for n bytes behind dst, of which there may be limit altogether.
func grow(dst []byte, n, limit int) (_ []byte, ok bool) {
	switch {
	case n <= cap(dst)-len(dst):
		return dst, true
	case n > limit-len(dst):
		return dst, false
	}
	larger := make([]byte, len(dst), min(max(2*cap(dst), len(dst)+n), limit))
	copy(larger, dst)
	return larger, true
}

// readAll is io.ReadAll into memory that is there already.
func readAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		var ok bool
		if dst, ok = grow(dst, 1, limit); !ok {
			if n, err := r.Read(make([]byte, 1)); n == 0 && errors.Is(err, io.EOF) {
				return dst, nil
			}
			return dst, errTooLarge
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// unpackZstd takes memory as the frame says, or where it does not, more with every try.
func (u *unpacker) unpackZstd(dst, packed []byte, limit int) ([]byte, error) {
	if u.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.IgnoreChecksum(true))
		if err != nil {
			return dst, err
		}
		u.zstd = d
	}
	var head zstd.Header
	most := 8 * len(packed)
	if err := head.Decode(packed); err == nil && head.HasFCS && head.FrameContentSize <= uint64(limit) {
		most = int(head.FrameContentSize)
	}
	for ; ; most = 4 * cap(dst) {
		var ok bool
		if dst, ok = grow(dst[:0], max(min(most, limit), 1), limit); !ok {
			return dst, errTooLarge
		}
		plain, err := u.zstd.DecodeAll(packed, dst)
		if err == nil {
			return plain, nil
		}
		if cap(dst) >= limit {
			return dst, errTooLarge // or broken: the library's errors do not tell, but unpacking with more room does
		}
	}
}

var errLZ4 = errors.New("it is no LZ4 frame")

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
	lz4LargestBlock    = 4 << 20
)

// lz4Blocks are those to come of frames that follow each other. Their checksums are stepped over.
type lz4Blocks struct {
	left    []byte
	flags   byte
	largest int // block of the frame; 0 between frames
}

// next returns a block, and whether it is packed; nil behind the last. first says that it is the first of its frame.
func (s *lz4Blocks) next() (block []byte, packed, first bool, err error) {
	const plain = 1 << 31
	le := binary.LittleEndian
	for {
		if s.largest == 0 {
			if len(s.left) == 0 {
				return nil, false, false, nil
			}
			if err := s.header(); err != nil {
				return nil, false, false, err
			}
			first = s.largest > 0
			continue
		}
		if len(s.left) < 4 {
			return nil, false, false, errLZ4
		}
		head := le.Uint32(s.left)
		s.left = s.left[4:]
		if head == 0 { // the end mark
			s.largest = 0
			if s.flags&lz4ContentChecksum != 0 {
				if len(s.left) < 4 {
					return nil, false, false, errLZ4
				}
				s.left = s.left[4:]
			}
			continue
		}
		size, checksum := int(head&^plain), 0
		if s.flags&lz4BlockChecksum != 0 {
			checksum = 4
		}
		if size > s.largest || size+checksum > len(s.left) {
			return nil, false, false, errLZ4
		}
		block = s.left[:size:size]
		s.left = s.left[size+checksum:]
		return block, head&plain == 0, first, nil
	}
}

// header reads that of a frame, or steps over a frame that is to be skipped.
func (s *lz4Blocks) header() error {
	le := binary.LittleEndian
	if len(s.left) < 8 {
		return errLZ4
	}
	magic := le.Uint32(s.left)
	if magic&^15 == lz4SkippableMagic {
		size := uint64(le.Uint32(s.left[4:]))
		if size > uint64(len(s.left)-8) {
			return errLZ4
		}
		s.left = s.left[8+size:]
		return nil
	}
	flags, sizes := s.left[4], s.left[5]
	header := 7
	if flags&lz4ContentSize != 0 {
		header += 8
	}
	if magic != lz4Magic || flags>>6 != 1 || flags&lz4Dictionary != 0 || len(s.left) < header || sizes>>4&7 < 4 {
		return errLZ4
	}
	s.flags, s.largest, s.left = flags, 1<<(2*(sizes>>4&7)+8), s.left[header:]
	return nil
}

// linked says whether the blocks of the frame refer to those before them.
func (s *lz4Blocks) linked() bool { return s.flags&lz4Independent == 0 }

// lz4Frames unpacks frames, one after the other.
func lz4Frames(dst, src []byte, limit int) ([]byte, error) {
	blocks, start := lz4Blocks{left: src}, len(dst)
	for {
		block, packed, first, err := blocks.next()
		if err != nil || block == nil {
			return dst, err
		}
		if first {
			start = len(dst)
		}
		if dst, err = lz4Block(dst, block, packed, start, blocks.linked(), min(blocks.largest, limit-len(dst))); err != nil {
			if errors.Is(err, errLZ4) && blocks.largest > limit-len(dst) {
				err = errTooLarge // or broken, which shows when it is unpacked with more room
			}
			return dst, err
		}
	}
}

// lz4Block unpacks one block of at most so many bytes behind dst. The frame's first block is at start.
func lz4Block(dst, block []byte, packed bool, start int, linked bool, most int) ([]byte, error) {
	limit := len(dst) + most
	if !packed {
		var ok bool
		if dst, ok = grow(dst, len(block), limit); !ok {
			return dst, errLZ4
		}
		return append(dst, block...), nil
	}
	var window []byte
	if linked {
		window = dst[max(start, len(dst)-lz4Window):]
	}
	// Producers make blocks of up to 4 MiB of batches that unpack to a fraction of that, so memory is taken as it is needed.
	room := min(most, max(cap(dst)-len(dst), 8*len(block)))
	for {
		var ok bool
		if dst, ok = grow(dst, room, limit); !ok {
			return dst, errLZ4
		}
		n, err := lz4.UncompressBlockWithDict(block, dst[len(dst):len(dst)+room], window)
		if err == nil {
			return dst[:len(dst)+n], nil
		}
		if room >= most {
			return dst, fmt.Errorf("%w: %w", errLZ4, err)
		}
		room = min(most, 4*room)
	}
}
