package ship

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnceEndsWithTheFile(t *testing.T) {
	s := newShelf(t, "combined")
	s.append(combined(0, 5000)...)
	f, err := os.OpenFile(s.file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cfg := s.config()
	var done, total int64
	cfg.Once, cfg.Progress = true, func(d, all int64) {
		if d < done || d > all {
			t.Errorf("progress %d of %d after %d", d, all, done)
		}
		done, total = d, all
	}
	ship := func(lines int, more string) {
		t.Helper()
		if _, err := f.WriteString(more); err != nil {
			t.Fatal(err)
		}
		sh, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := sh.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ids, rejected := s.identities(); len(ids) != lines || distinct(ids) != lines || rejected != 0 {
			t.Errorf("%d lines shipped, %d distinct, %d refused; want %d", len(ids), distinct(ids), rejected, lines)
		}
	}
	ship(5000, combined(5000, 5001)[0][:30])
	if done != total-30 {
		t.Errorf("progress ends at %d of %d", done, total)
	}
	ship(5001, combined(5000, 5001)[0][30:]+"\n")
	ship(5001, "")
}

// A mistyped name would ship nothing, night after night, and call it done.
func TestOnceNeedsAFileOrWhatItWasRotatedTo(t *testing.T) {
	s := newShelf(t, "combined")
	run := func(file string) error {
		cfg := s.config()
		cfg.Once, cfg.File = true, file
		sh, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return sh.Run(t.Context())
	}
	if err := run(s.file + ".typo"); err == nil || !strings.Contains(err.Error(), "there is no file "+s.file+".typo") {
		t.Errorf("%v", err)
	}
	s.append(combined(0, 100)...)
	if err := run(s.file); err != nil {
		t.Fatal(err)
	}
	s.append(combined(100, 150)...)
	if err := os.Rename(s.file, s.file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := run(s.file); err != nil {
		t.Fatal(err)
	}
	if ids, _ := s.identities(); len(ids) != 150 || distinct(ids) != 150 {
		t.Errorf("%d lines shipped, %d distinct", len(ids), distinct(ids))
	}
}

func TestWhatIsNoLogIsNamed(t *testing.T) {
	s := newShelf(t, "combined")
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"folder": {func(p string) error { return os.Mkdir(p, 0o700) }, "is a folder"},
		"packed": {func(p string) error { return os.WriteFile(p, []byte("\x1f\x8b\x08rest"), 0o600) }, "tollkeeper import"},
	} {
		cfg := s.config()
		cfg.File = filepath.Join(t.TempDir(), "access.log")
		if err := c.make(cfg.File); err != nil {
			t.Fatal(err)
		}
		sh, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := sh.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), cfg.File) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
