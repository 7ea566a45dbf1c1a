package accesslog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// call makes a line of format tollkeeper with these fields beside the needed ones.
func lineWith(fields string) string {
	return `{"time":"2026-11-24T15:04:05Z","status":200,"path":"/v1/items",` + fields + `}`
}

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"

func TestWhoseCallItIs(t *testing.T) {
	keys := newStore(t, map[string]string{"tk_live_known": "key_known", "legacy-key": "key_legacy"})
	unknown := func(key string) string {
		id, _ := keys.Resolve([]byte(key))
		return id
	}
	for name, c := range map[string]struct {
		format, line, id string
		flags            usage.Flags
	}{
		"a known key in clear":                         {"tollkeeper", lineWith(`"api_key":"tk_live_known"`), "key_known", 0},
		"with a scheme":                                {"tollkeeper", lineWith(`"api_key":"Bearer tk_live_known"`), "key_known", 0},
		"a key nobody knows":                           {"tollkeeper", lineWith(`"api_key":"tk_live_stranger"`), unknown("tk_live_stranger"), usage.FlagUnknownKey},
		"an id":                                        {"tollkeeper", lineWith(`"key_id":"customer 7"`), "customer 7", 0},
		"an e-mail address as id":                      {"tollkeeper", lineWith(`"key_id":"frank@example.com"`), "frank@example.com", 0},
		"a number as id":                               {"tollkeeper", lineWith(`"key_id":42`), "42", 0},
		"an id that is a key":                          {"tollkeeper", lineWith(`"key_id":"tk_live_stranger"`), unknown("tk_live_stranger"), usage.FlagUnknownKey},
		"an id that the store knows as a key":          {"tollkeeper", lineWith(`"key_id":"legacy-key"`), "key_legacy", 0},
		"an id that is a token":                        {"tollkeeper", lineWith(`"key_id":"` + jwt + `"`), unknown(jwt), usage.FlagUnknownKey},
		"an id that is too long":                       {"tollkeeper", lineWith(`"key_id":"` + strings.Repeat("x", 300) + `"`), unknown(strings.Repeat("x", 300)), usage.FlagUnknownKey},
		"an id of an unknown key, as we wrote it":      {"tollkeeper", lineWith(`"key_id":"unk_0123456789abcdef"`), "unk_0123456789abcdef", usage.FlagUnknownKey},
		"a known key goes before an id":                {"tollkeeper", lineWith(`"key_id":"c7","api_key":"tk_live_known"`), "key_known", 0},
		"an id goes before an unknown key":             {"tollkeeper", lineWith(`"key_id":"c7","api_key":"tk_live_stranger"`), "c7", 0},
		"nothing":                                      {"tollkeeper", lineWith(`"key_id":"-","api_key":null`), "", usage.FlagNoKey},
		"a hidden key is none":                         {"tollkeeper", lineWith(`"api_key":"[REDACTED]"`), "", usage.FlagNoKey},
		"a key in the query":                           {"nginx", `{"msec":"1795532645.1","status":"200","request_uri":"/x?a=1&API_KEY=tk%5Flive_known"}`, "key_known", 0},
		"a header goes before the query":               {"nginx", `{"msec":"1795532645.1","status":"200","request_uri":"/x?api_key=other-key","http_x_api_key":"tk_live_known"}`, "key_known", 0},
		"a bearer token":                               {"nginx", `{"msec":"1795532645.1","status":"200","uri":"/","http_authorization":"bearer tk_live_known"}`, "key_known", 0},
		"a key as basic user":                          {"nginx", `{"msec":"1795532645.1","status":"200","uri":"/","http_authorization":"Basic dGtfbGl2ZV9rbm93bjo="}`, "key_known", 0},
		"basic credentials that nobody checked":        {"envoy", `{"start_time":"2026-11-24T15:04:05Z","response_code":200,"path":"/","authorization":"Basic ZnJhbms6c2VjcmV0"}`, unknown("frank:secret"), usage.FlagUnknownKey},
		"a signature is no key":                        {"nginx", `{"msec":"1795532645.1","status":"200","uri":"/","http_authorization":"AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=y"}`, "", usage.FlagNoKey},
		"a user":                                       {"combined", `192.0.2.7 - frank [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 1 "-" "-"`, "frank", 0},
		"a user who was refused":                       {"combined", `192.0.2.7 - frank [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 401 1 "-" "-"`, "", usage.FlagNoKey},
		"a user that looks like a key of unknown kind": {"combined", `192.0.2.7 - Zq8vN2mXw5Kp9Rt3Lb7H [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 1 "-" "-"`, unknown("Zq8vN2mXw5Kp9Rt3Lb7H"), usage.FlagUnknownKey},
	} {
		d := newDecoder(t, c.format, Options{Keys: keys})
		for range 2 { // the second time it is remembered
			r := one(t, d, c.line)
			if r.KeyID != c.id || r.Flags&^usage.FlagNoRequestID != c.flags {
				t.Errorf("%s: key id %q, flags %s; want %q, %s", name, r.KeyID, flagText(r.Flags), c.id, flagText(c.flags))
			}
		}
	}
}

