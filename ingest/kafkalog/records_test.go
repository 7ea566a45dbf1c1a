package kafkalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"
)

// batch is a record batch to be written as brokers keep it.
type batch struct {
	base     int64
	last     int32 // delta of the last offset; 0: that of the last record
	values   []string
	deltas   []int32 // of the offsets; nil: 0, 1, 2...
	codec    uint16
	flags    uint16
	producer int64
}

func (b batch) bytes(t testing.TB) []byte {
	var records []byte
	last := b.last
	for i, v := range b.values {
		delta := int32(i)
		if b.deltas != nil {
			delta = b.deltas[i]
		}
		last = max(last, delta)
		r := []byte{0}
		r = binary.AppendVarint(r, int64(i)) // time
		r = binary.AppendVarint(r, int64(delta))
		r = binary.AppendVarint(r, 3)
		r = append(r, "key"...)
		if v == "null" {
			r = binary.AppendVarint(r, -1)
		} else {
			r = append(binary.AppendVarint(r, int64(len(v))), v...)
		}
		r = append(r, 2, 2, 'h', 2, 'v') // a header
		records = append(binary.AppendVarint(records, int64(len(r))), r...)
	}
	if b.codec != 0 {
		var packed bytes.Buffer
		w := kafka.Compression(b.codec).Codec().NewWriter(&packed)
		if _, err := w.Write(records); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		records = packed.Bytes()
	}
	out := make([]byte, batchHeader, batchHeader+len(records))
	be := binary.BigEndian
	be.PutUint64(out, uint64(b.base))
	be.PutUint32(out[batchLength:], uint32(batchHeader-batchLength-4+len(records)))
	out[batchMagic] = 2
	be.PutUint16(out[batchAttributes:], b.flags|b.codec)
	be.PutUint32(out[batchLastDelta:], uint32(last))
	be.PutUint64(out[batchProducer:], uint64(b.producer))
	be.PutUint32(out[batchCount:], uint32(len(b.values)))
	out = append(out, records...)
	be.PutUint32(out[batchCRC:], crc32.Checksum(out[batchAttributes:], castagnoli))
	return out
}

func logOf(t testing.TB, batches ...batch) []byte {
	var out []byte
	for _, b := range batches {
		out = append(out, b.bytes(t)...)
	}
	return out
}

// walk lists what a walk gives as offset=value, and the offset behind it.
func walk(t testing.TB, r *Records, a *Answer, offset int64) (string, int64) {
	t.Helper()
	var got []string
	for r.Over(a, offset); r.Next(); {
		v := string(r.Value)
		if r.Value == nil {
			v = "null"
		}
		got = append(got, fmt.Sprintf("%d=%s", r.Offset, v))
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return strings.Join(got, " "), r.After()
}

func TestAWalkGivesEveryRecordOnce(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	var r Records // one for all: what is left in its buffers must not matter
	for _, c := range []struct {
		name    string
		batches []batch
		from    int64
		want    string
		after   int64
	}{
		{"nothing", nil, 7, "", 7},
		{"in order", []batch{{base: 7, values: []string{"a", "b"}}, {base: 9, values: []string{"c"}}}, 7, "7=a 8=b 9=c", 10},
		{"from the middle of a batch", []batch{{base: 5, values: []string{"a", "b", "c"}}}, 6, "6=b 7=c", 8},
		{"from behind a batch", []batch{{base: 5, values: []string{"a"}}, {base: 6, values: []string{"b"}}}, 6, "6=b", 7},
		{"no value and an empty one", []batch{{base: 0, values: []string{"null", ""}}}, 0, "0=null 1=", 2},
		{"six bytes that look like a marker", []batch{{base: 0, values: []string{"\x00\x00\x00\x00\x00\x01"}}}, 0, "0=\x00\x00\x00\x00\x00\x01", 1},
		{"compacted", []batch{{base: 3, last: 9, values: []string{"a", "b"}, deltas: []int32{2, 5}}, {base: 13, values: []string{"c"}}}, 3, "5=a 8=b 13=c", 14},
		{"emptied by compaction", []batch{{base: 3, last: 9}, {base: 13, values: []string{"c"}}, {base: 14, last: 4}}, 3, "13=c", 19},
		{"gzip", []batch{{base: 0, values: []string{"a", long, "b"}, codec: codecGzip}}, 0, "0=a 1=" + long + " 2=b", 3},
		{"snappy", []batch{{base: 0, values: []string{"a", long, "b"}, codec: codecSnappy}}, 0, "0=a 1=" + long + " 2=b", 3},
		{"lz4", []batch{{base: 0, values: []string{"a", long, "b"}, codec: codecLZ4}}, 0, "0=a 1=" + long + " 2=b", 3},
		{"zstd", []batch{{base: 0, values: []string{"a", long, "b"}, codec: codecZstd}}, 0, "0=a 1=" + long + " 2=b", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := Answer{records: logOf(t, c.batches...)}
			got, after := walk(t, &r, &a, c.from)
			if got != c.want || after != c.after {
				t.Errorf("walked %.200s and on to %d, want %.200s and %d", got, after, c.want, c.after)
			}
			if next := a.Next(c.from); next != c.after {
				t.Errorf("the next fetch would be at %d, want %d", next, c.after)
			}
		})
	}
}

