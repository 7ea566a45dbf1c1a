package accesslog

import (
	"encoding/binary"
	"math/bits"
)

// client finds the caller's address and writes it to where it is kept: on its way there it would be written in parts and read as a whole,
// for which a processor waits.
func (c *core) client(r *call, ip *[16]byte) {
	if c.hops == 0 || len(r.forwarded) == 0 {
		if v4, ok := plainIPv4(r.peer); ok {
			binary.BigEndian.PutUint64(ip[:8], 0)
			binary.BigEndian.PutUint64(ip[8:], 0xffff<<32|uint64(v4))
			return
		}
	}
	*ip = client(r.peer, r.forwarded, c.hops)
}

// plainIPv4 reads four decimal numbers and nothing else, as most addresses in logs are: parseAddr would give the same. It
// says no where it is not sure. It takes the sixteen bytes at once, because how many digits each number has is what a
// processor cannot guess: measured, a third of the time of going from digit to digit.
//
// It looks at what the slice has room for behind the address, in a line what comes after it, and lets that count for nothing: a copy of
// the address would be written in parts and read as a whole.
func plainIPv4(b []byte) (v4 uint32, ok bool) {
	const shortest, longest = len("0.0.0.0"), len("255.255.255.255")
	if len(b) < shortest || len(b) > longest {
		return 0, false
	}
	const room = 16 + 4 // the last number is read with what comes behind it
	var text *[room]byte
	if cap(b) >= room {
		text = (*[room]byte)(b[:room])
	} else {
		text = new([room]byte)
		copy(text[:], b)
	}
	low, high := binary.LittleEndian.Uint64(text[:]), binary.LittleEndian.Uint64(text[8:])
	dots := moveMask(exactByte(low, '.')) | moveMask(exactByte(high, '.'))<<8
	end := uint32(1) << (len(b) & 31)
	dots = dots&(end-1) | end // the end ends the last number, as dots end the others
	if bits.OnesCount32(dots) != 4 {
		return 0, false
	}
	from, wrong := 0, uint32(0)
	for range 4 {
		end := bits.TrailingZeros32(dots)
		dots &= dots - 1
		digits := end - from
		if uint(digits-1) > 2 {
			return 0, false
		}
		// The digits go to the word's top bytes, what follows them is pushed out.
		shift := uint(32-8*digits) & 31 // which it is less than
		w := binary.LittleEndian.Uint32(text[from:]) << shift
		w -= 0x30303030 << shift
		hundreds, tens, units := w>>8&0xff, w>>16&0xff, w>>24
		n := hundreds*100 + tens*10 + units
		leading := w >> shift & 0xff // zero is the whole number, or octal to some
		wrong |= w&0x80808080 | (w+0x76767676)&0x80808080 | (255-n)&0x80000000
		if leading == 0 && digits > 1 {
			return 0, false
		}
		v4 = v4<<8 | n
		from = end + 1
	}
	return v4, wrong == 0
}

// exactByte sets the top bit of each byte of w that is c, and of no other.
func exactByte(w uint64, c byte) uint64 {
	const sevens = 0x7f7f7f7f7f7f7f7f
	x := w ^ ones*uint64(c)
	return ^((x&sevens + sevens) | x | sevens)
}

// moveMask gathers the top bits of the eight bytes, the first byte's lowest.
func moveMask(m uint64) uint32 { return uint32((m >> 7) * 0x0102040810204080 >> 56) }
