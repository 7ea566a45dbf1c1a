package accesslog

import (
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What is said of a resource holds for its records wherever it stands, and for no other resource's; values of a shape that
// the protocol does not have take nothing away from their neighbours.
func TestOTLPIsReadInAnyOrder(t *testing.T) {
	const record = `{"timeUnixNano":"1795532645123000000","attributes":[{"key":"url.path","value":{"stringValue":"/a"}},{"key":"http.response.status_code","value":{"intValue":"200"}},` +
		`{"value":{"stringValue":"/lost"}},{"key":"user.id","value":{"kvlistValue":{"values":[{"key":"x","value":{"stringValue":"deep"}}]}}},{"value":{"stringValue":"k-1"},"key":"key_id"}]}`
	const resource = `"resource":{"schema":1,"attributes":[{"key":"service.name","value":{"stringValue":"edge"}}]}`
	const logs = `"scopeLogs":[{"scope":{},"logRecords":[` + record + `,` + record + `]},{"logRecords":[]},{"logRecords":{}}]`
	d := newDecoder(t, "otel", Options{})
	for name, c := range map[string]struct {
		line    string
		sources []string
	}{
		"resource first": {`{"resourceLogs":[{` + resource + `,` + logs + `}]}`, []string{"edge", "edge"}},
		"resource last":  {`{"resourceLogs":[{` + logs + `,` + resource + `}]}`, []string{"edge", "edge"}},
		"two resources":  {`{"resourceLogs":[{` + resource + `,` + logs + `},{` + logs + `}]}`, []string{"edge", "edge", "here", "here"}},
		"odd neighbours": {`{"resourceLogs":[7,[],{"scopeLogs":7},{"resource":[]},{"x":{"scopeLogs":[]},` + logs + `}]}`, []string{"here", "here"}},
	} {
		var b usage.Batch
		if err := d.Decode([]byte(c.line), Origin{Source: "here"}, &b); err != nil || b.Len() != len(c.sources) {
			t.Errorf("%s: %d records, %v", name, b.Len(), err)
			continue
		}
		for i, want := range c.sources {
			if got := b.Source.At(i); got != want || string(b.Path.At(i)) != "/a" || b.KeyID.At(i) != "k-1" || int(b.Sub[i]) != i {
				t.Errorf("%s, record %d: source %q, path %s, key %s, sub %d", name, i, got, b.Path.At(i), b.KeyID.At(i), b.Sub[i])
			}
		}
	}
}
