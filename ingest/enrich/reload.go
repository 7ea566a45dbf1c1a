package enrich

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type fileKind uint8

const (
	countries fileKind = iota
	networks
)

// file is one source of data and the state of the file when it was read last.
type file struct {
	path    string
	kind    fileKind
	size    int64
	changed time.Time
	failed  error
	country countrySource
	network networkSource
}

// read reads a file whole: a file of MaxMind's format could be mapped, but one that is written over in place would then kill
// the process.
func (f *file) read() error {
	err := f.load()
	if err != nil {
		err = fmt.Errorf("%s: %w", f.path, err)
	}
	f.failed = err
	return err
}

func (f *file) load() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return errors.New("cannot be opened: is the path right? The default files are fetched by `make engine`")
	}
	f.size, f.changed = info.Size(), info.ModTime()
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	switch ending := strings.ToLower(filepath.Ext(f.path)); ending {
	case ".mmdb":
		m, err := openMMDB(content)
		if err != nil {
			return err
		}
		return f.take(m)
	case ".csv":
		value := networkValue
		if f.kind == countries {
			value = countryValue
		}
		r, err := parseRanges(content, value)
		if err != nil {
			return err
		}
		if len(r.from4)+len(r.from6) == 0 {
			return errors.New("holds no range: was it fetched whole?")
		}
		if f.kind == countries {
			f.country = countryRanges{r}
		} else {
			f.network = networkRanges{r}
		}
	default:
		return fmt.Errorf("files ending in %q are not read: use .mmdb or .csv", ending)
	}
	return nil
}

// take accepts a file of MaxMind's format that tells what it is named for.
func (f *file) take(m *mmdb) error {
	if n := (networkMMDB{m}); f.kind == networks {
		if !m.tells(n.readNetwork) {
			return errors.New("holds no network numbers: is it a file of another kind?")
		}
		f.network = n
		return nil
	}
	if !m.tells(readCountry) {
		return errors.New("holds no countries: is it a file of another kind?")
	}
	f.country = countryMMDB{m}
	return nil
}

// publish makes the files' data the one in use.
func (e *Enricher) publish() {
	t := &tables{number: 1}
	if old := e.tables.Load(); old != nil {
		if t.number = old.number + 1; t.number == 0 {
			t.number = 1 // 0 marks empty slots of the caches
		}
	}
	for _, f := range e.files {
		if f.country != nil {
			t.countries = append(t.countries, f.country)
		}
		if f.network != nil {
			t.networks = append(t.networks, f.network)
		}
	}
	e.tables.Store(t)
}

// Reload reads the files that changed since they were read last, by size and time of change. The error names those that
// cannot be read; of them the old data stays in use. A file is tried again when it changes again.
func (e *Enricher) Reload() error {
	e.reload.Lock()
	defer e.reload.Unlock()
	var wrong []error
	anew := false
	for _, f := range e.files {
		if info, err := os.Stat(f.path); err == nil && info.Size() == f.size && info.ModTime().Equal(f.changed) {
			wrong = append(wrong, f.failed)
			continue
		}
		if err := f.read(); err != nil {
			wrong = append(wrong, err)
			continue
		}
		anew = true
		e.logger.Info("address data read again", "file", f.path)
	}
	if anew {
		e.publish()
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("enrich: %w", err)
	}
	return nil
}

// Watch calls Reload at every tick until ctx ends. It logs an error once, and again when it is another one.
func (e *Enricher) Watch(ctx context.Context, ticks <-chan time.Time) {
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		err := e.Reload()
		if err == nil {
			said = ""
			continue
		}
		if text := err.Error(); text != said {
			said = text
			e.logger.Warn("address data cannot be read again; the old stays in use", "error", err)
		}
	}
}

// DefaultFiles returns the files of @ip-location-db below a node_modules folder, as far as they are there.
func DefaultFiles(nodeModules string) (countryFiles, asnFiles []string) {
	dir := filepath.Join(nodeModules, "@ip-location-db")
	for _, f := range []struct {
		to   *[]string
		path string
	}{
		{&countryFiles, filepath.Join(dir, "geo-whois-asn-country-mmdb", "geo-whois-asn-country.mmdb")},
		{&asnFiles, filepath.Join(dir, "asn", "asn-ipv4.csv")},
		{&asnFiles, filepath.Join(dir, "asn", "asn-ipv6.csv")},
	} {
		if _, err := os.Stat(f.path); err == nil {
			*f.to = append(*f.to, f.path)
		}
	}
	return countryFiles, asnFiles
}
