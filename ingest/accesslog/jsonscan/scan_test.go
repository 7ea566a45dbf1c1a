package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var wanted = [][]string{{"a"}, {"B"}, {"status"}, {"request", "uri"}, {"request", "headers", "x-api-key"}, {"request"}, {"user id"}}

func compiled(t testing.TB) *Table {
	t.Helper()
	table, err := Compile(wanted)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestScanFindsWantedFieldsWhereverTheyAre(t *testing.T) {
	table := compiled(t)
	scanner := table.NewScanner() // one for all: what it remembers must not matter
	for _, c := range []struct {
		line string
		want map[int]string
	}{
		{`{}`, nil},
		{` {"a":1} `, map[int]string{0: "1"}},
		{"{\"A\" : \"x\" ,\r\n\"b\":[1,{\"a\":2}]}", map[int]string{0: "x", 1: `[1,{"a":2}]`}},
		{`{"a":1,"a":2}`, map[int]string{0: "2"}},
		{`{"\u0061":true}`, map[int]string{0: "true"}},
		{`{"skip":{"a":1,"b":[{}]},"a":null}`, map[int]string{0: "null"}},
		{`{"request":{"uri":"/x","headers":{"X-API-Key":"k"}}}`, map[int]string{3: "/x", 4: "k", 5: `{"uri":"/x","headers":{"X-API-Key":"k"}}`}},
		{`{"request":"GET /"}`, map[int]string{5: "GET /"}},
		{`{"USER ID":-1.5e+3,"aa":1,"":2}`, map[int]string{6: "-1.5e+3"}},
	} {
		line, want := c.line, c.want
		got := make([]Value, table.Fields())
		if err := scanner.Scan([]byte(line), got); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for i, v := range got {
			if text, ok := want[i]; ok != (v.Kind != None) || ok && string(v.In([]byte(line))) != text {
				t.Errorf("%s: field %d is %q (kind %d), want %q", line, i, v.In([]byte(line)), v.Kind, text)
			}
		}
	}
}

// A scanner expects the names of the line before. What is nearly such a name, and a line that ends inside of it, are read as
// if nothing had been expected.
func TestAnExpectedNameIsTakenOnlyWhole(t *testing.T) {
	table := compiled(t)
	const learned = `{"status":1,"a":2,"request":{"uri":3}}`
	for _, line := range []string{
		learned, `{"status":4}`, `{"statu":4,"a":5}`, `{"statusx":4,"a":5}`, `{"status" :4,"a" : 5}`, `{"sTatus":4,"a":5}`, `{"status":"","a":5}`,
		`{"a":5,"status":4}`, `{"status"`, `{"status":`, `{"status":4,"a"`, `{"status":4,"request":{"uri"`, `{"stat\u0075s":4}`, `{"status\":4}`,
	} {
		warm, got, want := table.NewScanner(), make([]Value, table.Fields()), make([]Value, table.Fields())
		if err := warm.Scan([]byte(learned), got); err != nil {
			t.Fatal(err)
		}
		errWarm, errCold := warm.Scan([]byte(line), got), table.NewScanner().Scan([]byte(line), want)
		if (errWarm == nil) != (errCold == nil) || errCold == nil && !slices.Equal(got, want) {
			t.Errorf("%s: %v (%v) after another line, %v (%v) alone", line, got, errWarm, want, errCold)
		}
	}
}

// Most members are read by a loop that expects their names and no blanks: whatever comes instead, in whatever place, is read as if nothing had
// been expected.
func TestWhatWasExpectedChangesNothing(t *testing.T) {
	table := compiled(t)
	names := rapid.SampledFrom([]string{"a", "B", "status", "request", "user id", "not wanted", "longer than the names that are compared at once"})
	values := rapid.SampledFrom([]string{
		`""`, `"x"`, `"of more bytes than one word of marks tells about: sixty-four and some more"`, `"\""`, `"a\u0041"`, "\"\t\"", `"é"`, `1`, `-2.5e3`, `01`, `null`, `{"uri":"x"}`, `"`, `["a"]`,
	})
	separators := rapid.SampledFrom([]string{`,`, `,`, `,`, `,`, `, `, ` ,`, `;`, `,,`})
	line := rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		b.WriteString(`{`)
		for i := range rapid.IntRange(0, 6).Draw(t, "members") {
			if i > 0 {
				b.WriteString(separators.Draw(t, "separator"))
			}
			b.WriteString(`"` + names.Draw(t, "name") + `":` + values.Draw(t, "value"))
		}
		return b.String() + rapid.SampledFrom([]string{`}`, `}`, `}`, ``, `,}`, `} `}).Draw(t, "end")
	})
	rapid.Check(t, func(t *rapid.T) {
		warm := table.NewScanner()
		got, want := make([]Value, table.Fields()), make([]Value, table.Fields())
		for range 4 {
			text := []byte(line.Draw(t, "line"))
			for range 2 {
				errWarm, errCold := warm.Scan(text, got), table.NewScanner().Scan(text, want)
				if (errWarm == nil) != (errCold == nil) || errCold == nil && !slices.Equal(got, want) || (errCold == nil) != json.Valid(text) {
					t.Fatalf("%s: %v (%v) after other lines, %v (%v) alone", text, got, errWarm, want, errCold)
				}
			}
		}
	})
}

