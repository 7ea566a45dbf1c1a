// Package accesslog turns the log lines of API gateways into columns. It is the only place that sees a raw line, and the
// place where secrets end.
//
// A [Decoder] takes one line and appends all of its records to a batch, or none and says why with a [*Reject]: an invalid
// line never panics, never harms its neighbours and never reaches a column in part. A warm decoder allocates nothing for
// a valid line of a format of one record per line.
//
// What leaves this package holds no credential: a key in clear becomes a key id by way of the [KeyResolver]; query strings,
// user names in URLs and everything that looks like a key or token are removed from paths, hosts, user agents, request ids
// and names; errors name fields and positions, never values; [Redact] makes a line fit for the dead-letter table. What is
// not recognisably a key and was not logged as one (such as a customer's own id in a path) is kept.
//
// Values are normalised on the way: times to Unix milliseconds, durations to microseconds, invalid UTF-8 to U+FFFD, control
// characters dropped, values cut to the bounds of package usage, routes given or derived from the path. Numbers may be
// strings; "-", "" and null are "empty".
//
// A decoder keeps caches and scratch space and is not safe for concurrent use: make one per goroutine. The package does no
// I/O, except that [LoadMapping] reads a file.
package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Decoder turns the lines of one format into records.
type Decoder interface {
	// Name is the name under which New makes this decoder.
	Name() string
	// Decode appends all records of a line to b, or none of them: then the error is a *Reject. The line is not kept.
	Decode(line []byte, at Origin, b *usage.Batch) error
}

// Origin says where a line came from.
type Origin struct {
	Offset int64 // of the message in its partition, or of the line in its file
	// ReceivedMillis is when the log was received, by a clock that may be trusted (the broker's): Unix milliseconds. Times
	// in the line are judged by it. 0: by Options.Now.
	ReceivedMillis int64
	Source         string // which gateway this is, unless the line says so itself
	KafkaKey       []byte // the message's key; not used by the decoders, for those who re-key
}

// KeyResolver turns a key in clear into the id under which it is known. The id of a key that no store knows is derived from
// the key's HMAC and starts with UnknownKeyPrefix. Resolve must be fast and safe for concurrent use, must not keep
// plaintext, and must give the same id for the same key every time.
type KeyResolver interface {
	Resolve(plaintext []byte) (keyID string, known bool)
}

// UnknownKeyPrefix starts the ids of keys that no key store knows.
const UnknownKeyPrefix = "unk_"

// Options of New. Only Keys is required.
type Options struct {
	Keys KeyResolver
	// TrustedHops is how many proxies in front of the gateway add to X-Forwarded-For and may be believed. 0: the peer's
	// address is the client's.
	TrustedHops int
	// Mapping describes the fields of format "mapping".
	Mapping *Mapping
	// MaxFuture is how far a record's time may be ahead of its receipt. 0: 24 hours.
	MaxFuture time.Duration
	// MaxRoutesPerKey bounds the distinct routes of a key; further ones become "{other}". 0: 200.
	MaxRoutesPerKey int
	// KeyCacheSize bounds how many keys are remembered with their ids. 0: 65,536.
	KeyCacheSize int
	// KeyParams are the query parameters in which callers send their key, when it is in no header. nil: api_key, apikey,
	// api-key, access_token.
	KeyParams []string
	// Origins believes what a line of format tollkeeper says of the place where it was first written. Only for topics that
	// the re-keying alone writes: who can say so can have a record taken for one that was counted before.
	Origins bool
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Reasons of a Reject, stable codes.
const (
	ReasonEmptyLine    = "empty_line"
	ReasonLineTooLong  = "line_too_long"
	ReasonBadJSON      = "bad_json"
	ReasonBadLine      = "bad_line"
	ReasonMissingField = "missing_field"
	ReasonBadField     = "bad_field"
	ReasonBadTime      = "bad_time"
	ReasonBadStatus    = "bad_status"
	ReasonBadNumber    = "bad_number"
	ReasonBadUnits     = "bad_units"
	ReasonTooMany      = "too_many_records"
	ReasonUnknown      = "unknown_format"
)

// Reasons lists the reasons of rejects.
func Reasons() []string {
	return []string{
		ReasonEmptyLine, ReasonLineTooLong, ReasonBadJSON, ReasonBadLine, ReasonMissingField, ReasonBadField, ReasonBadTime, ReasonBadStatus,
		ReasonBadNumber, ReasonBadUnits, ReasonTooMany, ReasonUnknown,
	}
}

// Reject says why a line was not decoded.
type Reject struct {
	Reason string // one of the Reason codes
	Detail string // field and what is wrong with it; never a value
}

func (r *Reject) Error() string { return r.Reason + ": " + r.Detail }

func reject(reason, detail string) error { return &Reject{Reason: reason, Detail: detail} }

// New makes a decoder of the format of that name; Formats lists them.
func New(name string, o Options) (Decoder, error) {
	if o.Keys == nil {
		return nil, errors.New("accesslog: no key resolver: set Options.Keys, with NewHMACResolver where there is no key store")
	}
	c, err := newCore(o)
	if err != nil {
		return nil, err
	}
	for _, f := range registry() {
		if f.Name == name {
			return f.make(c)
		}
	}
	names := make([]string, 0, len(registry()))
	for _, f := range registry() {
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("accesslog: unknown format %q: use one of %s", name, strings.Join(names, ", "))
}

// containerStreams stand between the time and the line that a container wrote: "2026-11-24T15:04:05.1Z stdout F line".
var containerStreams = [][]byte{[]byte(" stdout F "), []byte(" stderr F ")}

// checkLine trims a line and refuses what no format can be.
func checkLine(line []byte) ([]byte, error) {
	for len(line) > 0 && line[len(line)-1] <= ' ' {
		line = line[:len(line)-1]
	}
	for len(line) > 0 && line[0] <= ' ' {
		line = line[1:]
	}
	if len(line) > 40 && line[4] == '-' && line[7] == '-' { // a container's log as Kubernetes keeps it
		for _, stream := range containerStreams {
			if at := bytes.Index(line[:min(48, len(line))], stream); at > 0 {
				line = line[at+len(stream):]
			}
		}
	}
	switch {
	case len(line) == 0:
		return nil, reject(ReasonEmptyLine, "the line is empty")
	case len(line) > usage.MaxLineBytes:
		return nil, reject(ReasonLineTooLong, fmt.Sprintf("the line has %d bytes, at most %d are decoded", len(line), usage.MaxLineBytes))
	}
	return line, nil
}
