package clickhouse

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLibrarySearch(t *testing.T) {
	put := func(path ...string) string {
		file := filepath.Join(append(path, libraryFile())...)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	root := t.TempDir()
	t.Setenv(LibraryEnv, "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, "cache"))
	t.Setenv("HOME", filepath.Join(root, "home"))
	work := filepath.Join(root, "work", "deep")
	executable := filepath.Join(root, "app", "bin", "tollkeeper")
	for _, dir := range []string{work, filepath.Dir(executable)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(executable, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(work)

	_, err := FindLibrary("", executable)
	var missing *LibraryError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "make engine") || !strings.Contains(err.Error(), work) {
		t.Errorf("nothing there: %v", err)
	}
	expect := func(name, want string) {
		t.Helper()
		if got, err := FindLibrary("", executable); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	expect("the user's cache", put(cache, "tollkeeper", "engine"))
	expect("above the working folder", put(root, "work", ".cache", "engine"))
	expect("beside the program's folder", put(root, "app", ".cache", "engine"))
	named := put(root, "named")
	t.Setenv(LibraryEnv, named)
	expect("the environment", named)
	t.Setenv(LibraryEnv, "/nowhere/libchdb.so")
	if _, err := FindLibrary("", executable); !errors.As(err, &missing) || missing.Named != "/nowhere/libchdb.so" {
		t.Errorf("a name in the environment that is not there: %v", err)
	}
	if got, err := FindLibrary(named, executable); err != nil || got != named {
		t.Errorf("the setting goes first: %s, %v", got, err)
	}
}