func TestScanSaysWhereALineIsBroken(t *testing.T) {
	table := compiled(t)
	for line, offset := range map[string]int{
		``: 0, `[]`: 0, `{`: 1, `{"a"`: 4, `{"a":}`: 5, `{"a":1,}`: 7, `{"a":1}x`: 7, `{"a":01}`: 6, `{"a":"` + "\n" + `"}`: 6,
		`{"a":"\x"}`: 7, `{"a":"\u12g4"}`: 10, `{"a":tru}`: 5, `{"z":[1 2]}`: 8, `{"a":1.}`: 7, `{"a":-}`: 6, `{'a':1}`: 1,
	} {
		err := table.NewScanner().Scan([]byte(line), make([]Value, table.Fields()))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != offset {
			t.Errorf("%s: %v, want an error at byte %d", line, err, offset)
		}
	}
}

func TestNestingIsBoundedAsInEncodingJSON(t *testing.T) {
	table := compiled(t)
	for _, depth := range []int{MaxDepth - 1, MaxDepth, MaxDepth + 1} {
		line := []byte(`{"z":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`)
		err := table.NewScanner().Scan(line, make([]Value, table.Fields()))
		if (err == nil) != json.Valid(line) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

func TestCompileRefusesWhatCannotBeMeant(t *testing.T) {
	for _, paths := range [][][]string{{{}}, {{"a", ""}}, {{"a"}, {"A"}}} {
		if _, err := Compile(paths); err == nil {
			t.Errorf("Compile(%v) was accepted", paths)
		}
	}
}

func TestIterWalksObjectsAndArrays(t *testing.T) {
	line := []byte(` [ {"a": 1} , "x" ,[ ] ] `)
	top, ok := Top(line)
	if !ok {
		t.Fatal("not recognised as an array")
	}
	var got []string
	for it := Over(line, top); it.Next(); {
		got = append(got, string(it.Value.In(line)))
	}
	if strings.Join(got, "|") != `{"a": 1}|x|[ ]` {
		t.Errorf("elements %q", got)
	}
	for _, bad := range []string{`[1,]`, `[1 2]`, `[,]`, `{"a"}`, `{"a":1,}`, `{1:2}`, `[1]]`, `{}}`} {
		b := []byte(bad)
		top, _ := Top(b)
		it := Over(b, top)
		for it.Next() {
		}
		if !it.Bad {
			t.Errorf("%s was walked to its end", bad)
		}
	}
}

// FuzzScan holds that a line is accepted exactly when encoding/json accepts it, and that the values are the same.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":"x","status":200,"request":{"uri":"/","headers":{"X-Api-Key":"\u00e9\ud83d\ude00\ud83d"}}}`,
		`{"a":"\"\\\/\b\f\n\r\t","z":[1,2.5e-3,{"q":null}]}`, `{"a":`, `[]`, ` { } `, `{"a":{"a":{}}}`, "{\"a\":\"\xff\"}", `{"a":1e5}x`,
		`{"0123456\u00411":"01234567890123456789\n01234567"}`,
		`{"a":"0123456789012345678901234567890123456789012345678901234567890123456789","b":"x\\","status":-1.5e3,"z":"","request":"\t"}`,
		`{"a":"x","request":{"uri":"/","protocol":"01234567890123456789"},"b":"01234567890123456789"}`, `{"a":"01234567890123456789","b":"01234567890123456789"},`,
		`{"x":{"a":"01234567890123456789","status":1,"y":{"z":{"w":{"v":{"u":1}}}},"b":"01234567890123456789"},"y":{"a":2},"a":"01234567890123456789"}`,
		`{"a":"01234567890123456789","z":12345678901234567890.5}`, `{"a":"01234567890123456789","b":"0123456789012345678901234567"} `,
	} {
		f.Add([]byte(seed))
	}
	table := compiled(f)
	old := table.NewScanner() // remembers what it has seen of other lines
	f.Fuzz(func(t *testing.T, line []byte) {
		got := make([]Value, table.Fields())
		fresh := table.NewScanner()
		err := fresh.Scan(line, got)
		for range 2 {
			again := make([]Value, table.Fields())
			if err2 := old.Scan(line, again); (err == nil) != (err2 == nil) || err == nil && !slices.Equal(got, again) {
				t.Fatalf("an old scanner gives %v, %v, a new one %v, %v", again, err2, got, err)
			}
		}
		withMarks := marksAreCheap
		marksAreCheap = false
		plain := make([]Value, table.Fields())
		err2 := old.Scan(line, plain)
		marksAreCheap = withMarks
		if (err == nil) != (err2 == nil) || err == nil && !slices.Equal(got, plain) {
			t.Fatalf("without marks %v, %v, with them %v, %v", plain, err2, got, err)
		}
		trimmed := bytes.TrimLeft(line, " \t\r\n")
		valid := len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(line)
		if (err == nil) != valid {
			t.Fatalf("Scan: %v, encoding/json says valid=%v", err, valid)
		}
		if !valid {
			return
		}
		found, unusual := old.Found()
		for i, v := range got {
			if has := found>>i&1 == 1; has != (v.Kind != None) {
				t.Fatalf("field %d: kind %d, found: %v", i, v.Kind, has)
			}
			if plain := v.Kind == None || v.Kind == Number || v.Kind == String && !v.Escaped; !plain && unusual>>i&1 == 0 {
				t.Fatalf("field %d: kind %d is taken for usual", i, v.Kind)
			}
		}
		if found2, unusual2 := fresh.Found(); found2 != found || unusual2 != unusual {
			t.Fatalf("a new scanner found %b, of them unusual %b, an old one %b, %b", found2, unusual2, found, unusual)
		}
		want := reference(t, line)
		for i, v := range got {
			raw, ok := want[i]
			if ok != (v.Kind != None) {
				t.Fatalf("field %d: kind %d, encoding/json has it: %v", i, v.Kind, ok)
			}
			if !ok {
				continue
			}
			if v.Kind != String {
				if !bytes.Equal(v.In(line), raw) {
					t.Fatalf("field %d is %q, want %q", i, v.In(line), raw)
				}
				continue
			}
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			plain := v.In(line)
			if v.Escaped != bytes.ContainsRune(plain, '\\') {
				t.Fatalf("field %d: Escaped is %v", i, v.Escaped)
			}
			if string(replaceInvalid(Unquote(nil, plain))) != text {
				t.Fatalf("field %d is %q, want %q", i, Unquote(nil, plain), text)
			}
		}
		iterated := 0
		top, _ := Top(line)
		it := Over(line, top)
		for it.Next() {
			iterated++
		}
		if it.Bad {
			t.Fatal("Iter refused what Scan accepted")
		}
	})
}

