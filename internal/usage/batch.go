package usage

import "net/netip"

// Batch holds records in columns; row i of every column belongs to record i. Columns may be read directly; they are
// changed only through the methods, except that enrichment sets Country, ASN and Agent and deduplication sets Flags.
type Batch struct {
	Offset []int64
	Sub    []uint16

	TimeMillis []int64
	KeyID      Dict
	Source     Dict
	RequestID  Strings

	Method Dict
	Host   Dict
	Route  Dict
	Path   Strings

	Status        []uint16
	LatencyMicros []int64
	RequestBytes  []int64
	ResponseBytes []int64

	ClientIP  [][16]byte // IPv6, IPv4 mapped into it; all zero when unknown
	UserAgent Dict
	Agent     Dict
	Country   Dict
	ASN       []uint32

	// The units of row i are those from UnitEnd[i-1] to UnitEnd[i].
	UnitEnd   []int
	UnitName  Dict
	UnitValue []int64

	Flags []Flags

	// Where re-keyed records were first written. The three are empty, or as long as the other columns.
	Origin       Dict // see [Origin]; "" for a record that was not re-keyed
	OriginOffset []int64
	OriginSub    []uint16
}

// Len returns the number of records.
func (b *Batch) Len() int { return len(b.TimeMillis) }

// Grow makes room for so many records altogether, so that columns need not grow, and be copied, again and again. The bytes
// of request ids and paths are reckoned by what those so far have. Units, which most records have none of, are left out.
func (b *Batch) Grow(records int) {
	more := records - b.Len()
	if more <= 0 {
		return
	}
	b.Offset, b.Sub, b.TimeMillis = grow(b.Offset, more), grow(b.Sub, more), grow(b.TimeMillis, more)
	b.RequestID.grow(more)
	b.Path.grow(more)
	b.Status, b.LatencyMicros = grow(b.Status, more), grow(b.LatencyMicros, more)
	b.RequestBytes, b.ResponseBytes = grow(b.RequestBytes, more), grow(b.ResponseBytes, more)
	b.ClientIP, b.ASN, b.Flags, b.UnitEnd = grow(b.ClientIP, more), grow(b.ASN, more), grow(b.Flags, more), grow(b.UnitEnd, more)
	for _, d := range b.dicts() {
		d.Index = grow(d.Index, more)
	}
}

// Room is how many records the columns can hold before they grow.
func (b *Batch) Room() int { return cap(b.Offset) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Truncate(0)
	for _, d := range b.Dicts() {
		d.reset()
	}
}

// Release empties the batch and gives its memory back. The dictionaries get new generations.
func (b *Batch) Release() { *b = Batch{} }

// Memory is how many bytes the columns and dictionaries hold, used or not. It looks at no record.
func (b *Batch) Memory() int64 {
	n := int64(cap(b.Offset)+cap(b.TimeMillis)+cap(b.LatencyMicros)+cap(b.RequestBytes)+cap(b.ResponseBytes)+cap(b.UnitEnd)+cap(b.UnitValue)+cap(b.OriginOffset))*8 +
		int64(cap(b.ClientIP))*16 + int64(cap(b.ASN))*4 + int64(cap(b.Sub)+cap(b.Status)+cap(b.OriginSub))*2 + int64(cap(b.Flags)) +
		b.RequestID.memory() + b.Path.memory()
	for _, d := range b.Dicts() {
		n += d.memory()
	}
	return n
}

// Truncate drops the records from n on, so that a line of which a later part is bad leaves nothing behind.
func (b *Batch) Truncate(n int) {
	b.Offset, b.Sub, b.TimeMillis = b.Offset[:n], b.Sub[:n], b.TimeMillis[:n]
	b.RequestID.truncate(n)
	b.Path.truncate(n)
	b.Status, b.LatencyMicros = b.Status[:n], b.LatencyMicros[:n]
	b.RequestBytes, b.ResponseBytes = b.RequestBytes[:n], b.ResponseBytes[:n]
	b.ClientIP, b.ASN, b.Flags = b.ClientIP[:n], b.ASN[:n], b.Flags[:n]
	units := 0
	if n > 0 {
		units = b.UnitEnd[n-1]
	}
	b.UnitEnd, b.UnitValue = b.UnitEnd[:n], b.UnitValue[:units]
	b.UnitName.Index = b.UnitName.Index[:units]
	for _, d := range b.dicts() {
		d.Index = d.Index[:n]
	}
	if len(b.OriginSub) > n {
		b.Origin.Index, b.OriginOffset, b.OriginSub = b.Origin.Index[:n], b.OriginOffset[:n], b.OriginSub[:n]
	}
}

func (b *Batch) dicts() [8]*Dict {
	return [8]*Dict{&b.KeyID, &b.Source, &b.Method, &b.Host, &b.Route, &b.UserAgent, &b.Agent, &b.Country}
}

// Dicts are all columns of few values: those of which every record has one, and those of units and origins.
func (b *Batch) Dicts() [10]*Dict {
	return [10]*Dict{&b.KeyID, &b.Source, &b.Method, &b.Host, &b.Route, &b.UserAgent, &b.Agent, &b.Country, &b.UnitName, &b.Origin}
}

