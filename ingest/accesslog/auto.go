package accesslog

import (
	"errors"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// auto recognises the format of each line. It stays with the format of the line before for as long as that takes the lines;
// JSON formats then insist on a field that only they have, so that a line is not taken for another format's by chance.
type auto struct {
	*core
	json    []*jsonDecoder // in order of trial
	text    []Decoder
	current Decoder
}

func newAuto(c *core) (Decoder, error) {
	a := &auto{core: c}
	for _, spec := range []func() *jsonSpec{
		cloudeventsSpec, otelSpec, tykSpec, traefikSpec, awsSpec, kongSpec, apisixSpec, caddySpec, envoySpec, tollkeeperSpec, nginxSpec,
	} {
		d, err := newJSONDecoder(c, spec())
		if err != nil {
			return nil, err
		}
		d.onlySigned = true
		a.json = append(a.json, d)
	}
	for _, make := range []func(*core) (Decoder, error){newEnvoyText, newHAProxy, newApache, newCombined} {
		d, err := make(c)
		if err != nil {
			return nil, err
		}
		a.text = append(a.text, d)
	}
	return a, nil
}

func (a *auto) Name() string { return "auto" }

// Recognised names the format of the last line that was decoded, "" before the first.
func (a *auto) Recognised() string {
	if a.current == nil {
		return ""
	}
	return a.current.Name()
}

func (a *auto) Decode(line []byte, at Origin, b *usage.Batch) error {
	line, err := checkLine(line)
	if err != nil {
		return err
	}
	var first error
	if a.current != nil {
		if first = a.current.Decode(line, at, b); first == nil {
			return nil
		}
	}
	best := first
	for _, d := range a.candidates(line) {
		if d == a.current {
			continue
		}
		err := d.Decode(line, at, b)
		if err == nil {
			a.current = d
			return nil
		}
		best = better(best, err)
	}
	return best
}

// candidates are the formats to try: a line that starts like JSON may still be a text line in a shipper's wrapping.
func (a *auto) candidates(line []byte) []Decoder {
	var out []Decoder
	if c := line[0]; c == '{' || c == '<' || c == '[' && len(line) > 1 && (line[1] == '{' || line[1] <= ' ') {
		for _, d := range a.json {
			if top, ok := jsonscan.Top(skipSyslog(line)); ok && top.Kind != 0 {
				out = append(out, d)
			}
		}
		if len(out) == 0 {
			out = append(out, a.json[len(a.json)-1]) // broken: it says so best
		}
	}
	return append(out, a.text...)
}

// better keeps the error that says most: one about a value is by a decoder that knew the line, one about the whole line
// by one that did not.
func better(a, b error) error {
	if a == nil || rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(err error) int {
	var r *Reject
	if !errors.As(err, &r) {
		return 0
	}
	switch r.Reason {
	case ReasonUnknown:
		return 1
	case ReasonBadLine:
		return 0
	case ReasonMissingField:
		return 2
	case ReasonBadJSON:
		return 3
	}
	return 4
}
