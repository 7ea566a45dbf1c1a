package enrich

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// mmdbFile writes a file of MaxMind's format, version 2.0, with records of 24 bits: its format is at
// https://maxmind.github.io/MaxMind-DB. As in the publishers' files IPv4 lies below ::/96.
func mmdbFile(networks map[string]map[string]any) []byte {
	type node [2]int // -1: nothing; below -1: data at -2-offset
	nodes := []node{{-1, -1}}
	var data []byte
	for cidr, record := range networks {
		prefix := netip.MustParsePrefix(cidr)
		bits, ip := prefix.Bits(), prefix.Addr().As16()
		if prefix.Addr().Is4() {
			bits += 96
			ip = [16]byte(slices.Concat(make([]byte, 12), prefix.Addr().AsSlice()))
		}
		at := 0
		for i := range bits {
			side := int(ip[i/8] >> (7 - i%8) & 1)
			if i == bits-1 {
				nodes[at][side] = -2 - len(data)
				break
			}
			if nodes[at][side] < 0 {
				nodes = append(nodes, node{-1, -1})
				nodes[at][side] = len(nodes) - 1
			}
			at = nodes[at][side]
		}
		data = mmdbValue(data, record)
	}
	var out []byte
	for _, n := range nodes {
		for _, v := range n {
			switch {
			case v == -1:
				v = len(nodes)
			case v < -1:
				v = len(nodes) + 16 + -2 - v
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(append(out, make([]byte, 16)...), data...)
	return mmdbValue(append(out, "\xab\xcd\xefMaxMind.com"...), map[string]any{
		"node_count": uint32(len(nodes)), "record_size": uint16(24), "ip_version": uint16(6), "database_type": "Test", "languages": []string{"en"},
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1), "description": map[string]any{},
	})
}

func mmdbValue(out []byte, v any) []byte {
	const text, short, object, long, longer, list = 2, 5, 7, 6, 9, 11
	head := func(kind, size int) {
		if kind > 7 {
			out = append(out, byte(size), byte(kind-7))
			return
		}
		if size < 29 {
			out = append(out, byte(kind<<5|size))
			return
		}
		out = append(out, byte(kind<<5|29), byte(size-29))
	}
	switch v := v.(type) {
	case string:
		head(text, len(v))
		out = append(out, v...)
	case uint16:
		head(short, 2)
		out = binary.BigEndian.AppendUint16(out, v)
	case uint32:
		head(long, 4)
		out = binary.BigEndian.AppendUint32(out, v)
	case uint64:
		head(longer, 8)
		out = binary.BigEndian.AppendUint64(out, v)
	case []string:
		head(list, len(v))
		for _, s := range v {
			out = mmdbValue(out, s)
		}
	case map[string]any:
		head(object, len(v))
		for name, value := range v {
			out = mmdbValue(mmdbValue(out, name), value)
		}
	}
	return out
}

// Publishers name their fields differently. What a file does not say stays unknown.
func TestFilesOfEveryPublisherAreRead(t *testing.T) {
	country := func(code string) map[string]any {
		return map[string]any{"country": map[string]any{"iso_code": code, "geoname_id": uint32(7)}}
	}
	for name, c := range map[string]struct {
		countries, networks map[string]map[string]any
		wantName            string
	}{
		"MaxMind GeoLite2": {
			map[string]map[string]any{
				"8.8.8.0/24": {"continent": map[string]any{"code": "NA"}, "country": map[string]any{"iso_code": "US"}, "registered_country": map[string]any{"iso_code": "DE"}},
				"9.9.9.0/24": {"registered_country": map[string]any{"iso_code": "CH"}}, "2001:db9::/32": country("FR"),
			},
			map[string]map[string]any{
				"8.8.8.0/24":    {"autonomous_system_number": uint32(15169), "autonomous_system_organization": "Google LLC"},
				"2001:db9::/32": {"autonomous_system_number": uint32(64496)},
			},
			"Google LLC",
		},
		"IPinfo": {
			map[string]map[string]any{"8.8.8.0/24": {"country": "US", "continent": "NA"}, "2001:db9::/32": {"country": "FR"}},
			map[string]map[string]any{"8.8.8.0/24": {"asn": "AS15169", "name": "Google LLC"}, "9.9.9.0/24": {"asn": ""}, "2001:db9::/32": {"asn": "AS64496"}},
			"Google LLC",
		},
		"IPinfo Lite, one file for both": {
			map[string]map[string]any{"8.8.8.0/24": {"country_code": "US", "country": "United States", "asn": "AS15169", "as_name": "Google LLC"}, "2001:db9::/32": {"country_code": "FR", "asn": "AS64496"}},
			map[string]map[string]any{"8.8.8.0/24": {"country_code": "US", "country": "United States", "asn": "AS15169", "as_name": "Google LLC"}, "2001:db9::/32": {"country_code": "FR", "asn": "AS64496"}},
			"Google LLC",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			countries, networks := filepath.Join(dir, "country.mmdb"), filepath.Join(dir, "asn.mmdb")
			write(t, countries, string(mmdbFile(c.countries)), time.Now())
			write(t, networks, string(mmdbFile(c.networks)), time.Now())
			e, err := New(Config{CountryFiles: []string{countries}, ASNFiles: []string{networks}})
			if err != nil {
				t.Fatal(err)
			}
			for addr, want := range map[string]struct {
				country string
				asn     uint32
			}{
				"8.8.8.8": {"US", 15169}, "8.8.9.1": {"", 0}, "9.9.9.9": {"", 0}, "2001:db9::1": {"FR", 64496}, "2001:dba::1": {"", 0}, "::ffff:8.8.8.8": {"US", 15169},
			} {
				if cc, asn := e.Lookup(netip.MustParseAddr(addr)); cc != want.country || asn != want.asn {
					t.Errorf("%s is in %q, network %d; want %q, %d", addr, cc, asn, want.country, want.asn)
				}
			}
			if got := e.Network(15169); got != c.wantName {
				t.Errorf("network 15169 is of %q", got)
			}
		})
	}
}

// Operators put a new file in the old one's place once a week; one that is only half there must not be taken.
func TestAChangedFileOfMaxMindsFormatIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	now := time.Now()
	in := func(code string) string {
		return string(mmdbFile(map[string]map[string]any{"8.8.8.0/24": {"country_code": code}}))
	}
	write(t, path, in("DE"), now)
	e, err := New(Config{CountryFiles: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("8.8.8.8")
	expect := func(when, want string) {
		t.Helper()
		if cc, _ := e.Lookup(addr); cc != want {
			t.Errorf("%s: %q, want %q", when, cc, want)
		}
	}
	expect("at first", "DE")
	write(t, path, in("SE")[:100], now.Add(time.Second))
	if err := e.Reload(); err == nil {
		t.Error("half a file was taken")
	}
	expect("with half a file", "DE")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := e.Reload(); err == nil {
		t.Error("a file that is gone is no error")
	}
	expect("without a file", "DE")
	write(t, path, in("SE"), now.Add(2*time.Second))
	if err := e.Reload(); err != nil {
		t.Fatal(err)
	}
	expect("with the new file", "SE")
}
