package accesslog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// canaries are keys that must be found nowhere: one of ours, ones of a well-known and of no known shape, and a JWT.
var canaries = []string{
	"tk_live_CANARYc4n4ry0123456789abcdefXYZ",
	"sk_live_CANARYc4n4ry0123456789abcdef",
	"CANARYc4n4ryQq7Zz1Xx9Vv3Mm5Nn8Bb2Kk4",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.c4n4ryCANARYc4n4ry",
}

// canaryLines has for every format lines that carry the key, written %[1]s, in the fields where keys are and in those where
// they stray.
var canaryLines = map[string][]string{
	"tollkeeper": {
		`{"time":"2026-11-24T15:04:05Z","api_key":"%[1]s","path":"/v1/items/7?api_key=%[1]s","status":200,"user_agent":"app/1 key=%[1]s"}`,
		`{"time":"2026-11-24T15:04:05Z","key_id":"%[1]s","request_id":"%[1]s","method":"%[1]s","host":"%[1]s","path":"/%[1]s","route":"/x/%[1]s","status":200,"client_ip":"%[1]s","user_agent":"%[1]s","source":"%[1]s","units":{"%[1]s":1},"api_key":"%[1]s"}`,
		`{"time":"2026-11-24T15:04:05Z","api_key":"%[1]s","path":"https://user:%[1]s@api.example.com/v1;s=%[1]s/x#%[1]s","status":200,"extra":{"%[1]s":["%[1]s"]}}`,
		`{"time":"%[1]s","path":"/","status":200}`, `{"time":"2026-11-24T15:04:05Z","path":"/","status":"%[1]s"}`, `{"%[1]s":1}`,
		`{"time":"2026-11-24T15:04:05Z","path":"/","status":200,"latency_ms":"%[1]s"}`, `{"time":"2026-11-24T15:04:05Z","path":{"%[1]s":1},"status":200}`,
		`{"time":"2026-11-24T15:04:05Z","path":"/","status":200,"units":{"a":"%[1]s"}}`, `{"time":"2026-11-24T15:04:05Z","path":"/","status":200,"units":"%[1]s"}`,
		`{"message":"%[1]s"}`, `{"message":{"time":"2026-11-24T15:04:05Z","api_key":"%[1]s","path":"/%[1]s","status":200}}`,
	},
	"nginx": {
		`{"time_iso8601":"2026-11-24T15:04:05+00:00","remote_addr":"192.0.2.7","http_x_api_key":"%[1]s","http_authorization":"Bearer %[1]s","request_uri":"/v1/items?api_key=%[1]s&sig=%[1]s","status":"200","http_referer":"https://x.example/?token=%[1]s","http_user_agent":"Mozilla/5.0 Bearer %[1]s","http_cookie":"s=%[1]s"}`,
		`{"time_iso8601":"2026-11-24T15:04:05+00:00","remote_user":"%[1]s","request":"GET /v1/%[1]s?access_token=%[1]s HTTP/1.1","status":"200","request_id":"%[1]s","http_host":"%[1]s.example.com"}`,
		`{"time_iso8601":"2026-11-24T15:04:05+00:00","http_authorization":"Basic %[2]s","request_uri":"/%[3]s","status":"200"}`,
		`{"time_iso8601":"2026-11-24T15:04:05+00:00","http_authorization":"%[1]s","request":"%[1]s","status":"200"}`,
		`{"log":"{\"time_iso8601\":\"2026-11-24T15:04:05+00:00\",\"http_x_api_key\":\"%[1]s\",\"uri\":\"/\",\"status\":\"999999\"}\n","stream":"stdout"}`,
		`<190>Nov 24 15:04:05 host nginx: {"time_iso8601":"2026-11-24T15:04:05+00:00","http_x_api_key":"%[1]s","uri":"/x","status":"200"}`,
	},
	"combined": {
		`192.0.2.7 - %[1]s [24/Nov/2026:15:04:05 +0000] "GET /v1/%[1]s?api_key=%[1]s HTTP/1.1" 200 12 "https://x.example/?key=%[1]s" "app/1 (%[1]s)"`,
		`192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "%[1]s" 400 12 "-" "Authorization: Bearer %[1]s"`,
		`%[1]s - - [24/Nov/2026:15:04:05 +0000] "GET http://u:%[1]s@h/ HTTP/1.1" 200 - "-" "-"`,
		`{"message":"192.0.2.7 - %[1]s [24/Nov/2026:15:04:05 +0000] \"GET /?sig=%[1]s HTTP/1.1\" 200 12 \"-\" \"-\""}`,
	},
	"apache":     {`192.0.2.7 - %[1]s [24/Nov/2026:15:04:05 +0000] "GET /v1?api_key=%[1]s HTTP/1.1" 200 12 "-" "%[1]s/1.0" %[1]s`},
	"envoy":      {`{"start_time":"2026-11-24T15:04:05.123Z","method":"GET","path":"/a?api_key=%[1]s","response_code":200,"duration":1,"x_api_key":"%[1]s","authority":"%[1]s","user_agent":"%[1]s","request_id":"%[1]s","downstream_remote_address":"%[1]s","authorization":"Bearer %[1]s"}`},
	"envoy-text": {`[2026-11-24T15:04:05.123Z] "GET /v1/%[1]s?api_key=%[1]s HTTP/2" 200 - 1 2 3 4 "%[1]s" "%[1]s" "%[1]s" "%[1]s" "%[1]s"`},
	"kong": {
		`{"started_at":1795532645123,"request":{"uri":"/a?apikey=%[1]s","method":"GET","size":"75","id":"%[1]s","querystring":{"apikey":"%[1]s"},"headers":{"apikey":"%[1]s","authorization":"Bearer %[1]s","cookie":"%[1]s","user-agent":"%[1]s","host":"%[1]s"}},"response":{"status":200,"size":"1"},"latencies":{"request":15},"consumer":{"id":"c"},"client_ip":"192.0.2.7"}`,
		`{"started_at":1795532645123,"request":{"uri":"/a"},"response":{"status":200},"latencies":{"request":15},"authenticated_entity":{"id":"%[1]s","key":"%[1]s"}}`,
	},
	"apisix":  {`[{"start_time":1795532645123,"route_id":"1","request":{"uri":"/hello?apikey=%[1]s","method":"GET","size":90,"headers":{"apikey":"%[1]s","user-agent":"%[1]s"},"querystring":{"apikey":"%[1]s"}},"response":{"status":200,"size":1},"latency":1.5,"client_ip":"192.0.2.7","consumer":{"username":"%[1]s"}}]`},
	"traefik": {`{"ClientHost":"192.0.2.7","ClientUsername":"%[1]s","RequestMethod":"GET","RequestPath":"/a?api_key=%[1]s","DownstreamStatus":200,"Duration":1234567,"StartUTC":"2026-11-24T15:04:05Z","request_X-Api-Key":"%[1]s","request_Authorization":"Bearer %[1]s","request_User-Agent":"%[1]s"}`},
	"aws":     {`{"requestId":"%[1]s","ip":"192.0.2.7","requestTimeEpoch":"1795532645123","httpMethod":"GET","path":"/p/%[1]s","status":"200","responseLength":"12","responseLatency":"31","apiKey":"%[1]s","apiKeyId":"%[1]s","userAgent":"%[1]s"}`},
	"caddy":   {`{"ts":1795532645.5,"request":{"remote_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"%[1]s","uri":"/?api_key=%[1]s","headers":{"X-Api-Key":["%[1]s"],"Authorization":["Bearer %[1]s"],"Cookie":["%[1]s"],"User-Agent":["%[1]s"]}},"duration":0.0009,"size":10900,"status":200,"user_id":"%[1]s","resp_headers":{"Set-Cookie":["%[1]s"]}}`},
	"haproxy": {`<134>Nov 24 15:04:05 lb haproxy[1]: 192.0.2.7:1 [24/Nov/2026:15:04:05.655] fe be/srv 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {%[1]s|Bearer %[1]s|app/1 %[1]s} "GET /a/%[1]s?api_key=%[1]s HTTP/1.1"`},
	"tyk":     {`{"timestamp":"2026-11-24T15:04:05Z","method":"GET","path":"/a/%[1]s","raw_path":"/a?api_key=%[1]s","response_code":200,"alias":"%[1]s","api_key":"%[1]s","request_time_ms":12,"ip_address":"192.0.2.7","raw_request":"%[2]s","user_agent":"%[1]s","oauth_id":"%[1]s"}`},
	"otel": {
		`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%[1]s"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795532645123000000","traceId":"%[1]s","spanId":"%[1]s","attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}},{"key":"url.path","value":{"stringValue":"/a/%[1]s"}},{"key":"http.request.header.x-api-key","value":{"arrayValue":{"values":[{"stringValue":"%[1]s"}]}}},{"key":"user_agent.original","value":{"stringValue":"%[1]s"}},{"key":"%[1]s","value":{"stringValue":"%[1]s"}}]}]}]}]}`,
	},
	"cloudevents": {`[{"specversion":"1.0","id":"%[1]s","source":"%[1]s","type":"api-call","subject":"%[1]s","time":"2026-11-24T15:04:05Z","data":{"method":"GET","path":"/%[1]s?key=%[1]s","status":200,"api_key":"%[1]s","user_agent":"%[1]s"}}]`},
	"mapping":     {`{"ts":1795532645123,"http":{"status":200,"url":"/x/%[1]s?api_key=%[1]s"},"headers":{"x-api-key":"%[1]s"},"took":"%[1]s"}`},
}

