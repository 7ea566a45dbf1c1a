package accesslog

import (
	"bytes"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog/jsonscan"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// textDecoder is the decoder of a format of plain text, one call a line.
type textDecoder struct {
	*core
	name  string
	parse func(line []byte, r *call) error
	call  call

	scan  *jsonscan.Scanner // of the JSON that a log shipper wrapped a line in
	slots [2]jsonscan.Value
	inner []byte
}

func newTextDecoder(c *core, name string, parse func([]byte, *call) error) (Decoder, error) {
	t, err := jsonscan.Compile([][]string{{"message"}, {"log"}})
	if err != nil {
		return nil, err
	}
	return &textDecoder{core: c, name: name, parse: parse, scan: t.NewScanner()}, nil
}

func (d *textDecoder) Name() string { return d.name }

func (d *textDecoder) Decode(line []byte, at Origin, b *usage.Batch) error {
	line, err := checkLine(line)
	if err != nil {
		return err
	}
	d.begin(&at)
	d.call = call{}
	if err := d.parse(d.unwrap(line), &d.call); err != nil {
		return err
	}
	return d.finish(&d.call, b, 0)
}

// unwrap takes out the line that a log shipper put into JSON.
func (d *textDecoder) unwrap(line []byte) []byte {
	if line[0] != '{' || d.scan.Scan(line, d.slots[:]) != nil {
		return line
	}
	for _, v := range d.slots {
		if v.Kind != jsonscan.String {
			continue
		}
		d.inner = jsonscan.Unquote(d.inner[:0], v.In(line))
		if text := bytes.TrimSpace(d.inner); len(text) > 0 {
			return text
		}
	}
	return line
}
