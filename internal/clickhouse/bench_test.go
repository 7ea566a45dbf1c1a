package clickhouse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// realisticBatch has the cardinalities of a gateway's log: 2000 keys of which few make most calls, 24 routes, 60 clients,
// distinct request ids, paths with ids in them, a third of the calls with units.
func realisticBatch(n int, offset int64) *usage.Batch {
	random := rand.New(rand.NewPCG(uint64(offset), 1))
	keys := rand.NewZipf(random, 1.3, 20, 1999)
	var b usage.Batch
	at := int64(1795392000000)
	for i := range n {
		at += random.Int64N(4)
		key, route := keys.Uint64(), random.IntN(24)
		r := usage.Record{
			Offset: offset + int64(i), TimeMillis: at, KeyID: fmt.Sprintf("key_%016x", key*2654435761), Source: "edge-1",
			RequestID: fmt.Appendf(nil, "%016x%016x", random.Uint64(), random.Uint64()), Method: []string{"GET", "GET", "POST", "DELETE"}[random.IntN(4)],
			Host: "api.example.com", Route: fmt.Sprintf("/v1/resource%d/{id}", route), Path: fmt.Appendf(nil, "/v1/resource%d/%d", route, random.IntN(100000)),
			Status: []uint16{200, 200, 200, 200, 201, 404, 429, 500}[random.IntN(8)], LatencyMicros: int64(math.Exp(random.NormFloat64() + 9)),
			RequestBytes: 200 + random.Int64N(400), ResponseBytes: int64(math.Exp(random.NormFloat64()*1.5 + 7)),
			ClientIP:  netip.AddrFrom4([4]byte{byte(key), byte(key >> 3), byte(random.IntN(4)), byte(random.IntN(256))}),
			UserAgent: fmt.Sprintf("client-library/%d.%d (linux)", key%20, key%3), Agent: "client-library", Country: []string{"DE", "US", "FR", "JP"}[key%4], ASN: uint32(key % 300),
		}
		if random.IntN(3) == 0 {
			r.Units = []usage.Unit{{Name: "input_tokens", Value: random.Int64N(4000)}, {Name: "output_tokens", Value: random.Int64N(1000)}}
		}
		b.Append(&r)
	}
	return &b
}

const benchRows = 100_000

func BenchmarkEncode(b *testing.B) {
	batch := realisticBatch(benchRows, 0)
	var e encoder
	span := testSpan(0, benchRows)
	b.SetBytes(int64(len(e.events(span, batch))))
	b.ReportAllocs()
	for b.Loop() {
		e.events(span, batch)
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkCompressForAServer(b *testing.B) {
	var e encoder
	block := e.events(testSpan(0, benchRows), realisticBatch(benchRows, 0))
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		if _, err := e.frames(block); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkInsertPrepared is the ceiling: encoded blocks into the real engine, which sorts, compresses, writes, syncs and
// merges them on the same processors.
func BenchmarkInsertPrepared(b *testing.B) {
	db := openTest(b)
	var blocks []PreparedBlock
	for i := range 4 {
		from := int64(i) * benchRows
		blocks = append(blocks, Prepare(testSpan(from, from+benchRows), realisticBatch(benchRows, from)))
	}
	b.SetBytes(int64(blocks[0].Bytes()))
	next, before := int64(0), processorSeconds(db.EnginePID())
	for b.Loop() {
		p := blocks[next%4]
		p.span.From, p.span.To = next*benchRows, (next+1)*benchRows // a token of its own
		next++
		if err := db.InsertPrepared(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((processorSeconds(db.EnginePID())-before)*1e6/float64(next*benchRows), "engine-cpu-s/Mrow")
}

// processorSeconds is what a process has used; benchmarks count it because the engine shares the processors with others.
func processorSeconds(pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return math.NaN() // elsewhere than on Linux
	}
	fields := strings.Fields(string(stat))
	user, _ := strconv.Atoi(fields[13])
	kernel, _ := strconv.Atoi(fields[14])
	return float64(user+kernel) / 100
}

// BenchmarkReadHistory is what a detector's warm start costs.
func BenchmarkReadHistory(b *testing.B) {
	db := openTest(b)
	for i := range int64(4) {
		if err := db.InsertEvents(b.Context(), testSpan(i*benchRows, (i+1)*benchRows), realisticBatch(benchRows, i*benchRows)); err != nil {
			b.Fatal(err)
		}
	}
	rows := 0
	for b.Loop() {
		if err := db.ReadSpan(b.Context(), "logs", 3, 0, 4*benchRows, func(*usage.Record) error { rows++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