// leak finds nine characters in a row of a key's secret part, in any case, or of it in base64 or behind percent signs.
func leak(text []byte, canary string) string {
	if grams[canary] == nil {
		grams[canary] = map[[9]byte]bool{}
		secret := strings.TrimPrefix(strings.TrimPrefix(canary, "tk_live_"), "sk_live_")
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte("user:" + canary))[8:], percentAll(secret)} {
			form = strings.ToLower(form)
			for i := 0; i+9 <= len(form); i++ {
				grams[canary][[9]byte([]byte(form[i:]))] = true
			}
		}
	}
	lower := bytes.ToLower(text)
	for i := 0; i+9 <= len(lower); i++ {
		if grams[canary][[9]byte(lower[i:])] {
			return string(lower[i : i+9])
		}
	}
	return ""
}

var grams = map[string]map[[9]byte]bool{}

func canaryDecoders(t *testing.T) map[string]Decoder {
	t.Helper()
	mapping, err := ParseMapping([]byte("fields: {time: {from: ts, unit: ms}, status: http.status, path: http.url, api_key: headers.x-api-key, latency: {from: took, unit: ms}}"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{canaries[0]: "key_of_the_bird"}
	out := map[string]Decoder{}
	for _, f := range Formats() {
		out[f.Name] = newDecoder(t, f.Name, Options{Keys: newStore(t, known), Mapping: mapping})
	}
	return out
}

func TestNoFormatLetsAKeyThrough(t *testing.T) {
	decoders := canaryDecoders(t)
	var b usage.Batch
	check := func(format string, line []byte, canary string) (decoded bool) {
		b.Reset()
		err := decoders[format].Decode(line, Origin{Source: "edge"}, &b)
		for _, text := range batchTexts(&b) {
			if m := leak([]byte(text), canary); m != "" {
				t.Errorf("%s: %s in the batch, in %q, of\n%s", format, m, text, line)
			}
		}
		if err != nil {
			var r *Reject
			if !errors.As(err, &r) {
				t.Errorf("%s: %T is no *Reject", format, err)
			}
			if m := leak([]byte(err.Error()), canary); m != "" {
				t.Errorf("%s: %s in the error %q", format, m, err)
			}
		}
		kept := Redact(line, 8192)
		if m := leak(kept, canary); m != "" {
			t.Errorf("%s: %s in the dead letter\n%s\nof\n%s", format, m, kept, line)
		}
		return err == nil
	}
	for _, f := range Formats() {
		templates := canaryLines[f.Name]
		if f.Name == "auto" {
			for name, lines := range canaryLines {
				if name != "mapping" {
					templates = append(templates, lines...)
				}
			}
		}
		if len(templates) == 0 {
			t.Errorf("no lines for format %s", f.Name)
		}
		for i, canary := range canaries {
			good := 0
			for _, template := range templates {
				line := []byte(fmt.Sprintf(template+"%.[4]s", canary, base64.StdEncoding.EncodeToString([]byte("user:"+canary)), percentAll(canary), ""))
				if check(f.Name, line, canary) {
					good++
				}
				if t.Failed() {
					return
				}
				step := 1
				switch {
				case f.Name == "auto": // all formats' lines once more
					step = 37
				case i%2 == 1: // of the shapes that are easy to tell
					step = 5
				}
				for cutAt := 0; cutAt < len(line); cutAt += step {
					check(f.Name, line[:cutAt], canary)
					check(f.Name, line[cutAt:], canary)
					if t.Failed() {
						return
					}
				}
			}
			if good == 0 && f.Name != "mapping" {
				t.Errorf("%s: not one of the lines was decoded: the test tests nothing", f.Name)
			}
		}
	}
}

func percentAll(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

// batchTexts are all texts that a batch holds, dictionaries too.
func batchTexts(b *usage.Batch) []string {
	out := []string{string(b.RequestID.Data), string(b.Path.Data)}
	for _, d := range []*usage.Dict{&b.KeyID, &b.Source, &b.Method, &b.Host, &b.Route, &b.UserAgent, &b.Agent, &b.Country, &b.UnitName} {
		out = append(out, d.Values...)
	}
	return out
}

func TestBrokenBytesInsideOfAKeyDoNotHideIt(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{})
	for _, in := range []string{"tk_live_CANARY\x00c4n4ry01234567", "tk_\u200blive_CANARYc4n4ry0123", "\xfftk_live_CANARYc4n4ry", "TK_LIVE_CANARYC4N4RY01"} {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"key_id", "user_agent", "host", "source", "request_id", "route", "path", "method"} {
			line := fmt.Sprintf(`{"time":"2026-11-24T15:04:05Z","status":200,"path":"/",%q:%s}`, field, text)
			if field != "path" {
				line = strings.Replace(line, `"path":"/",`, `"path":"/ok",`, 1)
			}
			var b usage.Batch
			if err := d.Decode([]byte(line), Origin{}, &b); err != nil {
				t.Errorf("%s: %v", field, err)
			}
			for _, text := range batchTexts(&b) {
				if m := leak([]byte(text), in); m != "" {
					t.Errorf("%s: %s in %q", field, m, text)
				}
			}
		}
	}
}

// FuzzCanary puts a key of ours into any line, anywhere, and looks for it in everything that comes out.
func FuzzCanary(f *testing.F) {
	formats := Formats()
	for i, info := range formats {
		for _, line := range canaryLines[info.Name] {
			f.Add(uint8(i), []byte(strings.NewReplacer("%[1]s", "x", "%[2]s", "eA==", "%[3]s", "%78").Replace(line)), uint16(len(line)/2), uint16(len(line)))
		}
	}
	var decoders []Decoder
	for _, info := range formats {
		decoders = append(decoders, newDecoder(f, info.Name, fixtureOptions(f)))
	}
	const canary = "tk_live_CANARYc4n4ry0123456789abcdefXYZ"
	f.Fuzz(func(t *testing.T, format uint8, line []byte, at, cutAt uint16) {
		i := min(int(at), len(line))
		if i > 0 && (line[i-1] == '\\' || line[i-1] == '%' || line[i-1] == '#') || i > 1 && line[i-2] == '%' || bytes.ContainsAny(line[max(0, i-6):i], "\\%#") {
			return // it would not be the key any more
		}
		keyed := append(append(bytes.Clone(line[:i]), canary...), line[i:]...)
		keyed = keyed[:min(len(keyed), max(int(cutAt), i))]
		var b usage.Batch
		if err := decoders[int(format)%len(decoders)].Decode(keyed, Origin{Source: "edge"}, &b); err != nil && leak([]byte(err.Error()), canary) != "" {
			t.Fatalf("in the error %q", err)
		}
		for _, text := range batchTexts(&b) {
			if leak([]byte(text), canary) != "" {
				t.Fatalf("in the batch, in %q, of %q", text, keyed)
			}
		}
		if kept := Redact(keyed, 4096); leak(kept, canary) != "" {
			t.Fatalf("in the dead letter %q of %q", kept, keyed)
		}
	})
}
