package accesslog

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// jsonDecoders are decoders of all formats that are JSON, by name.
func jsonDecoders(t testing.TB) map[string]*jsonDecoder {
	o := fixtureOptions(t)
	o.Origins = true
	all := map[string]*jsonDecoder{}
	for _, f := range Formats() {
		if d, ok := newDecoder(t, f.Name, o).(*jsonDecoder); ok {
			all[f.Name] = d
		}
	}
	return all
}

// assembledAlike fails when the quick way takes a line for what the slow way does not, and says whether it took it.
func assembledAlike(t interface{ Fatalf(string, ...any) }, d *jsonDecoder, line []byte) bool {
	if d.scan.Scan(line, d.slots) != nil {
		return false
	}
	d.begin(&Origin{})
	if !d.assembleUsual(line, &d.call) { // over what is left of the line before
		return false
	}
	told := func(r *call) string {
		var units strings.Builder
		for i := range r.units {
			fmt.Fprintf(&units, " %q=%d", d.unitName[i], d.unitValue[i])
		}
		return fmt.Sprintf("%+v%s", *r, units.String())
	}
	got := told(&d.call)
	var r call
	seen, err := d.assemble(line, &r)
	if err != nil || seen&needed != needed {
		t.Fatalf("%s: %s was taken, but is refused: seen %b, %v", d.Name(), line, seen, err)
	}
	if want := told(&r); got != want {
		t.Fatalf("%s: %s\n%s\nwant\n%s", d.Name(), line, got, want)
	}
	return true
}

func FuzzAssembleUsual(f *testing.F) {
	for _, path := range fixtureFiles(f) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if len(line) < 4096 {
				f.Add(line)
			}
		}
	}
	decoders := jsonDecoders(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, d := range decoders {
			assembledAlike(t, d, line)
		}
	})
}

func TestLinesAreAssembledAlikeWhicheverFieldsTheyHave(t *testing.T) {
	decoders := jsonDecoders(t)
	names := make([]string, 0, len(decoders))
	for name := range decoders {
		names = append(names, name)
	}
	slices.Sort(names)
	values := []string{
		`"GET"`, `"/v1/items?api_key=x"`, `"-"`, `""`, `null`, `"tk_live_0123456789abcdef"`, `"Bearer tk_live_0123456789abcdef"`, `"Basic dXNlcjpwYXNz"`, `"10.0.0.1"`,
		`"GET /v1/x HTTP/1.1"`, `200`, `"200"`, `1.5`, `-1`, `"a\nb"`, `true`, `["x"]`, `{"tokens":3}`, `"access/3/12"`, `1795532645.123`, `"2026-11-24T15:04:05Z"`,
	}
	fit := map[target][]string{toTime: values[19:], toStatus: values[10:12], toLatency: values[10:13], toBytesIn: values[10:12], toBytesOut: values[10:12], toUnits: values[17:18], toOrigin: values[18:19]}
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		d := decoders[rapid.SampledFrom(names).Draw(t, "format")]
		for range 4 {
			var members []string
			for i := range d.spec.fields {
				f := &d.spec.fields[i]
				if strings.Contains(f.path, "/") || rapid.IntRange(0, 2).Draw(t, "left out") > 0 && 1<<f.to&needed == 0 {
					continue
				}
				from := fit[f.to]
				if from == nil {
					from = values[:10]
				}
				if rapid.IntRange(0, 19).Draw(t, "any") == 0 {
					from = values
				}
				members = append(members, fmt.Sprintf("%q:%s", f.path, rapid.SampledFrom(from).Draw(t, f.path)))
			}
			if assembledAlike(t, d, []byte("{"+strings.Join(members, ",")+"}")) {
				taken++
			}
		}
	})
	if taken == 0 {
		t.Error("no line was taken")
	}
}
