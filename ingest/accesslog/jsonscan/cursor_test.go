package jsonscan

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// build makes a value again by a cursor, as encoding/json does for any.
func build(t *testing.T, c *Cursor) any {
	var v Value
	look := *c
	look.Value(&v)
	switch v.Kind {
	case Object:
		out := map[string]any{}
		var name Value
		for c.EnterObject(); c.Name(&name); {
			out[string(Unquote(nil, name.In(c.b)))] = build(t, c)
		}
		return out
	case Array:
		out := []any{}
		for c.EnterArray(); c.Element(); {
			out = append(out, build(t, c))
		}
		return out
	}
	c.Value(&v)
	raw := v.In(c.b)
	if v.Kind == String {
		return string(Unquote(nil, raw))
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return out
}

// What a cursor sees of a line that the scanner accepts is what encoding/json sees; on any other it ends.
func FuzzCursor(f *testing.F) {
	for _, line := range []string{
		`{"a":[{"b":{"c":[1,2,[],{}]}},"x\n",null,true],"d":{}, "e" : "\u00e9" }`, `{}`, `{"a":[`, `{"a":1,}`, `{"a":[1 2]}`, ` {"a":{"b":"c"}}  `, `{"a"`,
	} {
		f.Add([]byte(line))
	}
	table, err := Compile([][]string{{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	scan, slots := table.NewScanner(), make([]Value, 1)
	f.Fuzz(func(t *testing.T, line []byte) {
		top := Value{End: uint32(len(line)), Kind: Object}
		if scan.Scan(line, slots) != nil {
			c := From(line, top)
			var name, v Value
			steps := 0
			for c.EnterObject(); c.Name(&name); c.Value(&v) {
				inner := c
				for inner.EnterArray(); inner.Element(); inner.Skip() {
					steps++
				}
				for inner = c; inner.Element(); inner.EnterObject() {
					if steps++; steps > 4*len(line)*len(line)+100 {
						t.Fatal("no end")
					}
				}
			}
			return
		}
		var want any
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(line) {
			return // replaced by encoding/json, which makes names the same that were not
		}
		c := From(line, top)
		got := build(t, &c)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\n%v\n%v", line, got, want)
		}
	})
}

func TestACursorTakesAValueOfAnotherKindAsEmpty(t *testing.T) {
	line := []byte(`{"a":5,"b":{"x":1},"c":[7]}`)
	c := From(line, Value{End: uint32(len(line)), Kind: Object})
	var name, v Value
	var names []string
	for c.EnterObject(); c.Name(&name); {
		names = append(names, string(name.In(line)))
		switch names[len(names)-1] {
		case "a", "b":
			for c.EnterArray(); c.Element(); c.Skip() {
				t.Error("an element of no array")
			}
		default:
			for c.EnterObject(); c.Name(&v); c.Skip() {
				t.Error("a member of no object")
			}
		}
	}
	if len(names) != 3 {
		t.Errorf("members %q", names)
	}
}
