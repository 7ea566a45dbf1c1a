package usage

import (
	"math/bits"
	"sync/atomic"
)

// Dict is a column of strings with few distinct values: each value is held once and rows refer to it by number. Numbers
// stay valid across [Dict.Reset] until the dictionary has grown past its bound, so that a reader may cache what it knows
// about a value by its number for as long as [Dict.Generation] is the same.
type Dict struct {
	Values     []string // by number
	Index      []uint32 // number per row
	Generation uint64   // changes when numbers are given out anew; no two dictionaries of a process have the same, but for empty ones, which have 0
	numbers    map[string]uint32
	text       int // bytes of the values
	// recent has the numbers of some values by a hash of their ends: the map's lookup costs several times as much.
	recent [recentSlots]uint32
}

const recentSlots = 1 << 8

// generations counts those that were given out.
var generations atomic.Uint64

// What a dictionary keeps from block to block at the most: so many values, of so many bytes.
const (
	maxDictValues = 1 << 16
	maxDictText   = 4 << 20
)

// numberBytes is what a value's number takes in the map, at its fullest and emptiest by turns: a string, a number, a byte of
// the hash, in tables that are between 7/16 and 7/8 full.
const numberBytes = 50

// Append adds a row. It allocates only for a value that was not seen since the dictionary was emptied.
func (d *Dict) Append(v []byte) {
	n, ok := d.Find(v)
	if !ok {
		n = d.add(string(v))
	}
	d.Index = append(d.Index, n)
}

// AppendString is Append for a string.
func (d *Dict) AppendString(v string) {
	n, ok := find(d, v)
	if !ok {
		n = d.add(v)
	}
	d.Index = append(d.Index, n)
}

// Find returns the number of a value that the dictionary holds already.
func (d *Dict) Find(v []byte) (number uint32, ok bool) { return find(d, v) }

func find[T string | []byte](d *Dict, v T) (number uint32, ok bool) {
	slot := &d.recent[endsHash(v)]
	if n := *slot; int(n) < len(d.Values) && d.Values[n] == string(v) {
		return n, true
	}
	if number, ok = d.numbers[string(v)]; ok {
		*slot = number
	}
	return number, ok
}

// endsHash is a slot's number, made of a value's length and of up to eight bytes of each end.
func endsHash[T string | []byte](v T) uint64 {
	n := len(v)
	var first, last uint64
	switch {
	case n >= 8:
		first, last = load64(v[:8]), load64(v[n-8:])
	case n >= 4:
		first, last = uint64(load32(v[:4])), uint64(load32(v[n-4:]))
	case n > 0:
		first, last = uint64(v[0]), uint64(v[n-1])<<8|uint64(v[n/2])
	}
	h := (first ^ bits.RotateLeft64(last, 29) ^ uint64(n)) * 0x9e3779b97f4a7c15
	return (h ^ h>>32) * 0xc2b2ae3d27d4eb4f >> (64 - 8)
}

func load64[T string | []byte](v T) uint64 {
	_ = v[7]
	return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 | uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
}

func load32[T string | []byte](v T) uint32 {
	_ = v[3]
	return uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24
}

// AppendNumber adds a row that has the value of that number, as Find gave it since the last [Dict.Generation].
func (d *Dict) AppendNumber(number uint32) { d.Index = append(d.Index, number) }

// Set replaces the value of row i.
func (d *Dict) Set(i int, v string) {
	n, ok := find(d, v)
	if !ok {
		n = d.add(v)
	}
	d.Index[i] = n
}

// At returns the value of row i; it may be kept.
func (d *Dict) At(i int) string { return d.Values[d.Index[i]] }

func (d *Dict) add(v string) uint32 {
	if d.numbers == nil {
		d.numbers, d.Generation = make(map[string]uint32), generations.Add(1)
	}
	n := uint32(len(d.Values))
	d.Values = append(d.Values, v)
	d.numbers[v] = n
	d.text += len(v)
	return n
}

func (d *Dict) memory() int64 {
	return int64(cap(d.Index))*4 + int64(cap(d.Values))*16 + int64(d.text) + int64(len(d.numbers))*numberBytes
}

func (d *Dict) reset() {
	d.Index = d.Index[:0]
	if len(d.Values) > maxDictValues || d.text > maxDictText {
		d.Values, d.numbers, d.text, d.Generation = nil, nil, 0, 0
	}
}

// Strings is a column of strings with many distinct values, one after the other in Data.
type Strings struct {
	Data []byte
	Ends []int // where row i ends in Data
}

// Append adds a row.
func (s *Strings) Append(v []byte) {
	s.Data = append(s.Data, v...)
	s.Ends = append(s.Ends, len(s.Data))
}

// At returns row i, valid until the column is reset or truncated.
func (s *Strings) At(i int) []byte {
	from := 0
	if i > 0 {
		from = s.Ends[i-1]
	}
	return s.Data[from:s.Ends[i]:s.Ends[i]]
}

func (s *Strings) memory() int64 { return int64(cap(s.Data)) + int64(cap(s.Ends))*8 }

func (s *Strings) grow(more int) {
	if n := len(s.Ends); n > 0 {
		s.Data = grow(s.Data, (len(s.Data)/n+1)*more)
	}
	s.Ends = grow(s.Ends, more)
}

// grow makes room for so many more and, unlike slices.Grow, for no more than that.
func grow[T any](s []T, more int) []T {
	if cap(s)-len(s) >= more {
		return s
	}
	return append(make([]T, 0, len(s)+more), s...)
}

func (s *Strings) truncate(n int) {
	if n == 0 {
		s.Data, s.Ends = s.Data[:0], s.Ends[:0]
		return
	}
	s.Data, s.Ends = s.Data[:s.Ends[n-1]], s.Ends[:n]
}
