package clickhouse

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// ClickHouse writes a block's token before its part. A death between the two is made here by hand: the part is taken away
// while the engine is down. The new owner asks, inserts, and must not believe the acknowledgement.
func TestABlockThatIsKnownByItsTokenOnlyIsInsertedAgain(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	span := testSpan(0, 100)
	if err := db.InsertEvents(t.Context(), span, testBatch(100, 0)); err != nil {
		t.Fatal(err)
	}
	var path string
	if err := db.conn.QueryRow(t.Context(), "SELECT path FROM system.parts WHERE table = 'events' AND active").Scan(&path); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, "store", path)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}

	db, err = Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.InsertEvents(t.Context(), span, testBatch(100, 0)); err != nil {
		t.Fatal(err)
	}
	if n := db.count(t, "SELECT count() FROM events"); n != 0 {
		t.Fatalf("ClickHouse no longer trusts the token alone (%d rows): the check for suspects may go", n)
	}
	for range 2 {
		landed, err := db.Landed(t.Context(), span)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.InsertEvents(t.Context(), span, testBatch(100, 0)); err != nil {
			t.Fatal(err)
		}
		if n := db.count(t, "SELECT count() FROM events"); n != 100 {
			t.Errorf("%d rows after the repetition (landed before: %v), want 100", n, landed)
		}
	}
	left := map[string]bool{span.Token("dead_letters"): true, span.Token("holes"): true} // the span had none of either, so that nothing was inserted under them
	if !maps.Equal(db.suspects.tokens, left) {
		t.Errorf("suspects left: %v, want %v", db.suspects.tokens, left)
	}
}
