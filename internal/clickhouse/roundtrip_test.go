package clickhouse

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

var equateRecords = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

// drawRecord draws a record as a decoder may make it, with strings that are not valid UTF-8 and that hold what ends
// literals, lines and C strings.
func drawRecord(t *rapid.T, offset int64) usage.Record {
	blob := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 12), rapid.Just([]byte("a'b\\c\t\n\x00\xff")), rapid.Just([]byte{}))
	text := rapid.Custom(func(t *rapid.T) string { return string(blob.Draw(t, "text")) })
	r := usage.Record{
		Offset: offset, Sub: rapid.Uint16().Draw(t, "sub"),
		TimeMillis: rapid.Int64Range(0, 4_000_000_000_000).Draw(t, "time"), KeyID: text.Draw(t, "key"), Source: text.Draw(t, "source"),
		RequestID: blob.Draw(t, "rid"), Method: text.Draw(t, "method"), Host: text.Draw(t, "host"), Route: text.Draw(t, "route"),
		Path: blob.Draw(t, "path"), Status: rapid.Uint16().Draw(t, "status"),
		LatencyMicros: rapid.Int64Range(0, 1<<32-1).Draw(t, "latency"), RequestBytes: rapid.Int64Min(0).Draw(t, "request"), ResponseBytes: rapid.Int64Min(0).Draw(t, "response"),
		UserAgent: text.Draw(t, "ua"), Agent: text.Draw(t, "agent"), Country: text.Draw(t, "country"),
		ASN: rapid.Uint32().Draw(t, "asn"), Flags: usage.Flags(rapid.Uint8().Draw(t, "flags")),
	}
	switch rapid.IntRange(0, 2).Draw(t, "ip") {
	case 1:
		r.ClientIP = netip.AddrFrom4([4]byte{10, 1, 2, rapid.Byte().Draw(t, "ip4")})
	case 2:
		r.ClientIP = netip.AddrFrom16([16]byte{0x20, 1, 15: rapid.Byte().Draw(t, "ip6")})
	}
	for _, name := range rapid.SliceOfNDistinct(text, 0, 3, rapid.ID).Draw(t, "units") {
		r.Units = append(r.Units, usage.Unit{Name: name, Value: rapid.Int64Min(0).Draw(t, "value")})
	}
	return r
}

func TestWhatIsInsertedReadsBackTheSame(t *testing.T) {
	db := openTest(t)
	var b usage.Batch // reused, so that its dictionaries hold values of earlier blocks
	var next int64
	rapid.Check(t, func(t *rapid.T) {
		b.Reset()
		from := next
		var want []usage.Record
		for range rapid.IntRange(0, 30).Draw(t, "n") {
			r := drawRecord(t, next)
			next++
			b.Append(&r)
			want = append(want, r)
		}
		if err := db.InsertEvents(t.Context(), testSpan(from, next), &b); err != nil {
			t.Fatal(err)
		}
		var got []usage.Record
		if err := db.ReadSpan(t.Context(), "logs", 3, from, next, func(r *usage.Record) error {
			kept := *r
			kept.RequestID, kept.Path, kept.Units = slices.Clone(r.RequestID), slices.Clone(r.Path), slices.Clone(r.Units)
			got = append(got, kept)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, equateRecords); d != "" {
			t.Fatalf("(-inserted +read):\n%s", d)
		}
	})
}

func TestTheSameRowsAreTheSameBytesWhateverTheDictionariesHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fresh, used usage.Batch
		for i := range rapid.IntRange(0, 20).Draw(t, "earlier") {
			r := drawRecord(t, int64(i))
			used.Append(&r)
		}
		used.Reset()
		for i := range rapid.IntRange(0, 20).Draw(t, "n") {
			r := drawRecord(t, int64(i))
			fresh.Append(&r)
			used.Append(&r)
		}
		var a, b encoder
		span := testSpan(0, 20)
		b.events(span, &used) // twice: neither may what the encoder wrote before show
		if x, y := a.events(span, &fresh), b.events(span, &used); !slices.Equal(x, y) {
			t.Fatalf("blocks differ:\n%q\n%q", x, y)
		}
	})
}

func TestStringsAreWrittenWholeWhateverTheirLength(t *testing.T) {
	lengths := rapid.SliceOf(rapid.SampledFrom([]int{0, 1, shortString - 1, shortString, shortString + 1, 127, 128, 1 << 14}))
	rapid.Check(t, func(t *rapid.T) {
		var s usage.Strings
		var plain, e encoder
		plain.header("path", "String")
		for i, n := range lengths.Draw(t, "lengths") {
			text := strings.Repeat(string(rune('a'+i%26)), n)
			s.Append([]byte(text))
			plain.text(text)
		}
		e.strings("path", &s)
		if !bytes.Equal(e.buf, plain.buf) {
			t.Fatalf("%q, want %q", e.buf, plain.buf)
		}
	})
}

func TestAWarmEncoderDoesNotAllocate(t *testing.T) {
	b := testBatch(5000, 0)
	var e encoder
	span := testSpan(0, 5000)
	e.events(span, b)
	if n := testing.AllocsPerRun(20, func() { e.events(span, b) }); n != 0 {
		t.Errorf("encoding 5000 rows allocated %v times", n)
	}
}

func TestValuesOutsideTheirColumnAreClamped(t *testing.T) {
	db := openTest(t)
	var b usage.Batch
	b.Append(&usage.Record{LatencyMicros: -1, RequestBytes: -5, ResponseBytes: -1, Units: []usage.Unit{{Name: "u", Value: -3}}})
	b.Append(&usage.Record{Offset: 1, LatencyMicros: 1 << 40})
	if err := db.InsertEvents(t.Context(), testSpan(0, 2), &b); err != nil {
		t.Fatal(err)
	}
	var got []usage.Record
	if err := db.ReadSpan(t.Context(), "logs", 3, 0, 2, func(r *usage.Record) error {
		kept := *r
		kept.RequestID, kept.Path, kept.Units = nil, nil, slices.Clone(r.Units)
		got = append(got, kept)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []usage.Record{{Units: []usage.Unit{{Name: "u"}}}, {Offset: 1, LatencyMicros: 1<<32 - 1}}
	if d := cmp.Diff(want, got, equateRecords); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
