package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// packings are told by how a file begins, not by its name. Those without a reader are named to the user.
var packings = []struct {
	magic, name string
	open        func(io.Reader) (io.ReadCloser, error)
}{
	{"\x1f\x8b", "gzip", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"\x28\xb5\x2f\xfd", "zstd", func(r io.Reader) (io.ReadCloser, error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}},
	{"BZh", "bzip2", nil},
	{"\xfd7zXZ\x00", "xz", nil},
	{"PK\x03\x04", "zip", nil},
	{"\x04\x22\x4d\x18", "lz4", nil},
	{"PAR1", "Parquet", nil},
	{"Obj\x01", "Avro", nil},
	{"SQLite format 3\x00", "SQLite", nil},
}

// ErrCut says that a packed file ends early.
var ErrCut = errors.New("the packed file ends early")

// OpenLog opens a log file and unpacks it, if it is packed by gzip or zstd; another packing is an error that names it. read counts
// the bytes of the file as they are read.
func OpenLog(name string, read *atomic.Int64) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(&countingReader{f, read}, 256<<10)
	head, err := br.Peek(16)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, err
	}
	for _, p := range packings {
		switch {
		case !bytes.HasPrefix(head, []byte(p.magic)):
		case p.open == nil:
			f.Close()
			return nil, fmt.Errorf("it is in the format %s, which is not read; unpack it into lines of text first (gzip and zstd are read as they are)", p.name)
		default:
			z, err := p.open(br)
			if err != nil {
				f.Close()
				return nil, fmt.Errorf("unpack %s: %w", p.name, err)
			}
			return &unpacked{z, f, p.name}, nil
		}
	}
	return &unpacked{io.NopCloser(br), f, ""}, nil
}

// unpacked closes the packing and its file, and names the packing in errors.
type unpacked struct {
	io.ReadCloser
	file    *os.File
	packing string
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrCut // to no reader the same as the end of a file
	}
	if err != nil && !errors.Is(err, io.EOF) && u.packing != "" {
		err = fmt.Errorf("unpack %s: %w", u.packing, err)
	}
	return n, err
}

func (u *unpacked) Close() error { return errors.Join(u.ReadCloser.Close(), u.file.Close()) }

type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// lineReader splits at newlines. A line that is longer than is decoded comes back cut one byte beyond the bound, so that
// it is refused for its length without being held.
type lineReader struct {
	r    *bufio.Reader
	long []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 256<<10)} }

func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, line[:min(len(line), usage.MaxLineBytes+1-len(l.long))]...)
			line, err = l.r.ReadSlice('\n')
		}
		line = append(l.long, bytes.TrimRight(line, "\r\n")[:]...)
		line = line[:min(len(line), usage.MaxLineBytes+1)]
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
