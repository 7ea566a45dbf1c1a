package clickhouse

import (
	"encoding/binary"
	"math"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The parts of a LowCardinality column in Native format: a version once per column; then per block what follows it: the
// type of the row numbers together with two bits that say that the block brings its own dictionary, the dictionary, and
// one number per row. (ClickHouse: src/DataTypes/Serializations/SerializationLowCardinality.cpp)
const (
	lowCardinalityVersion = 1
	ownDictionary         = 1<<9 | 1<<10
)

// dictEncoder renumbers a batch's dictionary for one block: only the values that the block uses, in order of their first
// use. It needs no hashing, only an array as long as the dictionary.
type dictEncoder struct {
	number []uint32 // by the batch's number: the block's, valid where seen has the current round
	seen   []uint32
	round  uint32
	used   []uint32 // by the block's number: the batch's
	rows   []uint32 // by row: the block's number
}

func (d *dictEncoder) renumber(values int, index []uint32) {
	if len(d.seen) < values {
		d.seen = append(d.seen, make([]uint32, values-len(d.seen))...)
		d.number = append(d.number, make([]uint32, values-len(d.number))...)
	}
	if d.round++; d.round == 0 { // every 4 billion columns
		clear(d.seen)
		d.round = 1
	}
	d.used = d.used[:0]
	if cap(d.rows) < len(index) {
		d.rows = make([]uint32, len(index), len(index)+len(index)/4)
	}
	d.rows = d.rows[:len(index)]
	seen, number := d.seen, d.number
	for row, i := range index {
		if seen[i] != d.round {
			seen[i] = d.round
			number[i] = uint32(len(d.used))
			d.used = append(d.used, i)
		}
		d.rows[row] = number[i]
	}
}

// lowCardinality writes a column of which a block has few distinct values.
func (e *encoder) lowCardinality(name string, d *usage.Dict) {
	e.header(name, typeLowCardinality)
	if len(d.Index) == 0 {
		return
	}
	e.uint64(lowCardinalityVersion)
	e.dictBody(d.Values, d.Index)
}

// dictBody writes the dictionary and the row numbers; nothing when there are no rows.
func (e *encoder) dictBody(values []string, index []uint32) {
	if len(index) == 0 {
		return
	}
	d := &e.dict
	d.renumber(len(values), index)
	width := numberWidth(len(d.used))
	e.uint64(ownDictionary | uint64(width))
	e.uint64(uint64(len(d.used)))
	for _, i := range d.used {
		e.text(values[i])
	}
	e.uint64(uint64(len(index)))
	switch width {
	case 0:
		to := e.grow(len(index))
		for i, v := range d.rows {
			to[i] = byte(v)
		}
	case 1:
		to := e.grow(2 * len(index))
		for i, v := range d.rows {
			binary.LittleEndian.PutUint16(to[2*i:], uint16(v))
		}
	default:
		e.uint32s(d.rows)
	}
}

// numberWidth is ClickHouse's name of the smallest type of row numbers: 0 for one byte, 1 for two, 2 for four.
func numberWidth(values int) uint64 {
	switch {
	case values <= math.MaxUint8+1:
		return 0
	case values <= math.MaxUint16+1:
		return 1
	}
	return 2
}

// constant writes a LowCardinality column that has the same value in all n rows.
func (e *encoder) constant(name, value string, n int) {
	e.header(name, typeLowCardinality)
	if n == 0 {
		return
	}
	e.uint64(lowCardinalityVersion)
	e.uint64(ownDictionary)
	e.uint64(1)
	e.text(value)
	e.uint64(uint64(n))
	clear(e.grow(n))
}
