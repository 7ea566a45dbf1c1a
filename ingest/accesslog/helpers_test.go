package accesslog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// received is the clock of the tests: all fixtures are older.
var received = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// store is a key store that knows some keys.
type store struct {
	known map[string]string
	rest  KeyResolver
}

func (s store) Resolve(plaintext []byte) (string, bool) {
	if id, ok := s.known[string(plaintext)]; ok {
		return id, true
	}
	return s.rest.Resolve(plaintext)
}

func newStore(t testing.TB, known map[string]string) store {
	t.Helper()
	rest, err := NewHMACResolver([]byte("a pepper for the tests"))
	if err != nil {
		t.Fatal(err)
	}
	return store{known: known, rest: rest}
}

func newDecoder(t testing.TB, name string, o Options) Decoder {
	t.Helper()
	if o.Keys == nil {
		o.Keys = newStore(t, map[string]string{"tk_live_known": "key_known"})
	}
	if o.Now == nil {
		o.Now = func() time.Time { return received }
	}
	d, err := New(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decode decodes one line into records.
func decode(t testing.TB, d Decoder, line string) ([]usage.Record, error) {
	t.Helper()
	var b usage.Batch
	err := d.Decode([]byte(line), Origin{Source: "edge"}, &b)
	out := make([]usage.Record, b.Len())
	for i := range out {
		b.At(i, &out[i])
	}
	if err != nil && len(out) > 0 {
		t.Errorf("a rejected line left %d records behind", len(out))
	}
	return out, err
}

// one decodes a line that must be exactly one record.
func one(t testing.TB, d Decoder, line string) usage.Record {
	t.Helper()
	got, err := decode(t, d, line)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d records, error %v, of %s", len(got), err, line)
	}
	return got[0]
}

func reasonOf(err error) string {
	var r *Reject
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// sharedFile finds a file of the data that is shared by all tests.
func sharedFile(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("TOLLKEEPER_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	full := filepath.Join(append([]string{dir}, path...)...)
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("the tests need the shared test data: set TOLLKEEPER_SHARED to its folder: %v", err)
	}
	return full
}
