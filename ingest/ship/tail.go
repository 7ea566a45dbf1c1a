package ship

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const (
	readChunk = 256 << 10
	// headBytes of a file's start tell it from another of the same inode number, and find its copy.
	headBytes = 1024
)

// position is where reading a file stands. It is what the state file keeps.
type position struct {
	Inode  uint64 `json:"inode"`
	Device uint64 `json:"device"`
	Offset int64  `json:"offset"`
	ID     string `json:"id"`   // of the file, for request ids: how it begins
	Head   string `json:"head"` // hash of the first HeadLen bytes
	HeadN  int64  `json:"head_len"`
}

// tailed is one open file. A file that was renamed away is kept open until it has stopped growing.
type tailed struct {
	position
	f       *os.File
	partial []byte    // read, but not handed out; of an over-long line only its start
	read    int64     // offset behind partial
	left    time.Time // when it was last seen to grow, once it was renamed away
	fresh   bool      // no line of it was handed out yet
}

type tail struct {
	cfg       *Config
	log       *slog.Logger
	truncated prometheus.Counter
	files     []*tailed // the last is the one under the file's own name, if it exists
	chunk     []byte
	finished  []finished // files shipped to their end, the latest last
	looked    time.Time  // when the log was last seen to be the file that is read
	current   bool
	dirty     bool
	noted     state // what the state file says
}

// openTail reads the noted positions and finds their files again, under their old names or where they were rotated to.
func openTail(cfg *Config, log *slog.Logger, truncated prometheus.Counter) (*tail, error) {
	t := &tail{cfg: cfg, log: log, truncated: truncated, chunk: make([]byte, readChunk)}
	noted, at, err := readState(cfg.StateFile)
	if err != nil {
		return nil, err
	}
	t.finished, t.noted = noted.Finished, noted
	for _, p := range noted.Files {
		f := t.find(p, "")
		if f == nil {
			log.Warn("a rotated log that was not shipped to its end is gone", "offset", p.Offset)
			continue
		}
		if _, err := f.Seek(p.Offset, io.SeekStart); err != nil {
			f.Close()
			return nil, fmt.Errorf("go on in %s: %w", f.Name(), err)
		}
		t.files = append(t.files, &tailed{position: p, f: f, read: p.Offset, left: cfg.Now()})
		t.current = f.Name() == cfg.File
	}
	if at.IsZero() {
		t.switchOver(cfg.FromEnd)
		return t, nil
	}
	t.looked = at
	if t.current {
		t.missed(at)
	}
	t.switchOver(false)
	return t, nil
}

func (t *tail) close() {
	for _, f := range t.files {
		f.f.Close()
	}
}

// find opens the file of a position: the log itself or one beside it whose name starts with the log's, but not except.
func (t *tail) find(p position, except string) *os.File {
	names := t.beside(except)
	for _, byInode := range []bool{true, false} {
		for _, name := range names {
			f, err := os.Open(name)
			if err != nil {
				continue
			}
			info, err := f.Stat()
			dev, ino := inode(info)
			if err == nil && info.Mode().IsRegular() && info.Size() >= p.Offset && (!byInode || (dev == p.Device && ino == p.Inode)) && headOf(f, p.HeadN) == p.Head {
				return f
			}
			f.Close()
		}
	}
	return nil
}

func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// headOf hashes the first n bytes.
func headOf(f *os.File, n int64) string {
	b := make([]byte, n)
	if m, err := f.ReadAt(b, 0); int64(m) < n && err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// switchOver opens the file under the log's name when it is another one than that which is read, or was cut.
func (t *tail) switchOver(fromEnd bool) {
	info, err := os.Stat(t.cfg.File)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			t.log.Warn("cannot look at the log", "error", err)
		}
		t.leave()
		return
	}
	if t.current {
		cur := t.files[len(t.files)-1]
		was, err := cur.f.Stat()
		switch {
		case err != nil || !os.SameFile(was, info):
			t.leave()
		case info.Size() < cur.read || (cur.HeadN > 0 && headOf(cur.f, cur.HeadN) != cur.Head):
			t.cut(cur)
			t.current = false
		case cur.fresh:
			// Nothing was read of it, so it may have been copied and truncated in between and nothing would show.
			if info.Size() > 0 {
				t.missed(t.looked)
			}
			return
		default:
			t.looked = t.cfg.Now()
			return
		}
	}
	if !t.looked.IsZero() {
		t.missed(t.looked)
	}
	f, err := os.Open(t.cfg.File)
	if err != nil {
		t.log.Warn("cannot open the log", "error", err)
		return
	}
	dev, ino := inode(info)
	n := &tailed{position: position{Device: dev, Inode: ino}, f: f, fresh: true}
	if fromEnd {
		if end := lastNewline(f); end > 0 {
			n.identify()
			n.Offset, n.read, n.fresh = end, end, false
			if _, err := f.Seek(end, io.SeekStart); err != nil {
				t.log.Warn("cannot go to the log's end", "error", err)
			}
		}
	}
	t.files = append(t.files, n)
	t.current, t.looked = true, t.cfg.Now()
}

// leave marks the file under the log's name as renamed away.
func (t *tail) leave() {
	if t.current {
		t.files[len(t.files)-1].left = t.cfg.Now()
		t.current = false
	}
}