// reference reads the wanted fields with encoding/json, in order of the line, the last one winning.
func reference(t *testing.T, line []byte) map[int]json.RawMessage {
	out := map[int]json.RawMessage{}
	var walk func(raw json.RawMessage, path []string)
	walk = func(raw json.RawMessage, path []string) {
		d := json.NewDecoder(bytes.NewReader(raw))
		if tok, _ := d.Token(); tok != json.Delim('{') {
			return
		}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			var v json.RawMessage
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			at := append(path[:len(path):len(path)], asciiLower(name.(string)))
			for i, w := range wanted {
				if strings.ToLower(strings.Join(w, "\x00")) == strings.Join(at, "\x00") {
					out[i] = v
				}
			}
			if len(at) < 3 {
				walk(v, at)
			}
		}
	}
	walk(line, nil)
	return out
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func replaceInvalid(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

func BenchmarkScan(b *testing.B) {
	table, err := Compile(wanted)
	if err != nil {
		b.Fatal(err)
	}
	line := []byte(`{"time":"2026-11-24T15:00:00.123+00:00","a":"1.2.3.4","request_method":"GET","uri":"/v1/items/12345","status":200,"body_bytes_sent":1234,` +
		`"request_time":0.043,"request_id":"7f3c0a4d5b6e7f8091a2b3c4d5e6f708","http_user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",` +
		`"http_x_api_key":"tk_live_0123456789abcdefghijABCDEFGHIJ","upstream":"10.0.0.1:8080","b":"api.example.com","scheme":"https","protocol":"HTTP/2.0"}`)
	scanner, into := table.NewScanner(), make([]Value, table.Fields())
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if err := scanner.Scan(line, into); err != nil {
			b.Fatal(err)
		}
	}
}
