package usage

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func drawRecord(t *rapid.T) Record {
	name := rapid.SampledFrom([]string{"", "a", "GET", "key_1", "DE"})
	blob := rapid.SliceOfN(rapid.Byte(), 0, 9)
	r := Record{
		Offset: rapid.Int64().Draw(t, "offset"), Sub: rapid.Uint16().Draw(t, "sub"),
		TimeMillis: rapid.Int64().Draw(t, "time"), KeyID: name.Draw(t, "key"), Source: name.Draw(t, "source"),
		RequestID: blob.Draw(t, "rid"), Method: name.Draw(t, "method"), Host: name.Draw(t, "host"),
		Route: name.Draw(t, "route"), Path: blob.Draw(t, "path"), Status: rapid.Uint16().Draw(t, "status"),
		UserAgent: name.Draw(t, "ua"), Agent: name.Draw(t, "agent"), Country: name.Draw(t, "country"),
		ASN: rapid.Uint32().Draw(t, "asn"), Flags: Flags(rapid.Uint8().Draw(t, "flags")),
	}
	if rapid.Bool().Draw(t, "v4") {
		r.ClientIP = netip.AddrFrom4([4]byte{10, 1, 2, rapid.Byte().Draw(t, "ip")})
	}
	if rapid.Bool().Draw(t, "re-keyed") {
		r.Origin = Origin{Partition: "access/3", Offset: rapid.Int64().Draw(t, "origin"), Sub: rapid.Uint16().Draw(t, "origin sub")}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "units") {
		r.Units = append(r.Units, Unit{Name: name.Draw(t, "unit"), Value: int64(i)})
	}
	return r
}

func TestBatchGivesBackWhatWasAppendedAndTruncateForgets(t *testing.T) {
	var b Batch // reused over all runs, as in production
	rapid.Check(t, func(t *rapid.T) {
		b.Reset()
		var want []Record
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			if rapid.IntRange(0, 5).Draw(t, "grow") == 0 {
				b.Grow(rapid.IntRange(0, 30).Draw(t, "to"))
			}
			r := drawRecord(t)
			b.Append(&r)
			want = append(want, r)
		}
		if len(want) > 0 {
			keep := rapid.IntRange(0, len(want)).Draw(t, "keep")
			b.Truncate(keep)
			want = want[:keep]
			r := drawRecord(t)
			b.Append(&r)
			want = append(want, r)
		}
		if b.Len() != len(want) {
			t.Fatalf("Len() = %d, want %d", b.Len(), len(want))
		}
		var got Record
		for i := range want {
			b.At(i, &got)
			if d := cmp.Diff(want[i], got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Fatalf("record %d (-want +got):\n%s", i, d)
			}
		}
	})
}

func TestABatchThatWasGrownTakesSoManyRecordsWithoutGrowing(t *testing.T) {
	var b Batch
	r := Record{KeyID: "key_1", Source: "edge", Method: "GET", Route: "/v1/x/{id}", Path: []byte("/v1/x/1"), RequestID: []byte("r")}
	b.Append(&r)
	b.Grow(1000)
	if n := testing.AllocsPerRun(1, func() {
		for range 400 { // it is run twice
			b.Append(&r)
		}
	}); n != 0 || b.Room() < 1000 {
		t.Errorf("%v allocations, room for %d", n, b.Room())
	}
}

func TestAppendDoesNotAllocateOnceWarm(t *testing.T) {
	var b Batch
	r := Record{KeyID: "key_1", Source: "edge", Method: "GET", Route: "/v1/x/{id}", Path: []byte("/v1/x/1"), RequestID: []byte("r"), Units: []Unit{{"input_tokens", 3}}}
	fill := func() {
		b.Reset()
		for range 1000 {
			b.Append(&r)
		}
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n != 0 {
		t.Errorf("a warm batch allocated %v times", n)
	}
}

func TestAddressesAreShortenedToTheirNetworks(t *testing.T) {
	var b Batch
	for _, ip := range []string{"203.0.113.77", "2001:db8:1:2::7", "::ffff:198.51.100.4", "203.0.113.77"} {
		b.Append(&Record{ClientIP: netip.MustParseAddr(ip)})
	}
	b.Append(&Record{})
	b.ShortenIPs(0)
	for i, want := range []string{"203.0.113.0", "2001:db8:1::", "198.51.100.0", "203.0.113.0", "invalid IP"} {
		if got := Addr(b.ClientIP[i]); got.String() != want {
			t.Errorf("address %d is %s, want %s", i, got, want)
		}
	}
	b.Append(&Record{ClientIP: netip.MustParseAddr("192.0.2.9")})
	b.ShortenIPs(b.Len())
	if got := Addr(b.ClientIP[5]).String(); got != "192.0.2.9" {
		t.Errorf("a row before the first was shortened to %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
		b.Reset()
		b.Append(&Record{ClientIP: a})
		b.ShortenIPs(0)
		if got, want := Addr(b.ClientIP[0]), Addr(AddrBytes(ShortenAddr(a))); got != want {
			t.Fatalf("%s in a column is %s, alone %s", a, got, want)
		}
	})
}
