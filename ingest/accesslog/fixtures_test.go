package accesslog

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

var update = flag.Bool("update", false, "write what the fixtures give into their .want files")

const fixtureKey = "tk_test_0000fixture0000fixture0000"

// fixtureFiles are testdata/<format>/recorded.log, of real programs by record.sh, and documented.log, written by hand from the
// documentation of programs that cannot be had here.
func fixtureFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.log")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d fixtures, error %v", len(files), err)
	}
	return files
}

func fixtureOptions(t testing.TB) Options {
	t.Helper()
	m, err := LoadMapping("testdata/mapping/mapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Keys: newStore(t, map[string]string{fixtureKey: "key_fixture"}), Mapping: m, TrustedHops: 0}
}

func TestFixturesGiveWhatIsWanted(t *testing.T) {
	for _, path := range fixtureFiles(t) {
		format := filepath.Base(filepath.Dir(path))
		got := decodedFixture(t, newDecoder(t, format, fixtureOptions(t)), path)
		want := strings.TrimSuffix(path, ".log") + ".want"
		if *update {
			if err := os.WriteFile(want, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(want)
		if err != nil {
			t.Fatalf("%v: write it with `go test -run Fixtures -update` and read it well", err)
		}
		if d := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(string(got), "\n")); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
}

// decodedFixture is one line a record: number of the line, sub, flags and the record as a line of format tollkeeper.
func decodedFixture(t testing.TB, d Decoder, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	n := 0
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); n++ {
		var b usage.Batch
		if err := d.Decode(sc.Bytes(), Origin{Offset: int64(n), Source: "edge"}, &b); err != nil {
			t.Errorf("%s: line %d: %v", path, n+1, err)
		}
		for i := range b.Len() {
			out = fmt.Appendf(out, "%d.%d %s ", b.Offset[i], b.Sub[i], flagText(b.Flags[i]))
			out = append(AppendRecord(out, &b, i), '\n')
		}
	}
	return out
}

func flagText(f usage.Flags) string {
	out := ""
	for flag, name := range []string{"unknown-key", "duplicate", "no-request-id", "no-key"} {
		if f&(1<<flag) != 0 {
			out += "," + name
		}
	}
	if out == "" {
		return "-"
	}
	return out[1:]
}

// TestAutoTakesEveryFixtureAsItsFormat feeds all formats' lines to one decoder, mixed: it must make the same of each.
func TestAutoTakesEveryFixtureAsItsFormat(t *testing.T) {
	d := newDecoder(t, "auto", fixtureOptions(t))
	for _, path := range fixtureFiles(t) {
		format := filepath.Base(filepath.Dir(path))
		if format == "mapping" {
			continue
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, ".log") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(decodedFixture(t, d, path)), "\n")); diff != "" {
			t.Errorf("%s, taken for %s (-want +got):\n%s", path, d.(*auto).Recognised(), diff)
		}
	}
}

func TestEveryFixtureIsTakenWrappedToo(t *testing.T) {
	for _, path := range fixtureFiles(t) {
		format := filepath.Base(filepath.Dir(path))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{format, "auto"} {
			if format == "auto" && strings.Contains(path, "mapping") {
				continue
			}
			plain, wrapped := newDecoder(t, format, fixtureOptions(t)), newDecoder(t, format, fixtureOptions(t))
			for line := range strings.Lines(string(text)) {
				line = strings.TrimSpace(line)
				for _, wrap := range []string{
					`{"@timestamp":"2026-11-24T15:00:00Z","@metadata":{"beat":"filebeat"},"message":"%s","log":{"offset":12,"file":{"path":"/var/log/x"}}}`,
					`{"log":"%s\n","stream":"stdout","time":"2026-11-24T15:00:00.1Z"}`,
					`{"@timestamp":"2026-11-24T15:00:00.000Z","@metadata":{"beat":"filebeat","type":"_doc","version":"8.15.0"},"message":"%s","log":{"offset":12,"file":{"path":"/var/log/x"}},"input":{"type":"filestream"},"ecs":{"version":"8.0.0"},"host":{"name":"web-1"},"agent":{"id":"1","name":"web-1","type":"filebeat","version":"8.15.0"}}`,
					`{"@version":"1","event":{"original":"x"},"host":{"name":"web-1"},"message":"%s","@timestamp":"2026-11-24T15:00:00.000Z"}`,
					`{"file":"/var/log/x","host":"web-1","message":"%s","source_type":"file","timestamp":"2026-11-24T15:00:00.123Z"}`,
					`{"@timestamp":1795532400.1,"log":"%s","kubernetes":{"pod_name":"p","host":"node-1","labels":{"app":"x"}}}`,
					`2026-11-24T15:00:00.123456789Z stdout F %s`,
				} {
					inner := string(appendQuoted(nil, line))
					if wrap[0] != '{' {
						inner = line
					}
					one, err1 := decode(t, plain, line)
					two, err2 := decode(t, wrapped, fmt.Sprintf(wrap, inner))
					if err1 != nil || err2 != nil {
						t.Errorf("%s: plain %v, wrapped %v", path, err1, err2)
					} else if d := cmp.Diff(fmt.Sprint(one), fmt.Sprint(two)); d != "" {
						t.Errorf("%s (-plain +wrapped):\n%s", path, d)
					}
				}
			}
		}
	}
}

