package clickhouse

import (
	"fmt"
	"slices"
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

// A line may have been replayed yesterday, or on the day on which its dead letter was to be deleted at the latest.
func TestLinesThatLandedWithinSomeDaysAreFoundTogether(t *testing.T) {
	db := openTest(t)
	today := testSpan(0, 0).Day
	for offset, day := range map[int64]int32{5: today, 6: today - 1, 7: today - 14, 8: today - 15, 9: today + 1} {
		span := testSpan(offset, offset+1)
		span.Day = day
		if err := db.InsertEvents(t.Context(), span, testBatch(1, offset)); err != nil {
			t.Fatal(err)
		}
	}
	asked := []int64{4, 5, 6, 7, 8, 9}
	landed, err := db.LandedOffsets(t.Context(), testSpan(0, 0), 14, asked)
	slices.Sort(landed)
	if err != nil || !slices.Equal(landed, []int64{5, 6, 7}) {
		t.Errorf("landed: %v, %v", landed, err)
	}
	other := testSpan(0, 0)
	other.Epoch = "e2"
	if landed, err := db.LandedOffsets(t.Context(), other, 14, asked); err != nil || len(landed) != 0 {
		t.Errorf("in another epoch: %v, %v", landed, err)
	}
}