// cut handles a log that was truncated under us: what was not read is in the copy beside it, if one was made.
func (t *tail) cut(cur *tailed) {
	cur.f.Close()
	t.files = t.files[:len(t.files)-1]
	t.dirty = true
	if cur.fresh {
		return // a copy of it is found as one that was missed
	}
	if f := t.find(cur.position, t.cfg.File); f != nil {
		if _, err := f.Seek(cur.Offset, io.SeekStart); err == nil {
			t.log.Info("the log was copied and truncated; reading the copy to its end", "copy", f.Name())
			t.files = append(t.files, &tailed{position: cur.position, f: f, read: cur.Offset, left: t.cfg.Now()})
			return
		}
		f.Close()
	}
	t.truncated.Add(float64(len(cur.partial)))
	t.log.Warn("the log was truncated and no copy of it is beside it", "offset", cur.Offset)
}

// identify fixes the file's identity, once its first line is there.
func (f *tailed) identify() {
	head := make([]byte, headBytes)
	n, _ := f.f.ReadAt(head, 0)
	head = head[:n]
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	f.HeadN = int64(len(head))
	sum := sha256.Sum256(head)
	f.Head = hex.EncodeToString(sum[:8])
	// Of its first line alone, which has a time in it: a copy of the file is the same file, and lines that are shipped from
	// it a second time are known again.
	f.ID = hex.EncodeToString(sum[:12])
}

// read gives up to n complete lines to each and returns how many there were. The positions move, but are noted only by note.
func (t *tail) read(n int, each func(line []byte, fileID string, offset int64)) (int, error) {
	t.switchOver(false)
	lines := 0
	kept := t.files[:0]
	var failed error
	for i, f := range t.files {
		got, err := t.readFile(f, n-lines, each)
		lines += got
		if err != nil {
			failed = err
		}
		current := t.current && i == len(t.files)-1
		if got > 0 {
			f.left = t.cfg.Now()
		}
		if !current && got == 0 && lines < n && t.cfg.Now().Sub(f.left) > t.cfg.Drain {
			// The last line of a finished file may lack its newline.
			if len(f.partial) > 0 && !f.fresh {
				each(f.partial, f.ID, f.Offset)
				lines++
			}
			t.finish(f)
			continue
		}
		kept = append(kept, f)
	}
	t.files = kept
	if lines == 0 && t.dirty {
		t.dirty = false
		return 0, errors.Join(failed, t.note())
	}
	return lines, failed
}

func (t *tail) readFile(f *tailed, n int, each func([]byte, string, int64)) (int, error) {
	lines := 0
	for lines < n {
		// Lines that were read, but not asked for, come first.
		i := bytes.IndexByte(f.partial, '\n')
		if i < 0 {
			m, err := f.f.Read(t.chunk)
			if m == 0 {
				if err != nil && !errors.Is(err, io.EOF) {
					return lines, fmt.Errorf("read %s: %w", f.f.Name(), err)
				}
				return lines, nil
			}
			f.read += int64(m)
			f.partial = append(f.partial, t.chunk[:m]...)
			if len(f.partial) > usage.MaxLineBytes+readChunk && bytes.IndexByte(f.partial[len(f.partial)-m:], '\n') < 0 {
				f.drop()
			}
			continue
		}
		if f.fresh {
			f.identify()
			f.fresh = false
		}
		each(bytes.TrimSuffix(f.partial[:i], []byte{'\r'}), f.ID, f.Offset)
		lines++
		f.Offset = f.read - int64(len(f.partial)) + int64(i) + 1
		f.partial = f.partial[i+1:]
	}
	return lines, nil
}

// drop keeps the start of an over-long line only; the line is handed out, cut, when its end is seen.
func (f *tailed) drop() {
	f.partial = f.partial[:usage.MaxLineBytes+1]
}

// note writes the positions, replacing the file at once. What is noted of sending stays.
func (t *tail) note() error {
	var ps []position
	for _, f := range t.files {
		if !f.fresh {
			ps = append(ps, f.position)
		}
	}
	return t.write(state{Version: 1, Files: ps, Finished: t.finished, Sending: t.noted.Sending})
}

// noteSending notes, beside the position before them, that lines are being sent from now on or still.
func (t *tail) noteSending(lines int) error {
	now := t.cfg.Now()
	s := t.noted
	s.Version = 1
	if s.Sending == nil {
		s.Sending = &sending{Since: now}
	}
	u := *s.Sending
	u.Until, u.Lines = now, max(u.Lines, lines)
	s.Sending = &u
	return t.write(s)
}

func (t *tail) write(s state) error {
	t.noted = s
	return writeState(t.cfg.StateFile, s)
}

type state struct {
	Version  int        `json:"version"`
	Files    []position `json:"files"`
	Finished []finished `json:"finished,omitempty"`
	Sending  *sending   `json:"sending,omitempty"`
}

// readState returns what was noted and when; the zero time when nothing was.
func readState(name string) (s state, at time.Time, err error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, time.Time{}, nil
	}
	if err != nil {
		return state{}, time.Time{}, fmt.Errorf("read the noted position: %w; set --state-file to another file", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return state{}, time.Time{}, fmt.Errorf("read the noted position: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil || s.Version != 1 {
		return state{}, time.Time{}, fmt.Errorf("%s is not a state file of ship; set --state-file to another file, or remove it to ship the log from its start", name)
	}
	return s, info.ModTime(), nil
}

func writeState(name string, s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

func lastNewline(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	buf := make([]byte, 4096)
	for end := info.Size(); end > 0; {
		from := max(0, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return from + int64(i) + 1
		}
		end = from
	}
	return 0
}
