package accesslog

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// target is what a field of a line tells about the call.
type target uint8

const (
	toNothing       target = iota // wanted for its presence, or by the format's own code
	toTime                        // in the field's unit
	toKey                         // a key in clear
	toAuthorization               // the header: scheme and credentials
	toKeyID                       // the id of a key or consumer
	toUser                        // the user's name, as the caller sent it
	toRequestID                   // as the gateway gave it: one that callers may choose (X-Request-Id) would let them hide calls as repeats
	toMethod
	toHost
	toRoute     // a path template
	toRouteKey  // method and path template: "GET /v1/items/{id}"
	toPath      // path or URL, with query string or without
	toRequest   // a request line: "GET /v1/items HTTP/1.1"
	toStatus    // HTTP status, 0 when there was none
	toLatency   // in the field's unit
	toBytesIn   // size of the request
	toBytesOut  // size of the response
	toIP        // the peer's address, or the client's where the gateway knows it
	toForwarded // X-Forwarded-For
	toAgent
	toSource
	toUnits   // an object of names and numbers
	toWrapped // a line of another program inside of this one
	toUnit    // one named unit
	toLength  // size of the request; -1 when the caller did not say
	toOrigin  // where a re-keyed record was first written
	targets
)

var targetNames = [targets]string{
	"", "time", "api_key", "authorization", "key_id", "user", "request_id", "method", "host", "route", "route_key", "path", "request_line",
	"status", "latency", "request_bytes", "response_bytes", "client_ip", "forwarded_for", "user_agent", "source", "units", "message", "unit", "request_length", "origin",
}

// field maps a value of the line to its target. Of several fields with one target the first that is not empty counts.
type field struct {
	path string // names of nested objects, separated by slashes
	to   target
	unit unit
	name []byte // of a toUnit
}

// jsonSpec describes a format whose lines are JSON objects.
type jsonSpec struct {
	name   string
	fields []field
	// signature are fields of which a line has at least one, and lines of other formats have none: for recognition.
	signature []string
	// nested reads formats that carry several records, or a record deeper inside. It returns false for a line that is one record.
	nested func(d *jsonDecoder, line []byte, b *usage.Batch) (bool, error)
	// adjust is called before a call is finished.
	adjust func(d *jsonDecoder, line []byte, r *call)

	table  *jsonscan.Table
	labels []string // of the fields, for errors
	byName map[string]int
	signs  []int // the fields of the signature
}

func (s *jsonSpec) index(path string) int { return s.byName[path] }

// compile makes the scanner's table. Every format unwraps the lines of log shippers.
func (s *jsonSpec) compile() error {
	has := map[string]bool{}
	var paths [][]string
	for _, f := range s.fields {
		has[f.path] = true
	}
	for _, w := range []string{"message", "log"} {
		if !has[w] {
			s.fields = append(s.fields, field{path: w, to: toWrapped})
		}
	}
	s.byName = map[string]int{}
	for i, f := range s.fields {
		s.byName[f.path] = i
		paths = append(paths, strings.Split(f.path, "/"))
		s.labels = append(s.labels, strings.ReplaceAll(f.path, "/", "."))
	}
	for _, name := range s.signature {
		for i, label := range s.labels {
			if label == name {
				s.signs = append(s.signs, i)
			}
		}
	}
	if len(s.signs) < len(s.signature) {
		return fmt.Errorf("accesslog: signature of format %s: not all of %v are fields", s.name, s.signature)
	}
	table, err := jsonscan.Compile(paths)
	if err != nil {
		return fmt.Errorf("accesslog: fields of format %s: %w", s.name, err)
	}
	s.table = table
	return nil
}

// jsonDecoder decodes a jsonSpec.
type jsonDecoder struct {
	*core
	spec  *jsonSpec
	scan  *jsonscan.Scanner
	slots []jsonscan.Value
	call  call
	inner []byte
	sub   int // number of the next record of the line

	layout layout
	// onlySigned refuses lines without the format's signature: set where the format was guessed.
	onlySigned bool
}

func newJSONDecoder(c *core, s *jsonSpec) (*jsonDecoder, error) {
	if err := s.compile(); err != nil {
		return nil, err
	}
	fields := s.table.Fields()
	return &jsonDecoder{core: c, spec: s, scan: s.table.NewScanner(), slots: make([]jsonscan.Value, fields, fields+1)}, nil
}

func (d *jsonDecoder) Name() string { return d.spec.name }