// Append copies r into the batch.
func (b *Batch) Append(r *Record) {
	b.Offset = append(b.Offset, r.Offset)
	b.Sub = append(b.Sub, r.Sub)
	b.TimeMillis = append(b.TimeMillis, r.TimeMillis)
	b.KeyID.AppendString(r.KeyID)
	b.Source.AppendString(r.Source)
	b.RequestID.Append(r.RequestID)
	b.Method.AppendString(r.Method)
	b.Host.AppendString(r.Host)
	b.Route.AppendString(r.Route)
	b.Path.Append(r.Path)
	b.Status = append(b.Status, r.Status)
	b.LatencyMicros = append(b.LatencyMicros, r.LatencyMicros)
	b.RequestBytes = append(b.RequestBytes, r.RequestBytes)
	b.ResponseBytes = append(b.ResponseBytes, r.ResponseBytes)
	b.ClientIP = append(b.ClientIP, AddrBytes(r.ClientIP))
	b.UserAgent.AppendString(r.UserAgent)
	b.Agent.AppendString(r.Agent)
	b.Country.AppendString(r.Country)
	b.ASN = append(b.ASN, r.ASN)
	for _, u := range r.Units {
		b.UnitName.AppendString(u.Name)
		b.UnitValue = append(b.UnitValue, u.Value)
	}
	b.UnitEnd = append(b.UnitEnd, len(b.UnitValue))
	b.Flags = append(b.Flags, r.Flags)
	b.AppendOrigin(r.Origin.Partition, r.Origin.Offset, r.Origin.Sub)
}

// AppendOrigin says of the row that was just appended where it was first written; it is called for every row, with an
// empty partition where that is nowhere else. A batch without re-keyed records does without the columns.
func (b *Batch) AppendOrigin(partition string, offset int64, sub uint16) {
	if partition == "" && len(b.OriginSub) == 0 {
		return
	}
	for len(b.OriginSub) < len(b.Flags)-1 {
		b.Origin.AppendString("")
		b.OriginOffset, b.OriginSub = append(b.OriginOffset, 0), append(b.OriginSub, 0)
	}
	b.Origin.AppendString(partition)
	b.OriginOffset, b.OriginSub = append(b.OriginOffset, offset), append(b.OriginSub, sub)
}

// OriginAt returns where record i was first written; the zero Origin when it was not re-keyed.
func (b *Batch) OriginAt(i int) Origin {
	if len(b.OriginSub) == 0 {
		return Origin{}
	}
	return Origin{Partition: b.Origin.At(i), Offset: b.OriginOffset[i], Sub: b.OriginSub[i]}
}

// At reads record i into r, reusing r.Units. Byte slices of r are valid until the batch is reset or truncated.
func (b *Batch) At(i int, r *Record) {
	units := r.Units[:0]
	from, to := b.UnitSpan(i)
	for j := from; j < to; j++ {
		units = append(units, Unit{Name: b.UnitName.At(j), Value: b.UnitValue[j]})
	}
	*r = Record{
		Offset: b.Offset[i], Sub: b.Sub[i], TimeMillis: b.TimeMillis[i], KeyID: b.KeyID.At(i), Source: b.Source.At(i),
		RequestID: b.RequestID.At(i), Method: b.Method.At(i), Host: b.Host.At(i), Route: b.Route.At(i), Path: b.Path.At(i),
		Status: b.Status[i], LatencyMicros: b.LatencyMicros[i], RequestBytes: b.RequestBytes[i],
		ResponseBytes: b.ResponseBytes[i], ClientIP: Addr(b.ClientIP[i]), UserAgent: b.UserAgent.At(i),
		Agent: b.Agent.At(i), Country: b.Country.At(i), ASN: b.ASN[i], Units: units, Flags: b.Flags[i],
		Origin: b.OriginAt(i),
	}
}

// UnitSpan returns where the units of row i start and end in UnitName and UnitValue.
func (b *Batch) UnitSpan(i int) (from, to int) {
	if i > 0 {
		from = b.UnitEnd[i-1]
	}
	return from, b.UnitEnd[i]
}

// AddrBytes is the column form of an address: 16 bytes, all zero when unknown.
func AddrBytes(a netip.Addr) [16]byte {
	if !a.IsValid() {
		return [16]byte{}
	}
	return a.As16()
}

// Addr is the reverse of AddrBytes; the zero address comes back as invalid, an IPv4-mapped one as IPv4.
func Addr(b [16]byte) netip.Addr {
	if b == ([16]byte{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom16(b).Unmap()
}

// ShortenAddr returns the network of an address in its place: the /24 of IPv4, the /48 of IPv6.
func ShortenAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

// ShortenIPs replaces the clients' addresses of the rows from `from` on as [ShortenAddr] does.
func (b *Batch) ShortenIPs(from int) {
	for i := from; i < len(b.ClientIP); i++ {
		ip := &b.ClientIP[i]
		if [12]byte(ip[:12]) == [12]byte{10: 0xff, 11: 0xff} {
			ip[15] = 0
			continue
		}
		clear(ip[6:])
	}
}
