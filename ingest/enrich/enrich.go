// Package enrich adds to the records of a batch what their addresses and user agents tell: country, network (autonomous
// system) and family of the client.
//
// Countries and networks come from files: MaxMind's format (MaxMind, DB-IP, IPinfo), or the CSV of @ip-location-db. They are
// read into memory and read again when they change; a file that cannot be read leaves the old data in use. What the files do
// not tell, and private and other special addresses, stay unknown: nothing is guessed.
//
// [Enricher.Fill] does no I/O, does not block, allocates nothing once warm, and is safe for concurrent use with different
// batches. Its caches are bounded: 32,768 addresses and 65,536 user agents per concurrently filled batch.
package enrich

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Config of New. Without files there are client families only.
type Config struct {
	// CountryFiles and ASNFiles are asked in this order: the first file that knows an address counts. By their endings they
	// are .mmdb (MaxMind's format) or .csv (start,end,country code and start,end,number,name).
	CountryFiles []string
	ASNFiles     []string
	// Logger hears of files that were read again and of those that could not be; required when files are watched.
	Logger *slog.Logger
}

// Enricher fills in country, network and client family.
type Enricher struct {
	logger *slog.Logger
	tables atomic.Pointer[tables]

	reload sync.Mutex // one reload at a time
	files  []*file    // guarded by reload

	mu   sync.Mutex
	free []*memory // guarded by mu; used longest ago first
}

// tables is one state of the data; it does not change.
type tables struct {
	number    uint32
	countries []countrySource
	networks  []networkSource
}

type countrySource interface {
	// country returns two capital letters, or false.
	country(netip.Addr) (code [2]byte, ok bool)
}

type networkSource interface {
	network(netip.Addr) (asn uint32, ok bool)
	name(asn uint32) string
}

// New reads the files. The error names the file and what is wrong with it.
func New(c Config) (*Enricher, error) {
	e := &Enricher{logger: c.Logger}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	for _, path := range c.CountryFiles {
		e.files = append(e.files, &file{path: path, kind: countries})
	}
	for _, path := range c.ASNFiles {
		e.files = append(e.files, &file{path: path, kind: networks})
	}
	var wrong []error
	for _, f := range e.files {
		if err := f.read(); err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("enrich: %w", errors.Join(wrong...))
	}
	e.publish()
	return e, nil
}

// Network returns the name of an autonomous system, "" when it is not known. A file in MaxMind's format gives the names
// only of systems that were looked up since it was read.
func (e *Enricher) Network(asn uint32) string {
	for _, n := range e.tables.Load().networks {
		if name := n.name(asn); name != "" {
			return name
		}
	}
	return ""
}

// Lookup returns country and network of one address, "" and 0 when unknown.
func (e *Enricher) Lookup(addr netip.Addr) (country string, asn uint32) {
	code, asn := e.tables.Load().lookup(addr.Unmap())
	if code == 0 {
		return "", asn
	}
	return codeText(code), asn
}

// Fill sets Country, ASN and Agent of the records from number from on.
func (e *Enricher) Fill(b *usage.Batch, from int) {
	m := e.take(b)
	m.follow(b)
	t := e.tables.Load()
	for i := from; i < b.Len(); i++ {
		entry := m.address(t, &b.ClientIP[i])
		b.ASN[i] = entry.asn
		b.Country.Index[i] = m.countryNumber(&b.Country, entry.country)
		b.Agent.Index[i] = m.agentNumber(b, b.UserAgent.Index[i])
	}
	e.put(m)
}

// maxMemories bounds the caches that are kept: one for each batch that is filled at the same time.
const maxMemories = 64

// take finds the caches that served this batch before, or the ones that were used longest ago.
func (e *Enricher) take(b *usage.Batch) *memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, m := range e.free {
		if m.batch == b {
			e.free = append(e.free[:i], e.free[i+1:]...)
			return m
		}
	}
	if len(e.free) == maxMemories {
		m := e.free[0]
		e.free = append(e.free[:0], e.free[1:]...)
		m.batch = b
		return m
	}
	return &memory{batch: b, addresses: make([]addressEntry, addressSlots)}
}