// FuzzDecode holds for every format that no line harms: no panic, all or nothing, columns of one length, values inside
// their bounds and clean, and that a record written as a line is read as the same record.
func FuzzDecode(f *testing.F) {
	formats := Formats()
	for _, path := range fixtureFiles(f) {
		format := filepath.Base(filepath.Dir(path))
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for i, info := range formats {
			if info.Name == format || info.Name == "auto" {
				for line := range bytes.Lines(text) {
					f.Add(uint8(i), line)
				}
			}
		}
	}
	f.Add(uint8(0), []byte(`{"message":"{\"message\":\"{}\"}"}`))
	f.Add(uint8(1), []byte("{\"time\":\"2026-11-24T15:04:05Z\",\"status\":200,\"path\":\"/\\u0000\xff/%\",\"user_agent\":\"a\tb\",\"units\":{\"a\":1,\"a\":2}}"))
	var decoders []Decoder
	for _, info := range formats {
		decoders = append(decoders, newDecoder(f, info.Name, fixtureOptions(f)))
	}
	again := newDecoder(f, "tollkeeper", fixtureOptions(f))
	f.Fuzz(func(t *testing.T, format uint8, line []byte) {
		d := decoders[int(format)%len(decoders)]
		var b usage.Batch
		first := usage.Record{Path: []byte("/before")}
		b.Append(&first)
		err := d.Decode(line, Origin{Source: "edge"}, &b)
		if err != nil && (reasonOf(err) == "" || b.Len() != 1) {
			t.Fatalf("%T %v, and %d records", err, err, b.Len()-1)
		}
		for _, n := range []int{
			len(b.Offset), len(b.Sub), len(b.KeyID.Index), len(b.Source.Index), len(b.RequestID.Ends), len(b.Method.Index), len(b.Host.Index),
			len(b.Route.Index), len(b.Path.Ends), len(b.Status), len(b.LatencyMicros), len(b.RequestBytes), len(b.ResponseBytes), len(b.ClientIP),
			len(b.UserAgent.Index), len(b.Agent.Index), len(b.Country.Index), len(b.ASN), len(b.UnitEnd), len(b.Flags),
		} {
			if n != b.Len() {
				t.Fatalf("a column has %d rows of %d", n, b.Len())
			}
		}
		var r, back usage.Record
		for i := 1; i < b.Len(); i++ {
			b.At(i, &r)
			checkBounds(t, &r)
			var copied usage.Batch
			written := AppendRecord(nil, &b, i)
			if err := again.Decode(written, Origin{Offset: r.Offset, Source: "edge"}, &copied); err != nil {
				t.Fatalf("%v: of the record's own line %s", err, written)
			}
			copied.At(0, &back)
			back.Sub = r.Sub
			// The cap on routes is the decoder's memory, not the record's.
			if back.Route == otherRoute {
				back.Route = r.Route
			}
			if fmt.Sprintf("%+v", r) != fmt.Sprintf("%+v", back) {
				t.Fatalf("written and read again:\n%+v\n%+v\n%s", r, back, written)
			}
		}
		if kept := Redact(line, 1024); len(kept) > 1024 {
			t.Fatalf("a dead letter of %d bytes", len(kept))
		}
	})
}

func checkBounds(t *testing.T, r *usage.Record) {
	t.Helper()
	for name, v := range map[string]struct {
		text string
		max  int
	}{
		"key id": {r.KeyID, usage.MaxNameBytes}, "source": {r.Source, usage.MaxNameBytes}, "request id": {string(r.RequestID), usage.MaxRequestIDBytes},
		"method": {r.Method, 16}, "host": {r.Host, usage.MaxNameBytes}, "route": {r.Route, usage.MaxNameBytes}, "path": {string(r.Path), usage.MaxPathBytes},
		"user agent": {r.UserAgent, usage.MaxAgentBytes},
	} {
		if len(v.text) > v.max || !bytes.Equal(appendPrintable(nil, []byte(v.text)), []byte(v.text)) || holdsSecret([]byte(v.text)) {
			t.Fatalf("%s is not clean: %q", name, v.text)
		}
	}
	if strings.ContainsAny(string(r.Path)+r.Route, "?#;") || r.TimeMillis < firstMillis || r.Status > 999 || r.LatencyMicros < 0 || r.RequestBytes < 0 || r.ResponseBytes < 0 ||
		len(r.Units) > usage.MaxUnits {
		t.Fatalf("out of bounds: %+v", r)
	}
}
