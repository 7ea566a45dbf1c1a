package series

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Summary counts what was read.
type Summary struct {
	Rows   int
	Alerts int
	// Ignored is the number of rows whose value is no finite number; they are scored 0.
	Ignored int
}

// ErrFormat marks input that is not a CSV file of timestamps and values.
var ErrFormat = errors.New("not a series of timestamps and values")

// layouts are the accepted forms of a timestamp, besides Unix seconds and milliseconds. Times without a zone are UTC.
var layouts = []string{
	time.DateTime, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly,
	"2006/01/02 15:04:05", "01/02/2006 15:04:05", "01/02/2006 15:04",
}

// ScoreCSV reads a CSV file with the columns timestamp and value (others are ignored), in the order in which the values arrived,
// and writes timestamp, value, anomaly_score: one row for each, with the texts of the first two as they were. Errors name the line;
// those that the file is to blame for wrap ErrFormat.
func ScoreCSV(r io.Reader, w io.Writer, s Settings) (Summary, error) {
	var sum Summary
	d, err := New(s)
	if err != nil {
		return sum, err
	}
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.FieldsPerRecord = -1
	header, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return sum, fmt.Errorf("%w: the file is empty, want a header with timestamp,value", ErrFormat)
	case err != nil:
		return sum, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	column := func(name string) int {
		return slices.IndexFunc(header, func(h string) bool {
			return strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")), name)
		})
	}
	atColumn, valueColumn := column("timestamp"), column("value")
	if atColumn < 0 || valueColumn < 0 {
		return sum, fmt.Errorf("%w: the header is %q, want the columns timestamp and value", ErrFormat, strings.Join(header, ","))
	}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"timestamp", "value", "anomaly_score"}); err != nil {
		return sum, fmt.Errorf("write scores: %w", err)
	}
	parse := clock{}
	for {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		line, _ := in.FieldPos(0)
		if len(row) <= max(atColumn, valueColumn) {
			return sum, fmt.Errorf("%w: line %d has %d fields, the header has %d", ErrFormat, line, len(row), len(header))
		}
		at, err := parse.time(row[atColumn])
		if err != nil {
			return sum, fmt.Errorf("%w: line %d: %w", ErrFormat, line, err)
		}
		value, err := number(row[valueColumn])
		if err != nil {
			return sum, fmt.Errorf("%w: line %d: %w", ErrFormat, line, err)
		}
		v := d.Observe(at, value)
		sum.Rows++
		if v.Alert {
			sum.Alerts++
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			sum.Ignored++
		}
		if err := out.Write([]string{row[atColumn], row[valueColumn], strconv.FormatFloat(v.Score, 'f', 9, 64)}); err != nil {
			return sum, fmt.Errorf("write scores: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return sum, fmt.Errorf("write scores: %w", err)
	}
	return sum, nil
}

// clock parses timestamps and tries the layout first that fitted the last one.
type clock struct{ layout int }

func (c *clock) time(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for i := range layouts {
		k := (c.layout + i) % len(layouts)
		if at, err := time.Parse(layouts[k], text); err == nil {
			c.layout = k
			return at, nil
		}
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(x) < 1e15 {
		if math.Abs(x) >= 1e11 { // 1e11 seconds is the year 5138, 1e11 milliseconds is 1973
			x /= 1000
		}
		whole, part := math.Modf(x)
		return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("timestamp %q is neither like %q, %q nor Unix seconds", shortened(text), layouts[0], layouts[1])
}

// number reads a value; an empty one, NaN, null and the like are no number, and no error.
func number(text string) (float64, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "null", "none", "na", "n/a", "-":
		return math.NaN(), nil
	}
	x, err := strconv.ParseFloat(text, 64) // accepts NaN and Inf
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("value %q is no number", shortened(text))
	}
	return x, nil
}

func shortened(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
