package clickhouse

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// LibraryEnv names the environment variable that points at the engine's library.
const LibraryEnv = "TOLLKEEPER_CLICKHOUSE_LIBRARY"

// LibraryError says that the embedded engine's library was not found, where it was looked for and what to do.
type LibraryError struct {
	// Named is the path that a setting or the environment named and that holds no file; empty when none was named.
	Named string
	// Tried are the places that were searched.
	Tried []string
}

func (e *LibraryError) Error() string {
	if e.Named != "" {
		return fmt.Sprintf("the embedded ClickHouse engine is not at %s; correct that path, or unset it and run `make engine`, or point --clickhouse at a server", e.Named)
	}
	return fmt.Sprintf("the embedded ClickHouse engine is missing (looked in %s); run `make engine`, or set %s to libchdb.so, or point --clickhouse at a server",
		strings.Join(e.Tried, ", "), LibraryEnv)
}

// FindLibrary returns the path of the engine's library: explicit when it is given, else $TOLLKEEPER_CLICKHOUSE_LIBRARY,
// else the first found in .cache/engine beside the executable and its parent folders, beside the working folder and its
// parents, and in tollkeeper/engine of the user's cache folder. The error is a [*LibraryError].
func FindLibrary(explicit, executable string) (string, error) {
	for _, named := range []string{explicit, os.Getenv(LibraryEnv)} {
		if named == "" {
			continue
		}
		if isFile(named) {
			return filepath.Abs(named)
		}
		return "", &LibraryError{Named: named}
	}
	file := libraryFile()
	var tried []string
	try := func(folder string) (string, bool) {
		path := filepath.Join(folder, file)
		for _, t := range tried {
			if t == folder {
				return "", false
			}
		}
		tried = append(tried, folder)
		return path, isFile(path)
	}
	starts := make([]string, 0, 2)
	if executable == "" {
		executable, _ = os.Executable()
	}
	if real, err := filepath.EvalSymlinks(executable); err == nil {
		starts = append(starts, filepath.Dir(real))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if path, ok := try(filepath.Join(dir, ".cache", "engine")); ok {
				return path, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	if cache, err := os.UserCacheDir(); err == nil {
		if path, ok := try(filepath.Join(cache, "tollkeeper", "engine")); ok {
			return path, nil
		}
	}
	// Every parent of both folders was tried; naming the nearest ones is enough for a reader.
	short := make([]string, 0, 3)
	for _, start := range starts {
		short = append(short, filepath.Join(start, ".cache", "engine")+" and above")
	}
	if len(tried) > 0 {
		short = append(short, tried[len(tried)-1])
	}
	return "", &LibraryError{Tried: short}
}

// libraryFile is where npm puts the library below its folder, on this platform.
func libraryFile() string {
	platform := runtime.GOOS + "-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS == "linux" {
		platform += "-gnu"
	}
	return filepath.Join("node_modules", "@chdb", "lib-"+platform, "libchdb.so")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