func TestAnAnswerThatEndsInsideABatchIsTakenUpToThere(t *testing.T) {
	whole := logOf(t, batch{base: 0, values: []string{"a"}}, batch{base: 1, values: []string{"b"}, codec: codecLZ4})
	first := len(logOf(t, batch{base: 0, values: []string{"a"}}))
	for cut := range len(whole) {
		a := Answer{records: whole[:cut]}
		var r Records
		want := ""
		if cut >= first {
			want = "0=a"
		}
		if got, after := walk(t, &r, &a, 0); got != want || after != a.Next(0) {
			t.Fatalf("%d of %d bytes: walked %q to %d, next %d", cut, len(whole), got, after, a.Next(0))
		}
		if a.Cut() != (cut > 0 && cut < first) {
			t.Fatalf("%d of %d bytes: Cut() = %v", cut, len(whole), a.Cut())
		}
	}
}

func TestAbortedTransactionsAndMarkersLeaveNothing(t *testing.T) {
	const tx, marker = attributeTransaction, attributeTransaction | attributeControl
	mark := []string{"\x00\x00\x00\x01"}
	a := Answer{
		records: logOf(t,
			batch{base: 0, values: []string{"plain"}},
			batch{base: 1, values: []string{"committed"}, flags: tx, producer: 1},
			batch{base: 2, values: []string{"aborted", "aborted too"}, flags: tx, producer: 2, codec: codecZstd},
			batch{base: 4, values: mark, flags: marker, producer: 1},
			batch{base: 5, values: []string{"aborted at last"}, flags: tx, producer: 2},
			batch{base: 6, values: []string{"between"}},
			batch{base: 7, values: mark, flags: marker, producer: 2},
			batch{base: 8, values: []string{"the same producer again"}, flags: tx, producer: 2},
			batch{base: 9, values: mark, flags: marker, producer: 2},
			batch{base: 10, values: []string{"aborted again"}, flags: tx, producer: 2},
			batch{base: 11, values: mark, flags: marker, producer: 2}),
		aborted: []abortedTransaction{{2, 2}, {2, 10}},
	}
	var r Records
	got, after := walk(t, &r, &a, 0)
	if want := "0=plain 1=committed 6=between 8=the same producer again"; got != want || after != 12 {
		t.Errorf("walked %s to %d, want %s to 12", got, after, want)
	}
	if r.Skipped != 8 {
		t.Errorf("%d were skipped, want 8", r.Skipped)
	}
	// Asked for from inside: the broker names transactions that began earlier.
	if got, _ := walk(t, &r, &Answer{records: a.records[len(logOf(t, batch{base: 0, values: []string{"plain"}})):], aborted: a.aborted}, 5); got != "6=between 8=the same producer again" {
		t.Errorf("from offset 5: %s", got)
	}
}

func TestADamagedBatchIsAnError(t *testing.T) {
	good := batch{base: 7, values: []string{"abcdef", "ghi"}, codec: codecLZ4}.bytes(t)
	for at := batchCRC; at < len(good); at++ {
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		var r Records
		for r.Over(&Answer{records: bad}, 7); r.Next(); {
			t.Fatalf("byte %d was changed, but %q was read", at, r.Value)
		}
		if !errors.Is(r.Err(), ErrCorrupt) || !strings.Contains(r.Err().Error(), "offset 7") || r.After() != 7 {
			t.Fatalf("byte %d was changed: %v, next offset %d", at, r.Err(), r.After())
		}
	}
	old := bytes.Clone(good)
	old[batchMagic] = 1
	var r Records
	if r.Over(&Answer{records: old}, 7); r.Next() || !errors.Is(r.Err(), ErrCorrupt) {
		t.Errorf("a batch of message format 1: %v", r.Err())
	}
}