func (e *Enricher) put(m *memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free) < maxMemories {
		e.free = append(e.free, m)
	}
}

// lookup returns the country as a number, 0 for none: see codeNumber.
func (t *tables) lookup(addr netip.Addr) (code uint16, asn uint32) {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || sharedSpace.Contains(addr) {
		return 0, 0
	}
	for _, s := range t.countries {
		if c, ok := s.country(addr); ok {
			code = codeNumber(c)
			break
		}
	}
	for _, s := range t.networks {
		if n, ok := s.network(addr); ok {
			asn = n
			break
		}
	}
	return code, asn
}

// sharedSpace is that of carriers' NAT (RFC 6598): not private by name, but nobody's.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// codeNumber packs two letters into 1 to 676; 0 is no country.
func codeNumber(c [2]byte) uint16 { return uint16(c[0]-'A')*26 + uint16(c[1]-'A') + 1 }

func codeText(n uint16) string {
	n--
	return string([]byte{'A' + byte(n/26), 'A' + byte(n%26)})
}

const (
	addressSlots = 1 << 15
	codes        = 26*26 + 1
)

// memory is what one batch's owner remembers between fills.
type memory struct {
	batch     *usage.Batch
	addresses []addressEntry

	// What follows holds for these generations of the batch's dictionaries. Numbers are one more than the dictionary's; 0 is none.
	userAgents, families, codes uint64
	countries                   [codes]uint32
	agents                      []uint32 // families of clients, by number in the dictionary of user agents
}

// follow forgets what was remembered of dictionaries that have begun anew. None of them is empty, for there are rows.
func (m *memory) follow(b *usage.Batch) {
	if m.userAgents != b.UserAgent.Generation || m.families != b.Agent.Generation {
		m.userAgents, m.families = b.UserAgent.Generation, b.Agent.Generation
		clear(m.agents)
	}
	if m.codes != b.Country.Generation {
		m.codes = b.Country.Generation
		clear(m.countries[:])
	}
}

// addressEntry is a slot of a direct-mapped cache: an address that falls on a taken slot replaces it.
type addressEntry struct {
	ip      [16]byte
	asn     uint32
	tables  uint32 // number of the tables it is from; 0 is an empty slot
	country uint16
}

func (m *memory) address(t *tables, ip *[16]byte) *addressEntry {
	h := binary.LittleEndian.Uint64(ip[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(ip[8:])*0xc2b2ae3d27d4eb4f
	e := &m.addresses[(h^h>>32)*0x9e3779b97f4a7c15>>(64-15)]
	if e.ip == *ip && e.tables == t.number {
		return e
	}
	e.ip, e.tables = *ip, t.number
	e.country, e.asn = t.lookup(netip.AddrFrom16(*ip).Unmap())
	return e
}

func (m *memory) countryNumber(d *usage.Dict, code uint16) uint32 {
	n := &m.countries[code]
	if *n == 0 {
		value := ""
		if code > 0 {
			value = codeText(code)
		}
		*n = numberOf(d, value) + 1
	}
	return *n - 1
}

// numberOf makes a dictionary give a value a number, without adding a row.
func numberOf(d *usage.Dict, value string) uint32 {
	d.AppendString(value)
	n := d.Index[len(d.Index)-1]
	d.Index = d.Index[:len(d.Index)-1]
	return n
}

// maxAgents and maxFamilies bound what callers can make us remember by sending ever new user agents.
const (
	maxAgents   = 1 << 16
	maxFamilies = 4096
)

func (m *memory) agentNumber(b *usage.Batch, number uint32) uint32 {
	if int(number) < len(m.agents) && m.agents[number] != 0 {
		return m.agents[number] - 1
	}
	family := Family(b.UserAgent.Values[number])
	if len(b.Agent.Values) >= maxFamilies {
		if _, known := b.Agent.Find([]byte(family)); !known {
			family = ""
		}
	}
	n := numberOf(&b.Agent, family)
	if number < maxAgents {
		for int(number) >= len(m.agents) {
			m.agents = append(m.agents, 0)
		}
		m.agents[number] = n + 1
	}
	return n
}
