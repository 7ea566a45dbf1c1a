package keys_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestKeysHaveAPrefixAndAChecksumThatFindsEveryTypingError(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	_, live := issue(t, s, keys.New{})
	_, test := issue(t, s, keys.New{Environment: keys.Test})
	if !strings.HasPrefix(live, "tk_live_") || !strings.HasPrefix(test, "tk_test_") || len(live) != 36 {
		t.Fatalf("keys look like %q and %q", live, test)
	}
	rapid.Check(t, func(t *rapid.T) {
		key := []byte(rapid.SampledFrom([]string{live, test}).Draw(t, "key"))
		if !keys.WellFormed(string(key)) {
			t.Fatal("a key that was issued is not well formed")
		}
		at := rapid.IntRange(0, len(key)-1).Draw(t, "at")
		to := rapid.Byte().Draw(t, "to")
		if key[at] == to {
			return
		}
		key[at] = to
		if keys.WellFormed(string(key)) {
			t.Fatalf("with character %d changed it is still well formed", at)
		}
	})
}

func FuzzWellFormed(f *testing.F) {
	f.Add("tk_live_0123456789abcdefghijkl000000")
	f.Add("tk_test_")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if keys.WellFormed(s) && len(s) != 36 {
			t.Errorf("%q is well formed", s)
		}
	})
}

func TestPepperFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pepper")
	first, err := keys.LoadPepper(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the new file: %v, %v", info, err)
	}
	again, err := keys.LoadPepper(path)
	if err != nil || string(again.Derive("x")) != string(first.Derive("x")) {
		t.Fatalf("read again it is another pepper: %v", err)
	}
	if version, err := keys.ExtendPepper(path); version != 2 || err != nil {
		t.Fatal(version, err)
	}
	extended, err := keys.LoadPepper(path)
	if err != nil || string(extended.Derive("x")) != string(first.Derive("x")) || string(extended.Derive("y")) == string(first.Derive("x")) {
		t.Fatalf("extended it derives other secrets: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.LoadPepper(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that all may read: %v", err)
	}
	if _, err := keys.ExtendPepper(filepath.Join(t.TempDir(), "pepper")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file was extended: %v", err)
	}
	if _, err := keys.LoadPepper(filepath.Join(t.TempDir(), "no", "pepper")); err == nil || !strings.Contains(err.Error(), "must exist and be writable") {
		t.Errorf("a missing folder: %v", err)
	}
}

func TestParsePepperRefusesWithoutQuoting(t *testing.T) {
	digits := strings.Repeat("5e", 32)
	for name, text := range map[string]string{
		"empty":        "# nothing\n",
		"no number":    digits + "\n",
		"short":        "1 " + digits[:62] + "\n",
		"no digits":    "1 " + strings.Repeat("zz", 32) + "\n",
		"out of order": "2 " + digits + "\n1 " + digits + "\n",
		"version 0":    "0 " + digits + "\n",
	} {
		if _, err := keys.ParsePepper([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "5e5e") {
			t.Errorf("%s: the message quotes the secret: %v", name, err)
		}
	}
}