// Decode takes an object, an array of objects, either of them behind a syslog header, or wrapped by a log shipper.
func (d *jsonDecoder) Decode(line []byte, at Origin, b *usage.Batch) error {
	line, err := checkLine(line)
	if err != nil {
		return err
	}
	d.begin(&at)
	rows := b.Len()
	d.sub = 0
	if err = d.value(skipSyslog(line), b, 0); err != nil {
		b.Truncate(rows)
	}
	return err
}

// skipSyslog drops "<190>Nov 24 15:00:00 host nginx: " before an object.
func skipSyslog(line []byte) []byte {
	if line[0] == '<' {
		if brace := bytes.IndexByte(line, '{'); brace > 0 {
			return line[brace:]
		}
	}
	return line
}

// value decodes an object or an array of them.
func (d *jsonDecoder) value(line []byte, b *usage.Batch, depth int) error {
	if d.spec.nested != nil {
		if done, err := d.spec.nested(d, line, b); done || err != nil {
			return err
		}
	}
	if len(line) == 0 || line[0] != '[' {
		return d.object(line, b, depth)
	}
	top, ok := jsonscan.Top(line)
	if !ok {
		return reject(ReasonBadJSON, "an array that does not end")
	}
	it := jsonscan.Over(line, top)
	for it.Next() {
		if it.Value.Kind != jsonscan.Object {
			return reject(ReasonBadField, "an element of the array is not an object")
		}
		if err := d.object(it.Value.In(line), b, depth); err != nil {
			return err
		}
	}
	if it.Bad {
		return reject(ReasonBadJSON, "an array that is not valid JSON")
	}
	if d.sub == 0 {
		return reject(ReasonMissingField, "the array is empty")
	}
	return nil
}

func (d *jsonDecoder) object(line []byte, b *usage.Batch, depth int) error {
	if err := d.scan.Scan(line, d.slots); err != nil {
		return reject(ReasonBadJSON, err.Error())
	}
	r := &d.call
	if d.assembleUsual(line, r) {
		return d.end(line, r, b)
	}
	*r = call{}
	seen, err := d.assemble(line, r)
	if err != nil || seen&needed != needed || d.onlySigned && !d.signed() {
		if depth == 0 { // also after an error: a shipper's own fields may have a name of the format's (filebeat's host is an object)
			if inner := d.unwrap(line); inner != nil {
				return d.value(inner, b, depth+1)
			}
		}
		if err != nil {
			return err
		}
		return d.missing(seen)
	}
	return d.end(line, r, b)
}

// end appends an assembled call.
func (d *jsonDecoder) end(line []byte, r *call, b *usage.Batch) error {
	if d.spec.adjust != nil {
		d.spec.adjust(d, line, r)
	}
	if err := d.finish(r, b, d.sub); err != nil {
		return err
	}
	d.sub++
	return nil
}

// needed are the targets without which a line is no record. toPath stands for all that tell what was called.
const needed = 1<<toTime | 1<<toStatus | 1<<toPath

func (d *jsonDecoder) missing(seen uint32) error {
	switch {
	case d.onlySigned && !d.signed():
		return reject(ReasonUnknown, "the line has no field that tells its format: name it with --format")
	case seen&(1<<toTime) == 0:
		return reject(ReasonMissingField, "time: no field of this format tells it: is this the right format, and is it in the gateway's log format?")
	case seen&(1<<toStatus) == 0:
		return reject(ReasonMissingField, "status: no field of this format tells it")
	}
	return reject(ReasonMissingField, "path: no field of this format tells it")
}

func (d *jsonDecoder) signed() bool {
	for _, i := range d.spec.signs {
		if d.slots[i].Kind != jsonscan.None {
			return true
		}
	}
	return len(d.spec.signs) == 0
}

// unwrap returns the line that a log shipper (filebeat, fluent-bit, Docker) put into a field of its own.
func (d *jsonDecoder) unwrap(line []byte) []byte {
	for i := range d.spec.fields {
		v := d.slots[i]
		if d.spec.fields[i].to != toWrapped || v.End-v.Start < 2 {
			continue
		}
		text := v.In(line)
		switch {
		case v.Kind == jsonscan.Object || v.Kind == jsonscan.Array:
			return text
		case v.Kind != jsonscan.String:
			continue
		case v.Escaped:
			d.inner = jsonscan.Unquote(d.inner[:0], text)
			text = d.inner
		}
		if text = bytes.TrimSpace(text); len(text) > 0 && (text[0] == '{' || text[0] == '[' || text[0] == '<') {
			return skipSyslog(text)
		}
	}
	return nil
}
