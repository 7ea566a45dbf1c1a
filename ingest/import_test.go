package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func importConfig(s Store) ImportConfig {
	return ImportConfig{Store: s, NewDecoder: func() (Decoder, error) { return lineDecoder{}, nil }, BlockLines: 100}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImportAccountsForEveryLine(t *testing.T) {
	long := strings.Repeat("z", 2*usage.MaxLineBytes)
	for name, tc := range map[string]struct {
		content        string
		lines, letters int64
	}{
		"empty file":            {"", 0, 0},
		"no newline at the end": {"r1 1700000000000 k\nr2 1700000000000 k", 2, 0},
		"windows newlines":      {"r1 1700000000000 k\r\nbad\r\n", 2, 1},
		"empty lines":           {"\nr1 1700000000000 k\n\n", 3, 2},
		"a line over the bound": {"r1 1700000000000 k\n" + long + "\nr2 1700000000000 k\n", 3, 1},
		"ends in a long line":   {long, 1, 1},
		"several blocks":        {strings.Join(numbered(0, 1234), "\n"), 1234, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMemStore()
			got, err := Import(t.Context(), importConfig(s), writeFile(t, "a.log", tc.content))
			if err != nil {
				t.Fatal(err)
			}
			if got.Lines != tc.lines || got.DeadLetters != tc.letters || got.Events != tc.lines-tc.letters || got.ByStatus["200"] != got.Events {
				t.Errorf("summary %+v, want %d lines, %d dead letters", got, tc.lines, tc.letters)
			}
			if rows, _ := s.counted(); int64(rows) != got.Events || int64(len(s.letters)) != tc.letters {
				t.Errorf("stored %d rows and %d letters", rows, len(s.letters))
			}
		})
	}
}

func TestImportingAFileAgainAddsOnlyWhatIsMissing(t *testing.T) {
	content := strings.Join(numbered(0, 950), "\n") + "\nbad line\n"
	s := newMemStore()
	n := 0
	s.before = func(string, usage.Span) error {
		if n++; n == 5 {
			return errInjected
		}
		return nil
	}
	cfg := importConfig(s)
	if _, err := Import(t.Context(), cfg, writeFile(t, "a.log", content)); err == nil {
		t.Fatal("an error of the store was swallowed")
	}
	// Packed, elsewhere, under another name and on another day it is still the same file.
	cfg.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	for i, known := range []int64{400, 951} {
		var last int64
		cfg.Progress = func(done, total int64) {
			if done < last || done > total {
				t.Errorf("progress %d after %d of %d", done, last, total)
			}
			last = done
		}
		sum, err := Import(t.Context(), cfg, writeFile(t, "b.log.gz", gzipped(t, content)))
		if err != nil {
			t.Fatal(err)
		}
		if sum.Lines != 951 || sum.Events != 950 || sum.DeadLetters != 1 || sum.Known != known {
			t.Errorf("import %d: %+v, want %d known lines", i, sum, known)
		}
	}
	if rows, _ := s.counted(); rows != 950 || len(s.letters) != 1 {
		t.Errorf("%d rows and %d letters, want 950 and 1", rows, len(s.letters))
	}
}

func TestImportNamesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "none.log"), dir, writeFile(t, "x.gz", gzipped(t, "r1 1 k\n")[:15])} {
		if _, err := Import(t.Context(), importConfig(newMemStore()), name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Import(%s) = %v, want an error that names it", name, err)
		}
	}
}

func TestImportMarksRetriesInsideAFile(t *testing.T) {
	s := newMemStore()
	lines := append(numbered(0, 300), numbered(290, 300)...)
	sum, err := Import(t.Context(), importConfig(s), writeFile(t, "a.log", strings.Join(lines, "\n")))
	if err != nil || sum.Duplicates != 10 || sum.Unprotected != 0 {
		t.Fatalf("%+v, %v, want 10 duplicates and all with request ids", sum, err)
	}
	if _, counted := s.counted(); counted != 300 {
		t.Error(fmt.Sprint(counted, " rows count, want 300"))
	}
}

