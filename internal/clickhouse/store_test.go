package clickhouse

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func testBatch(n int, offset int64) *usage.Batch {
	var b usage.Batch
	for i := range n {
		b.Append(&usage.Record{
			Offset: offset + int64(i), TimeMillis: 1795392000000 + int64(i), KeyID: fmt.Sprintf("key_%d", i%17), Source: "edge",
			RequestID: fmt.Appendf(nil, "req-%d", offset+int64(i)), Method: "GET", Host: "api.example.com", Route: "/v1/users/{id}",
			Path: fmt.Appendf(nil, "/v1/users/%d", i), Status: uint16(200 + 100*(i%4)), LatencyMicros: int64(i) * 10,
			RequestBytes: 10, ResponseBytes: int64(i), ClientIP: usage.Addr([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: byte(i)}),
			UserAgent: "curl/8", Agent: "curl", Country: "DE", ASN: 3320,
			Units: []usage.Unit{{Name: "input_tokens", Value: int64(i)}, {Name: "output_tokens", Value: 2}},
		})
	}
	return &b
}

func (db *DB) count(t testing.TB, sql string, args ...any) (n uint64) {
	t.Helper()
	if err := db.conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestABlockIsOnePartAndCountsOnce(t *testing.T) {
	db := openTest(t)
	for i, n := range []int{1, 1000, 200_000} {
		span := testSpan(int64(i)*1_000_000, int64(i)*1_000_000+int64(n))
		if landed, err := db.Landed(t.Context(), span); err != nil || landed {
			t.Fatalf("before: landed %v, %v", landed, err)
		}
		b := testBatch(n, span.From)
		for range 3 {
			t0 := time.Now()
			if err := db.InsertEvents(t.Context(), span, b); err != nil {
				t.Fatal(err)
			}
			t.Log(n, time.Since(t0))
		}
		if landed, err := db.Landed(t.Context(), span); err != nil || !landed {
			t.Fatalf("after: landed %v, %v", landed, err)
		}
	}
	if n := db.count(t, "SELECT count() FROM events"); n != 201_001 {
		t.Errorf("%d rows, want 201001", n)
	}
	if n := db.count(t, "SELECT count() FROM system.parts WHERE table = 'events' AND level = 0"); n != 3 {
		t.Errorf("%d parts, want 3", n)
	}
	last, found, err := db.LastOffset(t.Context(), "logs", 3)
	if err != nil || !found || last != 2_199_999 {
		t.Errorf("LastOffset = %d, %v, %v", last, found, err)
	}
}
