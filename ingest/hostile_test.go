package ingest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// hostileLines are what a broken or malicious client can make a gateway log, or somebody write into its topic.
func hostileLines() []string {
	deep := func(open, shut string, n int) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	return []string{
		"\x00", "\x00\x00\x00\x00\x00\x00\x00", "\xff\xfe\xfd", "{", "[", "{}", "[]", "null", `""`, "-", `{"":""}`, `{"time":{}}`,
		deep("[", "]", 20_000), deep(`{"a":`, "}", 20_000), deep(`{"request":`, "}", 9_000), `{"message":"` + strings.Repeat(`{\"message\":\"`, 500) + `"}`,
		`{"resourceLogs":` + deep("[", "]", 5_000) + `}`, `{"data":` + deep(`{"data":`, "}", 5_000) + `}`,
		`{"time":1e999,"status":1e999,"path":1e999}`, `{"time":-99999999999999999999,"status":-1,"path":"/","request_bytes":-5}`,
		`{"time":"0000-00-00T00:00:00Z","status":"200","path":"/"}`, `{"time":"9999-12-31T23:59:59Z","status":200,"path":"/"}`,
		`{"time":"2026-11-24T15:04:05Z","status":200,"path":"/` + strings.Repeat("a/", 400_000) + `"}`,
		`{"time":"2026-11-24T15:04:05Z","status":200,"path":"/","time":"x","status":{},"path":[]}`,
		`{"time":"2026-11-24T15:04:05Z","status":200,"path":"\ud800\u0000\u202e\\u0000","units":{"` + strings.Repeat("u", 100_000) + `":9223372036854775808}}`,
		`{"time":"2026-11-24T15:04:05Z","status":200,"path":"/"` + strings.Repeat(`,"x":0`, 100_000) + `}`,
		`- - - [`, `x - - [24/Nov/2026:15:04:05 +0000] "`, `x - - [99/Xyz/0000:99:99:99 +9999] "GET / HTTP/1.1" -200 -5 "-" "-"`,
		`x - - [24/Nov/2026:15:04:05 +0000] "` + strings.Repeat(`\"`, 200_000) + `" 200 5 "-" "-"`,
		`[2026-11-24T15:04:05Z] "" 200`, strings.Repeat("[", 500_000), strings.Repeat(`"`, 500_000), strings.Repeat(" ", 500_000) + "x",
		strings.Repeat("x", usage.MaxLineBytes+5),
	}
}

// Whatever a line is, it is a row or a dead letter, and the lines around it are rows: in every format, on the real way.
func TestHostileLinesHarmNobody(t *testing.T) {
	var formats []string
	for _, f := range accesslog.Formats() {
		if f.Name != "mapping" { // needs a file; it is the same decoder as all the other JSON ones
			formats = append(formats, f.Name)
		}
	}
	c := startCluster(t, 1, formats...)
	s := newMemStore()
	lines, rowsWanted := 0, map[string]int{}
	for _, format := range formats {
		name := format
		if format == "auto" {
			name = "nginx"
		}
		files, err := filepath.Glob(filepath.Join("accesslog", "testdata", name, "*.log"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no fixture of %s: %v", name, err)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		good := string(bytes.SplitN(text, []byte("\n"), 2)[0])
		for _, bad := range hostileLines() {
			c.produce(format, 0, good, bad)
			lines += 2
			rowsWanted[format]++
		}
	}
	cfg := c.config(s)
	cfg.Topics, cfg.DedupWindow = formats, -1
	cfg.NewDecoder = func(topic string) (Decoder, error) {
		keys, err := accesslog.NewHMACResolver([]byte(testPepper))
		if err != nil {
			return nil, err
		}
		// The fixtures are of days to come.
		return accesslog.New(topic, accesslog.Options{Keys: keys, MaxFuture: 100 * 365 * 24 * time.Hour})
	}
	_, stop := run(t, cfg)
	covered := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		places := map[string]map[int64]bool{}
		note := func(topic string, offset int64) {
			if places[topic] == nil {
				places[topic] = map[int64]bool{}
			}
			places[topic][offset] = true
		}
		for _, r := range s.rows {
			note(r.topic, r.Offset)
		}
		for i, l := range s.letters {
			note(s.where[i].Topic, l.Offset)
		}
		n := 0
		for _, p := range places {
			n += len(p)
		}
		return n
	}
	waitFor(t, "every line is a row or a dead letter", func() bool { return covered() == lines })
	stop()
	goodRows := map[string]map[int64]bool{}
	for _, r := range s.rows {
		if r.Offset%2 == 0 {
			if goodRows[r.topic] == nil {
				goodRows[r.topic] = map[int64]bool{}
			}
			goodRows[r.topic][r.Offset] = true
		}
		if len(r.Path) > usage.MaxPathBytes || len(r.Route) > usage.MaxNameBytes || r.RequestBytes < 0 || r.ResponseBytes < 0 {
			t.Errorf("%s@%d is out of its bounds", r.topic, r.Offset)
		}
	}
	for format, want := range rowsWanted {
		if n := len(goodRows[format]); n != want {
			t.Errorf("%s: %d of %d good lines are rows", format, n, want)
		}
	}
	for _, l := range s.letters {
		if l.Reason == "decoder_error" {
			t.Errorf("the decoder %s failed at offset %d", l.Format, l.Offset)
		}
		if len(l.Line) > maxDeadLetterBytes {
			t.Errorf("a dead letter of %d bytes", len(l.Line))
		}
	}
}
