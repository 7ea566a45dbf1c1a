package enrich

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/oschwald/maxminddb-golang/v2"
)

// mmdb is a file of MaxMind's format, read as a country or as a network file. Publishers name their fields differently; the
// names are tried in turn, once for each record of the file that is met.
type mmdb struct {
	reader *maxminddb.Reader

	mu      sync.RWMutex
	records map[uintptr]mmdbRecord // by offset in the file; many networks share one; guarded by mu
	names   map[uint32]string      // guarded by mu
}

type mmdbRecord struct {
	code  [2]byte
	asn   uint32
	known bool
}

// maxMMDBRecords bounds the records that are remembered; then they are decoded again.
const maxMMDBRecords = 1 << 17

func openMMDB(content []byte) (*mmdb, error) {
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("not a file of MaxMind's format: %w", err)
	}
	return &mmdb{reader: reader, records: map[uintptr]mmdbRecord{}, names: map[uint32]string{}}, nil
}

// checkedNetworks is how many of a file's networks are looked at for what the file is read for. Real files know it of nearly all.
const checkedNetworks = 10_000

// tells says whether any of the first networks of the file has what it is read for. The other kind of file has none.
func (m *mmdb) tells(read func(maxminddb.Result) mmdbRecord) bool {
	n := 0
	for result := range m.reader.Networks() {
		if read(result).known {
			return true
		}
		if n++; n >= checkedNetworks {
			break
		}
	}
	return false
}

// lookup finds the record of an address and reads it unless it was read before.
func (m *mmdb) lookup(addr netip.Addr, read func(maxminddb.Result) mmdbRecord) mmdbRecord {
	result := m.reader.Lookup(addr)
	if result.Err() != nil || !result.Found() {
		return mmdbRecord{} // IPv6 in a file of IPv4, for one
	}
	offset := result.Offset()
	m.mu.RLock()
	record, ok := m.records[offset]
	m.mu.RUnlock()
	if ok {
		return record
	}
	record = read(result)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.records) >= maxMMDBRecords {
		clear(m.records)
	}
	m.records[offset] = record
	return record
}

type (
	countryMMDB struct{ *mmdb }
	networkMMDB struct{ *mmdb }
)

func (c countryMMDB) country(addr netip.Addr) ([2]byte, bool) {
	record := c.lookup(addr, readCountry)
	return record.code, record.known
}

// readCountry knows MaxMind and DB-IP (country.iso_code), ip-location-db and IPinfo Lite (country_code), IPinfo (country).
func readCountry(result maxminddb.Result) (record mmdbRecord) {
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var code string
		if result.DecodePath(&code, path...) == nil {
			if record.code, record.known = countryCode(code); record.known {
				return record
			}
		}
	}
	return record
}

func (n networkMMDB) network(addr netip.Addr) (uint32, bool) {
	record := n.lookup(addr, n.readNetwork)
	return record.asn, record.known
}

func (n networkMMDB) name(asn uint32) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.names[asn]
}

// readNetwork knows MaxMind and DB-IP (autonomous_system_number) and IPinfo (asn: "AS13335").
func (n networkMMDB) readNetwork(result maxminddb.Result) (record mmdbRecord) {
	if result.DecodePath(&record.asn, "autonomous_system_number") != nil || record.asn == 0 {
		var text string
		if result.DecodePath(&text, "asn") != nil || text == "" {
			return mmdbRecord{}
		}
		v, err := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32)
		if err != nil {
			return mmdbRecord{}
		}
		record.asn = uint32(v)
	}
	record.known = record.asn != 0
	for _, field := range []string{"autonomous_system_organization", "as_name", "name"} {
		var name string
		if result.DecodePath(&name, field) == nil && name != "" {
			n.mu.Lock()
			n.names[record.asn] = name
			n.mu.Unlock()
			break
		}
	}
	return record
}
