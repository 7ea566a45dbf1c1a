package ship

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// foreignLines refused ones at the start, and no other, are most likely another format.
const foreignLines = 100

// packed are the beginnings of files that are no log, or not any more.
var packed = []struct{ magic, name string }{
	{"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"PK\x03\x04", "zip"},
}

// check refuses what cannot be tailed. A file that is missing may come.
func check(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return nil // Run says what it makes of that
	}
	if info.IsDir() {
		return fmt.Errorf("ship: %s is a folder; name the log file in it", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("ship: %w; give this user the right to read it", err)
	}
	defer f.Close()
	head := make([]byte, 8)
	n, _ := io.ReadFull(f, head)
	for _, p := range packed {
		if bytes.HasPrefix(head[:n], []byte(p.magic)) {
			return fmt.Errorf("ship: %s is packed with %s: a log that is still written to is not; put packed ones into ClickHouse with 'tollkeeper import'", name, p.name)
		}
	}
	return nil
}

// doubtFormat says once that the format looks wrong.
func (s *Shipper) doubtFormat() {
	if n := s.shipped.Load(); !s.doubted && n >= foreignLines {
		s.doubted = true
		if s.rejected.Load() >= n {
			s.log.Warn("not one of the first lines could be read; is --format right? 'tollkeeper formats' lists them", "lines", n, "format", s.dec.Name())
		}
	}
}

// finished says, when shipping is to end with the file, whether all complete lines have been read.
func (s *Shipper) finished(t *tail) bool {
	if !s.cfg.Once || len(t.files) > 1 || !t.current {
		return s.cfg.Once && len(t.files) == 0
	}
	if cur := t.files[0]; len(cur.partial) > 0 {
		s.log.Warn("the last line has no newline yet; it follows with the next start", "bytes", len(cur.partial))
	}
	return true
}

// tell reports how far the file under the log's own name has been shipped.
func (s *Shipper) tell(t *tail) {
	if s.cfg.Progress == nil || !t.current {
		return
	}
	cur := t.files[len(t.files)-1]
	if info, err := cur.f.Stat(); err == nil {
		s.cfg.Progress(min(cur.Offset, info.Size()), info.Size())
	}
}
