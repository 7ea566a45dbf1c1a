package sqlstore

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns prefix followed by 26 characters: 48 bits of milliseconds and 80 random bits in Crockford's base 32 (the
// layout of UUID version 7, RFC 9562 §5.7, and of ULID), so that ids sort by the time they were made.
func NewID(prefix string, now time.Time) string {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(b[6:]) // never fails, see crypto/rand
	return prefix + idText.EncodeToString(b[:])
}

// ErrCursor is returned for a page cursor that this program did not make.
var ErrCursor = errors.New("the cursor is not one that this list returned: ask for the first page again")

// Cursor names the place after a row in a list that is ordered by (time, id).
type Cursor struct {
	Millis int64
	ID     string
}

// String is the opaque form that clients get; "" for the zero cursor.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.Millis, 10) + "," + c.ID))
}

// ParseCursor reads what [Cursor.String] made; "" gives the zero cursor, the start of the list.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > 1024 {
		return Cursor{}, ErrCursor
	}
	ms, id, ok := strings.Cut(string(raw), ",")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || !utf8.ValidString(id) || strings.ContainsRune(id, 0) { // neither is text to Postgres
		return Cursor{}, ErrCursor
	}
	return Cursor{Millis: n, ID: id}, nil
}

// Page bounds of every list.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// PageSize returns the number of rows for a page of which limit were asked: 0 means the default.
func PageSize(limit int) (int, error) {
	if limit == 0 {
		return DefaultPage, nil
	}
	if limit < 1 || limit > MaxPage {
		return 0, fmt.Errorf("limit %d: must be 1 to %d", limit, MaxPage)
	}
	return limit, nil
}

// Where collects the conditions of a filtered list and numbers their arguments.
type Where struct {
	conds []string
	Args  []any
}

// And adds a condition; every ? in it takes the next of args.
func (w *Where) And(cond string, args ...any) {
	for _, a := range args {
		w.Args = append(w.Args, a)
		cond = strings.Replace(cond, "?", "$"+strconv.Itoa(len(w.Args)), 1)
	}
	w.conds = append(w.conds, "("+cond+")")
}

// AnyOf adds "column is one of values"; no values: no condition.
func (w *Where) AnyOf(column string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	w.And(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// String returns " WHERE ..." or "".
func (w *Where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// Placeholders returns "($1, $2), ($3, $4)" for rows of columns values each.
func Placeholders(rows, columns int) string {
	var b strings.Builder
	n := 0
	for r := range rows {
		if r > 0 {
			b.WriteString(", ")
		}
		for c := range columns {
			if c == 0 {
				b.WriteByte('(')
			} else {
				b.WriteString(", ")
			}
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteByte(')')
	}
	return b.String()
}