func FuzzRecords(f *testing.F) {
	for codec := range uint16(6) {
		b := batch{base: 3, values: []string{"a", "bcd", "null"}}
		if codec <= codecZstd {
			b.codec = codec
		}
		f.Add(b.bytes(f), int64(3), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, offset int64, sound bool) {
		if size, _ := batchAt(b); sound && size > 0 { // else nearly nothing gets past the checksum
			b = bytes.Clone(b)
			binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchAttributes:size], castagnoli))
		}
		var r Records
		last, a := offset, Answer{records: b}
		for r.Over(&a, offset); r.Next(); {
			if r.Offset < last {
				t.Fatalf("offset %d after %d", r.Offset, last)
			}
			if last = r.Offset + 1; len(r.Value) > MaxBatchBytes {
				t.Fatal("a value larger than a batch")
			}
		}
		if r.After() < offset {
			t.Fatalf("went back from %d to %d", offset, r.After())
		}
		if r.Err() != nil {
			return
		}
		pieces := Records{Keep: 1}
		for pieces.Over(&a, offset); pieces.Next(); {
			if pieces.Offset < offset {
				t.Fatalf("offset %d, %d was asked for", pieces.Offset, offset)
			}
		}
		if pieces.Err() != nil || pieces.After() != r.After() {
			t.Fatalf("piece by piece: %v, on to %d; as a whole to %d", pieces.Err(), pieces.After(), r.After())
		}
	})
}

// linked is an LZ4 frame whose second block refers to the first, as some producers write them: eight bytes from eight back.
var linked = []byte("\x04\x22\x4d\x18\x40\x40\xc0" + "\x08\x00\x00\x80abcdefgh" + "\x09\x00\x00\x00\x04\x08\x00\x50vwxyz" + "\x00\x00\x00\x00")

func TestLinkedBlocksAreUnpacked(t *testing.T) {
	for _, before := range []string{"", "what an earlier frame held"} {
		got, err := lz4Frames([]byte(before), linked, MaxBatchBytes)
		if err != nil || string(got) != before+"abcdefghabcdefghvwxyz" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestWhateverTheLibraryPacksIsUnpacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want, frames []byte
		for range rapid.IntRange(1, 3).Draw(t, "frames") {
			part := bytes.Repeat([]byte(rapid.StringN(0, 300, -1).Draw(t, "text")), rapid.SampledFrom([]int{1, 3, 1000, 30_000}).Draw(t, "times"))
			var packed bytes.Buffer
			w := lz4.NewWriter(&packed)
			if err := w.Apply(
				lz4.BlockSizeOption(rapid.SampledFrom([]lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb}).Draw(t, "block")),
				lz4.BlockChecksumOption(rapid.Bool().Draw(t, "block checksums")), lz4.ChecksumOption(rapid.Bool().Draw(t, "checksum")),
			); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(part)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want, frames = append(want, part...), append(frames, packed.Bytes()...)
		}
		if got, err := lz4Frames(nil, frames, MaxBatchBytes); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, %v; %d were packed", len(got), err, len(want))
		}
	})
}

// The client library's reader takes some frames that are none, with references to before their start; ours need not.
func FuzzLZ4(f *testing.F) {
	f.Add(linked)
	for _, text := range []string{"", "a", strings.Repeat("abc", 50_000)} {
		var packed bytes.Buffer
		w := kafka.Lz4.Codec().NewWriter(&packed)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		f.Add(packed.Bytes())
		f.Add(append(packed.Bytes(), linked...))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, err := lz4Frames(nil, packed, MaxBatchBytes)
		r := kafka.Lz4.Codec().NewReader(bytes.NewReader(packed))
		defer r.Close()
		want, wantErr := io.ReadAll(r)
		if err == nil && wantErr == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes; the library gives %d", len(got), len(want))
		}
	})
}

func TestAWarmWalkAllocatesNothing(t *testing.T) {
	var values []string
	for i := range 500 {
		values = append(values, fmt.Sprintf(`{"number":%d,"text":"%s"}`, i, strings.Repeat("abc", i%50)))
	}
	for codec := range uint16(5) {
		if codec == codecGzip || codec == codecSnappy {
			continue // by way of readers
		}
		r := Records{Keep: 1 << 20}
		a := Answer{records: logOf(t, batch{base: 0, values: values, codec: codec}, batch{base: 500, values: values, codec: codec})}
		if n := testing.AllocsPerRun(20, func() {
			for r.Over(&a, 0); r.Next(); {
			}
		}); n > 0 {
			t.Errorf("codec %d: %v allocations", codec, n)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf(`{"time":"2026-11-24T15:04:%02d.%03dZ","request_id":"%032x","path":"/v1/items/%d","status":200,"agent":"%s"}`, i%60, i, i*7919, i, strings.Repeat("ab ", 100)))
	}
	for codec := range uint16(5) {
		b.Run(kafka.Compression(codec).String(), func(b *testing.B) {
			var r Records
			a := Answer{records: logOf(b, batch{values: values, codec: codec})}
			b.ReportAllocs()
			for b.Loop() {
				for r.Over(&a, 0); r.Next(); {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(values)), "ns/record")
		})
	}
}
