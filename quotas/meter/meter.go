// Package meter says what is counted: a [Meter] turns the sums that are kept for every key ([Amounts]) into the one
// quantity that a charge or a quota is about. It is pure and does no I/O; [Source] is where exact sums come from.
//
// Sums are never negative and stop at the greatest int64 instead of wrapping round: a log line with an absurd unit must
// not turn a bill into nothing.
package meter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strings"
	"time"
)

// Amounts are the sums over a set of records. Duplicates and records without a key are not in them.
type Amounts struct {
	Requests      int64            `json:"requests"`
	Errors        int64            `json:"errors"` // of Requests, those with IsError
	RequestBytes  int64            `json:"request_bytes"`
	ResponseBytes int64            `json:"response_bytes"`
	Units         map[string]int64 `json:"units,omitempty"`
}

// IsError says whether a record counts as an error: the service failed (5xx) or the client got no answer at all (0). A
// call that the client got wrong (4xx) was served, and is charged.
func IsError(status uint16) bool { return status >= 500 || status == 0 }

// Add adds b. The maps stay apart.
func (a *Amounts) Add(b Amounts) {
	a.Requests = Sum(a.Requests, b.Requests)
	a.Errors = Sum(a.Errors, b.Errors)
	a.RequestBytes = Sum(a.RequestBytes, b.RequestBytes)
	a.ResponseBytes = Sum(a.ResponseBytes, b.ResponseBytes)
	if len(b.Units) > 0 && a.Units == nil {
		a.Units = make(map[string]int64, len(b.Units))
	}
	for name, v := range b.Units {
		a.Units[name] = Sum(a.Units[name], v)
	}
}

// Sum adds two amounts, neither negative, and stops at the greatest int64.
func Sum(a, b int64) int64 {
	if s := a + b; s >= 0 {
		return s
	}
	return math.MaxInt64
}

// Reached says whether used is at least percent of most, exactly, however great they are.
func Reached(used, most int64, percent int) bool {
	h1, l1 := bits.Mul64(uint64(max(used, 0)), 100)
	h2, l2 := bits.Mul64(uint64(max(most, 0)), uint64(max(percent, 0)))
	return h1 > h2 || (h1 == h2 && l1 >= l2)
}

// Kind names what a meter counts.
type Kind string

const (
	// Requests counts calls.
	Requests Kind = "requests"
	// Bytes sums the bytes of request, response or both.
	Bytes Kind = "bytes"
	// Units sums named units of the records, such as input_tokens.
	Units Kind = "units"
)

// Direction is which bytes a meter of bytes sums.
type Direction string

const (
	Both     Direction = "" // also written "both"
	Request  Direction = "request"
	Response Direction = "response"
)

// Meter is a definition, as stored in a plan.
type Meter struct {
	ID            string    `json:"id"`
	Name          string    `json:"name,omitempty"` // for people; ID when empty
	Kind          Kind      `json:"kind"`
	ExcludeErrors bool      `json:"exclude_errors,omitempty"` // requests only
	Direction     Direction `json:"direction,omitempty"`      // bytes only
	Units         []string  `json:"units,omitempty"`          // units only: their sum
}

// MaxUnits is how many units a meter may sum.
const MaxUnits = 16

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// CheckID reports what is wrong with the id of a meter, charge, quota or plan.
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("%.64q: give 1 to 63 of a-z, 0-9, _ and -, starting with a letter", id)
	}
	return nil
}

// Validate reports everything that is wrong with the definition, a message per problem, each with its field first.
func (m Meter) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if err := CheckID(m.ID); err != nil {
		add("id: %w", err)
	}
	switch m.Kind {
	case Requests, Bytes, Units:
	default:
		add("kind: %.32q is not known; give requests, bytes or units", string(m.Kind))
	}
	if m.ExcludeErrors && m.Kind != Requests {
		add("exclude_errors: belongs to a meter of requests; bytes and units are not kept apart by status")
	}
	switch m.Direction {
	case Both, "both", Request, Response:
	default:
		add("direction: %.32q is not known; give request, response or both", string(m.Direction))
	}
	if m.Direction != "" && m.Kind != Bytes {
		add("direction: belongs to a meter of bytes")
	}
	if (len(m.Units) > 0) != (m.Kind == Units) {
		add("units: name the units of a meter of units, and of no other")
	}
	if len(m.Units) > MaxUnits {
		add("units: are %d; at most %d", len(m.Units), MaxUnits)
	}
	seen := make(map[string]bool, len(m.Units))
	for i, u := range m.Units {
		if u == "" || len(u) > 256 || strings.ContainsFunc(u, func(r rune) bool { return r < ' ' }) {
			add("units[%d]: %.64q is not a unit's name", i, u)
		}
		if seen[u] {
			add("units[%d]: %.64q is there twice", i, u)
		}
		seen[u] = true
	}
	return errors.Join(errs...)
}

// Of returns the quantity that the meter sees in the amounts.
func (m Meter) Of(a Amounts) int64 {
	switch m.Kind {
	case Requests:
		if m.ExcludeErrors {
			return max(a.Requests-a.Errors, 0)
		}
		return a.Requests
	case Bytes:
		switch m.Direction {
		case Request:
			return a.RequestBytes
		case Response:
			return a.ResponseBytes
		default:
			return Sum(a.RequestBytes, a.ResponseBytes)
		}
	case Units:
		var sum int64
		for _, u := range m.Units {
			sum = Sum(sum, a.Units[u])
		}
		return sum
	}
	return 0
}

// Named returns the meter that a charge or quota means by a name that its plan does not define: requests,
// successful_requests, bytes, request_bytes, response_bytes, and any other name is a unit of the records.
func Named(name string) Meter {
	m := Meter{ID: name, Kind: Units}
	switch name {
	case "requests":
		m.Kind = Requests
	case "successful_requests":
		m.Kind, m.ExcludeErrors = Requests, true
	case "bytes":
		m.Kind = Bytes
	case "request_bytes":
		m.Kind, m.Direction = Bytes, Request
	case "response_bytes":
		m.Kind, m.Direction = Bytes, Response
	default:
		m.Units = []string{name}
	}
	return m
}

// Title is the name for people.
func (m Meter) Title() string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

// Granularity is the length of the buckets that a [Source] sums by; buckets are aligned in UTC.
type Granularity string

const (
	Total Granularity = "total" // one bucket that starts at from
	Hour  Granularity = "hour"
	Day   Granularity = "day"
	Month Granularity = "month"
)

// KeyUsage is what a key used in a bucket.
type KeyUsage struct {
	KeyID  string
	Bucket time.Time // its start
	Amounts
}

// Source gives exact sums of the records that have landed: sealed hours plus the open tail, duplicates left out.
type Source interface {
	// UsageByKey returns the buckets with use of the keys in [from, to), which are whole hours, ordered by key and bucket. No
	// keys: no rows.
	UsageByKey(ctx context.Context, keyIDs []string, from, to time.Time, by Granularity) ([]KeyUsage, error)
	// EachKey calls each with the sums of every key with use in [from, to), in any order, and stops at its error.
	EachKey(ctx context.Context, from, to time.Time, each func(KeyUsage) error) error
	// SealedThrough returns the time before which all hours are closed.
	SealedThrough(ctx context.Context) (time.Time, error)
}
