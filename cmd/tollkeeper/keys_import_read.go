package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// What one request carries at the most; the server reads bodies of up to 256 KiB.
const (
	importKeys  = 500
	importBytes = 192 << 10
)

// importColumns are the fields of a CSV file; lists are divided by semicolons.
var importColumns = []string{"secret", "name", "account_id", "environment", "plan_id", "tags", "scopes", "allowed_cidrs", "expires_at"}

// openKeys returns the file and how large it is, 0 where that is not known.
func openKeys(name string, stdin io.Reader) (in io.Reader, size int64, end func(), err error) {
	if name == "-" {
		return stdin, 0, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("the keys to import: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, nil, fmt.Errorf("the keys to import: %w", err)
	}
	return f, info.Size(), func() { _ = f.Close() }, nil
}

// eachImport reads keys, CSV or a JSON object a line, and gives them on by the request, with the numbers of their lines and how
// many bytes were read so far. No error quotes a line: it holds a secret.
func eachImport(in io.Reader, each func(lines []int, list []gen.KeyImport, read int64) error) error {
	counted := &countingReader{in: in}
	text := bufio.NewReaderSize(counted, 64<<10)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = text.Discard(3)
	}
	next := csvKeys(text)
	if first, err := text.Peek(1); err == nil && first[0] == '{' {
		next = jsonKeys(text)
	}
	var lines []int
	var list []gen.KeyImport
	bytes := 0
	flush := func() error {
		if len(list) == 0 {
			return nil
		}
		err := each(lines, list, counted.n)
		lines, list, bytes = nil, nil, 0
		return err
	}
	for {
		line, k, err := next()
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return errors.Join(flush(), fmt.Errorf("line %d: %w; the lines before it were read", line, err))
		}
		raw, err := json.Marshal(k)
		if err != nil {
			return err
		}
		if len(list) == importKeys || bytes+len(raw) > importBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		lines, list, bytes = append(lines, line), append(list, k), bytes+len(raw)
	}
}

type nextKey func() (line int, k gen.KeyImport, err error)

func jsonKeys(text *bufio.Reader) nextKey {
	line := 0
	return func() (int, gen.KeyImport, error) {
		for {
			line++
			var k gen.KeyImport
			raw, err := text.ReadBytes('\n')
			if raw = bytes.TrimSpace(raw); len(raw) == 0 {
				if err != nil {
					return line, k, err
				}
				continue
			}
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			if err := d.Decode(&k); err != nil || d.More() {
				return line, k, errors.New("is no JSON object with the fields of a key; see --help")
			}
			return line, named(k, line), nil
		}
	}
}

func csvKeys(text *bufio.Reader) nextKey {
	rows := csv.NewReader(text)
	rows.ReuseRecord = true
	var columns []string
	return func() (int, gen.KeyImport, error) {
		var k gen.KeyImport
		if columns == nil {
			header, err := rows.Read()
			if err != nil {
				return 1, k, firstLine(err)
			}
			for _, name := range header {
				columns = append(columns, strings.ToLower(strings.TrimSpace(name)))
			}
			if !slices.Contains(columns, "secret") {
				return 1, k, errors.New("the first line must name the columns, one of them secret")
			}
			for i, name := range columns {
				if !slices.Contains(importColumns, name) {
					return 1, k, fmt.Errorf("column %d is none of %s", i+1, strings.Join(importColumns, ", "))
				}
			}
		}
		row, err := rows.Read()
		line, _ := rows.FieldPos(0)
		if errors.Is(err, io.EOF) {
			return line, k, err
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			return bad.StartLine, k, bad.Err
		}
		if err != nil {
			return line, k, err
		}
		for i, name := range columns {
			if err := setColumn(&k, name, strings.TrimSpace(row[i])); err != nil {
				return line, k, err
			}
		}
		return line, named(k, line), nil
	}
}

func firstLine(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("there is nothing to import: the first line must name the columns, one of them secret")
	}
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return bad.Err
	}
	return err
}

func setColumn(k *gen.KeyImport, name, value string) (err error) {
	if value == "" {
		return nil
	}
	list := func() (out []string) {
		for part := range strings.SplitSeq(value, ";") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out
	}
	switch name {
	case "secret":
		k.Secret = value
	case "name":
		k.Name = value
	case "account_id":
		k.AccountId = value
	case "environment":
		k.Environment = value
	case "plan_id":
		k.PlanId = value
	case "tags":
		k.Tags = list()
	case "scopes":
		k.Scopes = list()
	case "allowed_cidrs":
		k.AllowedCidrs = list()
	case "expires_at":
		if k.ExpiresAt, err = time.Parse(time.RFC3339, value); err != nil {
			return errors.New("expires_at: write it as 2027-01-01T00:00:00Z")
		}
	}
	return nil
}

// named gives a key without a name one that says where it came from.
func named(k gen.KeyImport, line int) gen.KeyImport {
	k.Name = cmp.Or(k.Name, fmt.Sprintf("imported, line %d", line))
	return k
}

// countingReader counts what is read.
type countingReader struct {
	in io.Reader
	n  int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}
