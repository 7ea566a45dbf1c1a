package enrich

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
)

// ranges is a table of address ranges with a number each: 12 bytes for a range of IPv4, 36 for one of IPv6.
type ranges struct {
	from4, to4, value4 []uint32
	first4             []uint32 // by the upper 16 bits of an address: where to start looking
	from6, to6         [][2]uint64
	value6             []uint32
	names              map[uint32]string
}

// parseRanges reads lines of start,end,value[,name]. value is parsed by the caller's function. Lines need not be in order.
// Where ranges overlap, as they do in real files, the one that starts later counts: it is the more special.
func parseRanges(text []byte, value func([]byte) (uint32, bool)) (*ranges, error) {
	r := &ranges{names: map[uint32]string{}}
	interned := map[string]string{}
	line := 0
	for len(text) > 0 {
		row := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			row, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		line++
		if row = bytes.TrimRight(row, "\r "); len(row) == 0 {
			continue
		}
		start, row, _ := bytes.Cut(row, []byte(","))
		end, row, _ := bytes.Cut(row, []byte(","))
		number, name, _ := bytes.Cut(row, []byte(","))
		from, err := netip.ParseAddr(string(unquoted(start)))
		to, err2 := netip.ParseAddr(string(unquoted(end)))
		v, ok := value(unquoted(number))
		switch {
		case err != nil || err2 != nil:
			return nil, fmt.Errorf("line %d: start and end are not addresses (files of addresses as numbers are not read)", line)
		case from.Is4() != to.Is4() || to.Less(from):
			return nil, fmt.Errorf("line %d: the range ends before it starts", line)
		case !ok:
			return nil, fmt.Errorf("line %d: the third column is no country code, or no network number: is it a file of the other kind?", line)
		}
		if from.Is4() {
			a, b := from.As4(), to.As4()
			r.from4 = append(r.from4, binary.BigEndian.Uint32(a[:]))
			r.to4 = append(r.to4, binary.BigEndian.Uint32(b[:]))
			r.value4 = append(r.value4, v)
		} else {
			r.from6 = append(r.from6, halves(from))
			r.to6 = append(r.to6, halves(to))
			r.value6 = append(r.value6, v)
		}
		if name = unquoted(name); len(name) > 0 {
			if _, known := r.names[v]; !known {
				s, ok := interned[string(name)]
				if !ok {
					s = string(name)
					interned[s] = s
				}
				r.names[v] = s
			}
		}
	}
	r.order()
	return r, nil
}

// order sorts, takes overlaps apart and makes the index.
func (r *ranges) order() {
	r.from4, r.to4, r.value4 = disjoint(r.from4, r.to4, r.value4, cmp.Compare[uint32],
		func(a uint32) uint32 { return a + 1 }, func(a uint32) uint32 { return a - 1 })
	r.from6, r.to6, r.value6 = disjoint(r.from6, r.to6, r.value6, compare128, next128, previous128)
	r.first4 = make([]uint32, 1<<16+1)
	at := 0
	for high := range r.first4 {
		for at < len(r.from4) && r.from4[at]>>16 < uint32(high) {
			at++
		}
		r.first4[high] = uint32(at)
	}
}

// disjoint returns the same ranges in order and without overlaps.
func disjoint[T any](from, to []T, value []uint32, compare func(a, b T) int, next, previous func(T) T) ([]T, []T, []uint32) {
	clean := true
	for i := 1; i < len(from) && clean; i++ {
		clean = compare(to[i-1], from[i]) < 0
	}
	if clean {
		return from, to, value
	}
	order := make([]int, len(from))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if c := compare(from[a], from[b]); c != 0 {
			return c
		}
		return compare(to[b], to[a]) // the wider one first, so that the narrower counts
	})
	var outFrom, outTo []T
	var outValue []uint32
	emit := func(a, b T, v uint32) {
		if compare(a, b) <= 0 {
			outFrom, outTo, outValue = append(outFrom, a), append(outTo, b), append(outValue, v)
		}
	}
	// open are the ranges that the sweep is inside of, the latest last; at is up to where it has come.
	var open []int
	var at T
	closeBefore := func(limit T, all bool) {
		for len(open) > 0 {
			top := open[len(open)-1]
			if !all && compare(to[top], limit) >= 0 {
				return
			}
			open = open[:len(open)-1]
			if compare(at, to[top]) <= 0 {
				emit(at, to[top], value[top])
				at = next(to[top])
				if compare(at, to[top]) < 0 {
					open = nil // the last of all addresses
				}
			}
		}
	}
	for _, i := range order {
		closeBefore(from[i], false)
		if len(open) > 0 && compare(at, from[i]) < 0 {
			emit(at, previous(from[i]), value[open[len(open)-1]])
		}
		at = from[i]
		open = append(open, i)
	}
	closeBefore(at, true)
	return outFrom, outTo, outValue
}

// find returns the value of the range that an address is in.
func (r *ranges) find(addr netip.Addr) (uint32, bool) {
	if addr.Is4() {
		b := addr.As4()
		ip := binary.BigEndian.Uint32(b[:])
		// The last range that starts at or before ip: among those that start with its upper 16 bits, or the one before.
		from, to := int(r.first4[ip>>16]), int(r.first4[ip>>16+1])
		i, found := slices.BinarySearch(r.from4[from:to], ip)
		if i += from; !found {
			i--
		}
		if i < 0 || ip > r.to4[i] {
			return 0, false
		}
		return r.value4[i], true
	}
	ip := halves(addr)
	i, found := slices.BinarySearchFunc(r.from6, ip, compare128)
	if !found {
		i--
	}
	if i < 0 || compare128(ip, r.to6[i]) > 0 {
		return 0, false
	}
	return r.value6[i], true
}

func halves(a netip.Addr) [2]uint64 {
	b := a.As16()
	return [2]uint64{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func compare128(a, b [2]uint64) int {
	for i := range a {
		if a[i] != b[i] {
			if a[i] < b[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func next128(a [2]uint64) [2]uint64 {
	if a[1]++; a[1] == 0 {
		a[0]++
	}
	return a
}

func previous128(a [2]uint64) [2]uint64 {
	if a[1]--; a[1] == math.MaxUint64 {
		a[0]--
	}
	return a
}

// unquoted takes a CSV value out of its quotes.
func unquoted(v []byte) []byte {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		return bytes.ReplaceAll(v[1:len(v)-1], []byte(`""`), []byte(`"`))
	}
	return v
}

// countryRanges and networkRanges are the two uses of the table.
type (
	countryRanges struct{ *ranges }
	networkRanges struct{ *ranges }
)

func (c countryRanges) country(addr netip.Addr) (code [2]byte, ok bool) {
	v, ok := c.find(addr)
	return [2]byte{byte(v >> 8), byte(v)}, ok
}

func (n networkRanges) network(addr netip.Addr) (uint32, bool) { return n.find(addr) }

func (n networkRanges) name(asn uint32) string { return n.names[asn] }

func countryValue(v []byte) (uint32, bool) {
	code, ok := countryCode(string(v))
	return uint32(code[0])<<8 | uint32(code[1]), ok
}

func networkValue(v []byte) (uint32, bool) {
	n, err := strconv.ParseUint(string(bytes.TrimPrefix(v, []byte("AS"))), 10, 32)
	return uint32(n), err == nil
}

// countryCode takes two letters of any case.
func countryCode(s string) (code [2]byte, ok bool) {
	if len(s) != 2 {
		return code, false
	}
	for i := range code {
		if code[i] = s[i] &^ 0x20; code[i] < 'A' || code[i] > 'Z' {
			return code, false
		}
	}
	return code, true
}
