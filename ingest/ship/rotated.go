package ship

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// maxFinished bounds how many files are remembered that were shipped to their end.
	maxFinished = 64
	// clockSlack is how much a file system's times may differ from the program's.
	clockSlack = time.Second
)

// finished remembers a file that was shipped to its end, so that neither it nor a copy of it is taken for one that was missed.
type finished struct {
	Head  string `json:"head"`
	HeadN int64  `json:"head_len"`
}

// beside lists the log's rotated files that can be read, the shortest name first.
func (t *tail) beside(except string) []string {
	names, _ := filepath.Glob(globEscape(t.cfg.File) + "*")
	slices.SortFunc(names, func(a, b string) int { return len(a) - len(b) })
	return slices.DeleteFunc(names, func(name string) bool {
		return name == except || strings.HasPrefix(name, t.cfg.StateFile) ||
			slices.Contains([]string{".gz", ".bz2", ".xz", ".zst"}, filepath.Ext(name))
	})
}

// missed opens the files that came and were rotated away since then without having been looked at, oldest first: Kafka or
// this program was away for longer than a rotation, or a file was copied and truncated before its first line was read.
func (t *tail) missed(since time.Time) {
	type candidate struct {
		*tailed
		at time.Time
	}
	var found []candidate
	current := t.headNow()
	for _, name := range t.beside(t.cfg.File) {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 || info.ModTime().Before(since.Add(-clockSlack)) {
			f.Close()
			continue
		}
		c := candidate{&tailed{f: f, fresh: true, left: t.cfg.Now()}, info.ModTime()}
		c.Device, c.Inode = inode(info)
		// A file whose first line is not whole, or is that of the log itself, is a copy being made: what it holds is read
		// from the log, or from here when the log is truncated before that.
		if c.identify(); !c.whole() || current == (finished{c.Head, c.HeadN}) || t.knows(c.tailed, info) {
			f.Close()
			continue
		}
		found = append(found, c)
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.at.Compare(b.at) })
	for i, c := range found {
		t.log.Info("found a rotated log that was not shipped", "file", c.f.Name())
		t.files = slices.Insert(t.files, i, c.tailed)
	}
}

// whole says whether the head that identifies a file cannot grow any more.
func (f *tailed) whole() bool {
	if f.HeadN == headBytes {
		return true
	}
	last := make([]byte, 1)
	_, err := f.f.ReadAt(last, f.HeadN-1)
	return err == nil && last[0] == '\n'
}

// headNow is how the file under the log's name begins.
func (t *tail) headNow() finished {
	f, err := os.Open(t.cfg.File)
	if err != nil {
		return finished{}
	}
	defer f.Close()
	now := tailed{f: f}
	now.identify()
	return finished{now.Head, now.HeadN}
}

// knows says whether a file is being shipped or was, under this name or another, or is a copy of one.
func (t *tail) knows(f *tailed, info fs.FileInfo) bool {
	for _, k := range t.files {
		if was, err := k.f.Stat(); err == nil && os.SameFile(was, info) || k.HeadN > 0 && k.HeadN == f.HeadN && k.Head == f.Head {
			return true
		}
	}
	return slices.Contains(t.finished, finished{f.Head, f.HeadN})
}

// finish lets a file go that was shipped to its end.
func (t *tail) finish(f *tailed) {
	f.f.Close()
	t.dirty = true
	if f.HeadN == 0 {
		return
	}
	t.finished = append(t.finished, finished{f.Head, f.HeadN})
	t.finished = t.finished[max(0, len(t.finished)-maxFinished):]
}