func TestImportCutsBlocksByTheBytesOfTheirLines(t *testing.T) {
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("r%d%s 1700000000000 k", i, strings.Repeat("x", 1000)))
	}
	name := writeFile(t, "a.log", strings.Join(lines, "\n"))
	cfg := importConfig(nil)
	cfg.BlockBytes = 10_000
	var cuts []string
	for range 2 {
		s := newMemStore()
		cfg.Store = s
		if _, err := Import(t.Context(), cfg, name); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range s.blocks {
			got = append(got, fmt.Sprint(b.From, "-", b.To))
		}
		if cuts = append(cuts, strings.Join(got, " ")); cuts[len(cuts)-1] != "0-10 10-20 20-30 30-40" {
			t.Errorf("blocks %s", cuts)
		}
	}
}

// An import that was broken off may have cut its blocks otherwise: by an older version, or with another setting.
func TestImportGoesOnBehindBlocksThatWereCutOtherwise(t *testing.T) {
	lines := numbered(0, 1000)
	for i := range lines {
		if i%7 == 3 {
			lines[i] = "bad line"
		}
	}
	name := writeFile(t, "a.log", strings.Join(lines, "\n"))
	for _, stopAfter := range []int{1, 2, 3, 5} {
		for _, other := range []int{30, 70, 400} {
			s := newMemStore()
			inserts := 0
			s.before = func(string, usage.Span) error {
				if inserts++; inserts > stopAfter {
					return errInjected
				}
				return nil
			}
			if _, err := Import(t.Context(), importConfig(s), name); !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
			s.before = nil
			cfg := importConfig(s)
			cfg.BlockLines = other
			if _, err := Import(t.Context(), cfg, name); err != nil {
				t.Fatal(err)
			}
			if got := offsetsOf(s, importEvents); len(got) != 857 || len(slices.Compact(got)) != 857 {
				t.Errorf("after %d inserts, then with blocks of %d lines: %d events are stored, want 857 once each", stopAfter, other, len(got))
			}
			places := map[int64]int{}
			for _, l := range s.letters {
				places[l.Offset]++
			}
			if len(places) != 143 {
				t.Errorf("after %d inserts, then with blocks of %d lines: %d dead letters, want 143", stopAfter, other, len(places))
			}
		}
	}
}

func TestImportReadsWhatIsPackedAndNamesWhatItDoesNot(t *testing.T) {
	content := strings.Join(numbered(0, 250), "\n") + "\n"
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	z.Write([]byte(content))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := newMemStore()
	for i, file := range []string{writeFile(t, "a.log", content), writeFile(t, "a.log.zst", packed.String()), writeFile(t, "odd-name", gzipped(t, content))} {
		sum, err := Import(t.Context(), importConfig(s), file)
		if err != nil || sum.Lines != 250 || (sum.Known == 250) != (i > 0) {
			t.Errorf("%s: %+v, %v", file, sum, err)
		}
	}
	if rows, _ := s.counted(); rows != 250 {
		t.Errorf("%d rows, want 250", rows)
	}
	for magic, want := range map[string]string{"PK\x03\x04": "zip", "BZh91AY": "bzip2", "\xfd7zXZ\x00\x00": "xz", "\x28\xb5\x2f\xfdno zstd": "zstd"} {
		if _, err := Import(t.Context(), importConfig(s), writeFile(t, "x.log", magic+"rest of it")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", magic, err)
		}
	}
}

func TestAFileOfAnotherFormatLeavesNothing(t *testing.T) {
	s := newMemStore()
	wrong := writeFile(t, "a.log", strings.Repeat("bad line\n", 100))
	if _, err := Import(t.Context(), importConfig(s), wrong); err == nil || !strings.Contains(err.Error(), "--format") || !strings.Contains(err.Error(), "bad_line") {
		t.Errorf("a file of another format: %v", err)
	}
	if len(s.letters) != 0 {
		t.Errorf("%d dead letters of it", len(s.letters))
	}
	few := writeFile(t, "b.log", strings.Repeat("bad line\n", 99))
	if sum, err := Import(t.Context(), importConfig(s), few); err != nil || sum.ByReason["bad_line"] != 99 {
		t.Errorf("a few broken lines: %+v, %v", sum, err)
	}
}

func TestADryImportCountsAndStoresNothing(t *testing.T) {
	cfg := importConfig(nil)
	cfg.Dry = true
	sum, err := Import(t.Context(), cfg, writeFile(t, "a.log", strings.Join(numbered(0, 1234), "\n")+"\nbad line\n"))
	if err != nil || sum.Lines != 1235 || sum.Events != 1234 || sum.DeadLetters != 1 || sum.ByReason["bad_line"] != 1 || sum.ByStatus["200"] != 1234 {
		t.Errorf("%+v, %v", sum, err)
	}
}