func TestARecordsOwnKeyOfAnyShapeIsTakenOutOfItsOtherValues(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{})
	r := one(t, d, lineWith(`"api_key":"hunter22","host":"hunter22.example.com","user_agent":"x hunter22","request_id":"r-hunter22","path":"/a/hunter22/b"`))
	for _, v := range []string{r.KeyID, r.Host, r.UserAgent, string(r.RequestID), string(r.Path), r.Route} {
		if strings.Contains(v, "hunter22") {
			t.Errorf("the key is in %q", v)
		}
	}
	if string(r.Path) != "/a/[redacted]/b" || r.Route != "/a/{id}/b" {
		t.Errorf("path %q, route %q", r.Path, r.Route)
	}
}

func TestRequestIDsStayUnique(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{})
	seen := map[string]string{}
	for _, id := range []string{
		"req_1", strings.Repeat("a", 200) + "1", strings.Repeat("a", 200) + "2", "tk_live_0123456789a", "tk_live_0123456789b", jwt, "x\\u0001y", "xy", "Root=1-67891233-abcdef012345678912345678",
		"JKJaXFPoPHcFdfg=", "é1", "é2", "REQ\\u0001sk", "0A\\u0001A0A00", "0A\\u0001A0A01",
	} {
		first, again := one(t, d, lineWith(`"request_id":"`+id+`"`)), one(t, d, lineWith(`"request_id":"`+id+`"`))
		got := string(first.RequestID)
		if got == "" || got != string(again.RequestID) || len(got) > usage.MaxRequestIDBytes {
			t.Errorf("%s became %q and %q", id, got, again.RequestID)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%s and %s both became %q: one of the calls would not be counted", id, other, got)
		}
		seen[got] = id
		if moved := one(t, d, lineWith(`"request_id":"`+got+`"`)); string(moved.RequestID) != got {
			t.Errorf("%s became %q, and that %q when it was written and read again: one call would count twice", id, got, moved.RequestID)
		}
	}
	for _, kept := range []string{"req_1", "JKJaXFPoPHcFdfg=", "Root=1-67891233-abcdef012345678912345678"} {
		if seen[kept] != kept {
			t.Errorf("%s was changed although nothing is wrong with it", kept)
		}
	}
}

