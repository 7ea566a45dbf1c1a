package clickhouse

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"

	ch "github.com/ClickHouse/clickhouse-go/v2"
)

// stream runs a query whose answer may be long and hands over row after row. Over HTTP rows come in RowBinary format,
// which costs a tenth of scanning them one by one; over the native protocol they are scanned.
func (db *DB) stream(ctx context.Context, doing, sql string, args []any, binaryRow func(*rowReader) error, scanRow func(scan func(...any) error) error) error {
	if db.options.Protocol == ch.Native {
		rows, err := db.conn.Query(ctx, sql, args...)
		if err != nil {
			return wrap(doing, err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := scanRow(rows.Scan); err != nil {
				return wrap(doing, err)
			}
		}
		return wrap(doing, rows.Err())
	}
	answer, err := db.conn.QueryFormat(ctx, "RowBinary", sql, args...)
	if err != nil {
		return wrap(doing, err)
	}
	defer func() { _ = answer.Close() }()
	r := &rowReader{r: bufio.NewReaderSize(answer, 1<<18)}
	for {
		if _, err := r.r.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return wrap(doing, err)
		}
		if err := binaryRow(r); err != nil {
			return wrap(doing, err)
		}
	}
}

// rowReader reads values in RowBinary format. The first error stays; values after it are zero.
type rowReader struct {
	r       *bufio.Reader
	scratch []byte
	names   map[string]string
	err     error
}

func (r *rowReader) fixed(n int) []byte {
	if r.err != nil {
		return make([]byte, n)
	}
	b, err := r.r.Peek(n)
	if err != nil {
		r.fail(err)
		return make([]byte, n)
	}
	_, _ = r.r.Discard(n)
	return b // valid until the next read
}

func (r *rowReader) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // inside a row
	}
	if r.err == nil {
		r.err = err
	}
}

func (r *rowReader) int64() int64   { return int64(binary.LittleEndian.Uint64(r.fixed(8))) }
func (r *rowReader) uint64() uint64 { return binary.LittleEndian.Uint64(r.fixed(8)) }
func (r *rowReader) uint32() uint32 { return binary.LittleEndian.Uint32(r.fixed(4)) }
func (r *rowReader) uint16() uint16 { return binary.LittleEndian.Uint16(r.fixed(2)) }
func (r *rowReader) uint8() uint8   { return r.fixed(1)[0] }

func (r *rowReader) length() int {
	if r.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		r.fail(err)
		return 0
	}
	if n > maxSQLBytes {
		r.fail(errors.New("a string of the answer is too long to be one"))
		return 0
	}
	return int(n)
}

// bytes returns a string's bytes, valid until the next call.
func (r *rowReader) bytes() []byte {
	n := r.length()
	if cap(r.scratch) < n {
		r.scratch = make([]byte, 2*n)
	}
	b := r.scratch[:n]
	if r.err == nil {
		if _, err := io.ReadFull(r.r, b); err != nil {
			r.fail(err)
		}
	}
	return b
}

// interned returns a string of which an answer has few distinct ones; it may be kept.
func (r *rowReader) interned() string {
	b := r.bytes()
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	if r.names == nil || len(r.names) > 1<<16 {
		r.names = map[string]string{}
	}
	s := string(b)
	r.names[s] = s
	return s
}
