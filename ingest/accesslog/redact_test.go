package accesslog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestRedactShowsStructureAndHidesValues(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{
			"nginx JSON", `{"time":"2026-11-24T15:04:05+00:00","status":"abc","request_uri":"/v1/items/77?api_key=hunter2","http_x_api_key":"hunter2","request_time":0.1,"cookie":"a=b"}`,
			`{"time":"2026-11-24T15:04:05+00:00","status":"[redacted]","request_uri":"/v1/items/{id}","http_x_api_key":"[redacted]","request_time":0.1,"cookie":"[redacted]"}`,
		},
		{"a number under a secret name", `{"api_key":12345678,"input_tokens":12}`, `{"api_key":[redacted],"input_tokens":12}`},
		{
			"headers", `{"request":{"headers":{"X-Api-Key":["k1","k2"],"Host":["api.example.com"]}}}`,
			`{"request":{"headers":{"X-Api-Key":["[redacted]","[redacted]"],"Host":["api.example.com"]}}}`,
		},
		{"start lost", `pi_key":"hunter22","status":200}`, `[redacted]"[redacted]"[redacted]"[redacted]"[redacted]"[redacted]"`},
		{
			"combined", `1.2.3.4 - frank [10/Oct/2000:13:55:36 -0700] "GET /a/12345?token=x HTTP/1.0" abc 2326 "http://u:p@h.example/p?sig=1" "curl/8.7.1 key=tk_live_1"`,
			`1.2.3.4 - frank [10/Oct/2000:13:55:36 -0700] "GET /a/{id} HTTP/1.0" abc 2326 "//h.example/p" "curl/8.7.1 key=[redacted]"`,
		},
		{"basic auth in text", `Authorization: Basic dXNlcjpwYXNz and X-Api-Key: secretvalue`, `Authorization: [redacted] [redacted] [redacted] [redacted] [redacted]`},
		{"wrapped", `{"message":"{\"api_key\":\"hunter2\",\"method\":\"GET\"}"}`, `{"message":"{\"api_key\":\"[redacted]\",\"method\":\"GET\"}"}`},
		{"attribute", `{"key":"http.request.method","value":{"stringValue":"GET"}}`, `{"key":"http.request.method","value":{"stringValue":"[redacted]"}}`},
	} {
		if got := string(Redact([]byte(c.line), 4096)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestRedactStaysInsideItsBound(t *testing.T) {
	long := append(bytes.Repeat([]byte(`{"method":"GET","n":1},`), 100000), 0xff, 0)
	for _, max := range []int{0, 1, 3, 4, 100, 4096} {
		if got := Redact(long, max); len(got) > max || !utf8.Valid(got) {
			t.Errorf("max %d: %d bytes", max, len(got))
		}
	}
}

// TestALongLineCostsNoMoreThanItsLength feeds lines that are made to cost time: one four times as long, up to a mebibyte,
// may cost four times as much, not sixteen times.
func TestALongLineCostsNoMoreThanItsLength(t *testing.T) {
	const mebibyte, plenty = 1<<20 - 200, time.Second // of all decoders together, at the machine's slowest
	var decoders []Decoder
	for _, info := range Formats() {
		decoders = append(decoders, newDecoder(t, info.Name, fixtureOptions(t)))
	}
	lines := func(piece string, size int) []string {
		body := strings.Repeat(piece, size/len(piece))
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > size {
			text = append(text[:size], '"')
		}
		half, quarter := body[:size/2], body[:size/4]
		return []string{
			body, `192.0.2.7 - ` + half + ` [24/Nov/2026:15:04:05 +0000] "GET /` + quarter + ` HTTP/1.1" 200 1 "-" "` + quarter,
			`{"time":"2026-11-24T15:04:05Z","status":200,"path":` + string(text) + `}`, `{"time":"2026-11-24T15:04:05Z","status":200,"path":"/","user_agent":` + string(text) + `}`,
			`{"time":"2026-11-24T15:04:05Z","status":200,"path":"/","request_id":` + string(text) + `}`,
		}
	}
	cost := func(line string) time.Duration {
		start := cpuTime(t)
		for _, d := range decoders {
			var b usage.Batch
			_ = d.Decode([]byte(line), Origin{}, &b)
		}
		Redact([]byte(line), 4096)
		return cpuTime(t) - start
	}
	for _, piece := range []string{"[", "{\"a\":", "\"", "\\", "%25", "%", "a@", "://", "://a@", "((", "token=(", "a=", "a-", "tk_", "s_", " [0", "{", "{ ", "\xff", "/a", ";a/", "a,", "1.", "& ", "Bearer ", "\" \"", "\\u0041"} {
		short := lines(piece, mebibyte/4)
		for i, long := range lines(piece, mebibyte) {
			if took := cost(long); took > plenty {
				if quarter := cost(short[i]); took > 9*quarter {
					t.Errorf("%q over and over, line %d: %v for %d decoders, %v for a quarter of it", piece, i, took, len(decoders), quarter)
				}
			}
		}
	}
}