func TestWhatIsWrongIsRejectedWithItsReason(t *testing.T) {
	ok := `"time":"2026-11-24T15:04:05Z","status":200,"path":"/"`
	manyUnits := strings.Repeat(`"u%d":1,`, 17)
	for i := range 17 {
		manyUnits = strings.Replace(manyUnits, "%d", fmt.Sprint(i), 1)
	}
	for name, c := range map[string]struct{ format, line, reason, detail string }{
		"empty":               {"tollkeeper", " \r\n", ReasonEmptyLine, ""},
		"too long":            {"tollkeeper", `{"x":"` + strings.Repeat("x", usage.MaxLineBytes) + `"}`, ReasonLineTooLong, "1048576"},
		"not JSON":            {"tollkeeper", `hello`, ReasonBadJSON, "byte 0"},
		"cut":                 {"tollkeeper", `{` + ok + `,"latency`, ReasonBadJSON, "byte"},
		"two objects":         {"tollkeeper", `{` + ok + `}{}`, ReasonBadJSON, ""},
		"no time":             {"tollkeeper", `{"status":200,"path":"/"}`, ReasonMissingField, "time"},
		"empty time":          {"tollkeeper", `{"time":"-","status":200,"path":"/"}`, ReasonMissingField, "time"},
		"no status":           {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","path":"/"}`, ReasonMissingField, "status"},
		"no path":             {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":200}`, ReasonMissingField, "path"},
		"a bad time":          {"tollkeeper", `{"time":"yesterday","status":200,"path":"/"}`, ReasonBadTime, "time"},
		"before 2000":         {"tollkeeper", `{"time":"1999-12-31T23:59:59Z","status":200,"path":"/"}`, ReasonBadTime, "2000"},
		"far in the future":   {"tollkeeper", `{"time":"2026-12-02T12:00:01Z","status":200,"path":"/"}`, ReasonBadTime, "future"},
		"absurd":              {"tollkeeper", `{"time":9e300,"status":200,"path":"/"}`, ReasonBadTime, "time"},
		"status 42":           {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":42,"path":"/"}`, ReasonBadStatus, ""},
		"status 1000":         {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":1000,"path":"/"}`, ReasonBadStatus, ""},
		"status -200":         {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":-200,"path":"/"}`, ReasonBadStatus, "negative"},
		"status in words":     {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":"OK","path":"/"}`, ReasonBadStatus, "not a number"},
		"negative latency":    {"tollkeeper", `{` + ok + `,"latency_ms":-1}`, ReasonBadNumber, "latency_ms: is negative"},
		"huge size":           {"tollkeeper", `{` + ok + `,"response_bytes":1e30}`, ReasonBadNumber, "response_bytes: is too large"},
		"over a petabyte":     {"tollkeeper", `{` + ok + `,"response_bytes":1000000000000001}`, ReasonBadNumber, "response_bytes: is too large"},
		"sent to nginx":       {"nginx", `{"msec":"1795532645.1","status":"200","uri":"/","request_length":"1e16"}`, ReasonBadNumber, "too large"},
		"in combined":         {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 1000000000000001 "-" "-"`, ReasonBadNumber, "too large"},
		"tokens beyond that":  {"tollkeeper", `{` + ok + `,"units":{"a":4611686018427387904}}`, ReasonBadUnits, "too large"},
		"half a byte":         {"tollkeeper", `{` + ok + `,"request_bytes":0.5}`, ReasonBadNumber, "whole"},
		"a path of objects":   {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":200,"path":{}}`, ReasonBadField, "path"},
		"a host that is true": {"tollkeeper", `{` + ok + `,"host":true}`, ReasonBadField, "host"},
		"units in a list":     {"tollkeeper", `{` + ok + `,"units":[1]}`, ReasonBadUnits, "not an object"},
		"half a token":        {"tollkeeper", `{` + ok + `,"units":{"a":1.5}}`, ReasonBadUnits, "whole"},
		"negative tokens":     {"tollkeeper", `{` + ok + `,"units":{"a":-1}}`, ReasonBadUnits, "negative"},
		"too many units":      {"tollkeeper", `{` + ok + `,"units":{` + strings.TrimSuffix(manyUnits, ",") + `}}`, ReasonBadUnits, "too many"},
		"one of a list bad":   {"tollkeeper", `[{` + ok + `},{` + ok + `},{` + ok + `,"status":1}]`, ReasonBadStatus, ""},
		"a list of numbers":   {"tollkeeper", `[1,2]`, ReasonBadField, "not an object"},
		"an empty list":       {"tollkeeper", `[]`, ReasonMissingField, "empty"},
		"wrapped garbage":     {"nginx", `{"message":"not JSON at all"}`, ReasonMissingField, "time"},
		"wrapped twice":       {"nginx", `{"message":"{\"message\":\"{}\"}"}`, ReasonMissingField, "time"},
		"no time in combined": {"combined", `192.0.2.7 - - "GET / HTTP/1.1" 200 1 "-" "-"`, ReasonBadLine, "time"},
		"a cut size":          {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 12`, ReasonBadLine, "format apache"},
		"no quotes":           {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] GET / 200 12`, ReasonBadLine, "quotes"},
		"status in combined":  {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" abc 12 "-" "-"`, ReasonBadStatus, ""},
		"size in combined":    {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 -12 "-" "-"`, ReasonBadNumber, "negative"},
		"tcplog of HAProxy":   {"haproxy", `192.0.2.7:1 [24/Nov/2026:15:04:05.655] fe be/srv 10/0/30 200 -- 1/1/1/1/0 0/0`, ReasonBadLine, "httplog"},
		"Envoy's other text":  {"envoy-text", `[2026-11-24T15:04:05Z] hello`, ReasonBadLine, "quotes"},
		"nobody's line":       {"auto", `{"hello":"world"}`, ReasonUnknown, ""},
		"spans":               {"otel", `{"resourceSpans":[]}`, ReasonMissingField, "time"},
		"no records":          {"otel", `{"resourceLogs":[]}`, ReasonMissingField, "resourceLogs"},
	} {
		_, err := decode(t, newDecoder(t, c.format, Options{}), c.line)
		if reasonOf(err) != c.reason || !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%s: %v, want %s with %q", name, err, c.reason, c.detail)
		}
	}
}

func TestWhatIsOddButCountsIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		format, line string
		check        func(r usage.Record) bool
	}{
		"no answer":               {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":"-","path":"/"}`, func(r usage.Record) bool { return r.Status == 0 }},
		"HTTP/0.9 in nginx":       {"nginx", `{"msec":"1795532645.1","status":"009","uri":"/"}`, func(r usage.Record) bool { return r.Status == 200 }},
		"499 of nginx":            {"nginx", `{"msec":"1795532645.1","status":"499","uri":"/"}`, func(r usage.Record) bool { return r.Status == 499 }},
		"seconds":                 {"nginx", `{"msec":"1795532645.1","status":"200","uri":"/","request_time":"1.0435"}`, func(r usage.Record) bool { return r.LatencyMicros == 1043500 }},
		"a websocket":             {"nginx", `{"msec":"1795532645.1","status":"101","uri":"/","request_time":"86400.000"}`, func(r usage.Record) bool { return r.LatencyMicros == 1<<32-1 }},
		"nanoseconds":             {"traefik", `{"StartUTC":"2026-11-24T15:04:05Z","DownstreamStatus":200,"RequestPath":"/","Duration":1234567}`, func(r usage.Record) bool { return r.LatencyMicros == 1235 }},
		"a duration with unit":    {"caddy", `{"ts":1795532645.5,"status":200,"request":{"uri":"/"},"duration":"1.5ms"}`, func(r usage.Record) bool { return r.LatencyMicros == 1500 }},
		"an exponent":             {"caddy", `{"ts":1.7955326455e9,"status":200,"request":{"uri":"/"},"duration":9.04e-05}`, func(r usage.Record) bool { return r.LatencyMicros == 90 && r.TimeMillis == 1795532645500 }},
		"an absolute URL":         {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":200,"path":"https://u:p@api.example.com:8443/v1/x?y#z"}`, func(r usage.Record) bool { return string(r.Path) == "/v1/x" && r.Host == "api.example.com:8443" }},
		"an escaped query":        {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":200,"path":"/v1/x%3Fapi_key=1"}`, func(r usage.Record) bool { return string(r.Path) == "/v1/x" }},
		"path parameters":         {"tollkeeper", `{"time":"2026-11-24T15:04:05Z","status":200,"path":"/a;jsessionid=1/b;x"}`, func(r usage.Record) bool { return string(r.Path) == "/a/b" }},
		"no path at all":          {"nginx", `{"msec":"1795532645.1","status":"400","request_uri":""}`, func(r usage.Record) bool { return len(r.Path) == 0 && r.Route == otherRoute }},
		"NUL and broken UTF-8":    {"tollkeeper", "{\"time\":\"2026-11-24T15:04:05Z\",\"status\":200,\"path\":\"/a\\u0000b\xff\",\"user_agent\":\"x\\r\\ny\\u202e\"}", func(r usage.Record) bool { return string(r.Path) == "/ab\ufffd" && r.UserAgent == "xy" }},
		"a long agent":            {"tollkeeper", lineWith(`"user_agent":"` + strings.Repeat("é", 400) + `"`), func(r usage.Record) bool { return r.UserAgent == strings.Repeat("é", 256) }},
		"a strange method":        {"tollkeeper", lineWith(`"method":"ge t"`), func(r usage.Record) bool { return r.Method == "OTHER" }},
		"a small method":          {"tollkeeper", lineWith(`"method":"post"`), func(r usage.Record) bool { return r.Method == "POST" }},
		"PROPFIND":                {"tollkeeper", lineWith(`"method":"PROPFIND"`), func(r usage.Record) bool { return r.Method == "PROPFIND" }},
		"a host name for address": {"combined", `host.example.com - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 - "-" "-"`, func(r usage.Record) bool { return !r.ClientIP.IsValid() }},
		"an address of IPv6":      {"combined", `2001:db8::7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 - "-" "-"`, func(r usage.Record) bool { return r.ClientIP.String() == "2001:db8::7" }},
		"IPv6 in HAProxy":         {"haproxy", `2001:db8::7:443 [24/Nov/2026:15:04:05.655] fe be/srv 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET / HTTP/1.1"`, func(r usage.Record) bool { return r.ClientIP.String() == "2001:db8::7" && r.LatencyMicros == 109000 }},
		"an agent that was cut":   {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 12 "-" "Mozilla/5.0 (compatible; Goo`, func(r usage.Record) bool { return r.UserAgent == "Mozilla/5.0 (compatible;" && r.ResponseBytes == 12 }},
		"blanks in the path":      {"combined", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET /a b c HTTP/1.1" 200 12 "-" "-"`, func(r usage.Record) bool { return string(r.Path) == "/a b c" }},
		"the common log format":   {"apache", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 12`, func(r usage.Record) bool { return r.ResponseBytes == 12 }},
		"%D":                      {"apache", `192.0.2.7 - - [24/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 12 "-" "x" 3262`, func(r usage.Record) bool { return r.LatencyMicros == 3262 }},
		"a route with its method": {"aws", `{"requestTimeEpoch":1795532645123,"status":"200","routeKey":"GET /pets/{id}","path":"/pets/7"}`, func(r usage.Record) bool { return r.Route == "/pets/{id}" }},
		"a default route":         {"aws", `{"requestTimeEpoch":1795532645123,"status":"200","routeKey":"$default","path":"/pets/7"}`, func(r usage.Record) bool { return r.Route == "/pets/{id}" }},
		"a petabyte": {"tollkeeper", lineWith(`"response_bytes":1e15,"units":{"a":1000000000000000}`), func(r usage.Record) bool {
			return r.ResponseBytes == 1e15 && fmt.Sprint(r.Units) == "[{a 1000000000000000}]"
		}},
		"units twice":           {"tollkeeper", lineWith(`"units":{"a":"1","b":2,"a":3,"c":null}`), func(r usage.Record) bool { return fmt.Sprint(r.Units) == "[{a 3} {b 2}]" }},
		"the last of two names": {"tollkeeper", lineWith(`"host":"a","HOST":"b"`), func(r usage.Record) bool { return r.Host == "b" }},
		"Istio's text": {"envoy-text", `[2026-11-24T15:04:05.123Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 1 2 3 4 "203.0.113.9" "x" "rid" "host" "10.0.2.1:80" outbound|80||a.b.svc 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 - default`, func(r usage.Record) bool {
			return r.LatencyMicros == 3000 && string(r.RequestID) == "rid" && r.ResponseBytes == 2
		}},
	} {
		r := one(t, newDecoder(t, c.format, Options{}), c.line)
		if !c.check(r) {
			t.Errorf("%s: %+v of %s", name, r, c.line)
		}
	}
}

func TestTimesAreJudgedByTheReceiptOfTheLog(t *testing.T) {
	d := newDecoder(t, "tollkeeper", Options{MaxFuture: time.Hour, Now: func() time.Time { t.Error("the clock was read"); return received }})
	at := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	var b usage.Batch
	for ahead, ok := range map[time.Duration]bool{0: true, time.Hour: true, time.Hour + time.Second: false, -10 * 365 * 24 * time.Hour: true} {
		line := fmt.Sprintf(`{"time":%q,"status":200,"path":"/"}`, at.Add(ahead).Format(time.RFC3339))
		if err := d.Decode([]byte(line), Origin{ReceivedMillis: at.UnixMilli()}, &b); (err == nil) != ok {
			t.Errorf("%v ahead: %v", ahead, err)
		}
	}
}

// counting counts how often the store is asked.
type counting struct {
	store
	asked *int
}

func (c counting) Resolve(key []byte) (string, bool) {
	*c.asked++
	return c.store.Resolve(key)
}

func TestAKeyIsResolvedOnceAndAnUnknownOneAgainAfterAWhile(t *testing.T) {
	asked := 0
	keys := counting{newStore(t, map[string]string{"tk_live_known": "key_known"}), &asked}
	d := newDecoder(t, "tollkeeper", Options{Keys: keys, KeyCacheSize: 8})
	millis := received.UnixMilli()
	get := func(key string) string {
		var b usage.Batch
		if err := d.Decode([]byte(lineWith(`"api_key":"`+key+`"`)), Origin{ReceivedMillis: millis}, &b); err != nil {
			t.Fatal(err)
		}
		return b.KeyID.At(0)
	}
	for range 100 {
		get("tk_live_known")
		get("tk_live_later")
	}
	if asked != 2 {
		t.Errorf("two keys were resolved %d times", asked)
	}
	keys.known["tk_live_later"] = "key_later"
	millis += unknownKeyMillis + 1
	if id := get("tk_live_later"); id != "key_later" || asked != 3 {
		t.Errorf("a key issued meanwhile has id %q; the store was asked %d times", id, asked)
	}
	for i := range 1000 {
		get(fmt.Sprintf("tk_live_%d", i))
	}
	c := d.(*jsonDecoder).cache
	if n := len(c.young) + len(c.old); n > 8 {
		t.Errorf("%d keys are remembered, the bound is 8", n)
	}
}

func TestAWarmDecoderAllocatesNothing(t *testing.T) {
	for _, info := range Formats() {
		if info.Name == "auto" {
			continue
		}
		d := newDecoder(t, info.Name, fixtureOptions(t))
		lines := benchLines(t, info.Name)[:256]
		var b usage.Batch
		run := func() {
			b.Reset()
			for _, line := range lines {
				if err := d.Decode(line, Origin{Source: "edge", ReceivedMillis: received.UnixMilli()}, &b); err != nil {
					t.Fatal(err)
				}
			}
		}
		run()
		if n := testing.AllocsPerRun(5, run); n > 0 {
			t.Errorf("%s: %v allocations for %d lines", info.Name, n, len(lines))
		}
	}
}

func TestFormatsSayHowToConfigureTheGateway(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Formats() {
		if f.Name == "" || f.Gateway == "" || f.Description == "" || f.Configure == "" && f.Name != "auto" || seen[f.Name] {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		if d := newDecoder(t, f.Name, fixtureOptions(t)); d.Name() != f.Name && f.Name != "mapping" {
			t.Errorf("%s makes a decoder named %s", f.Name, d.Name())
		}
	}
}
