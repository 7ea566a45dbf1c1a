package usage

import (
	"testing"

	"pgregory.net/rapid"
)

// Values of the same ends and length share a slot of what a dictionary remembers; they must not share a number.
func TestADictionaryGivesEveryValueANumberOfItsOwn(t *testing.T) {
	value := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 4, -1),
		rapid.Map(rapid.StringOfN(rapid.SampledFrom([]rune("xy")), 0, 3, -1), func(s string) string { return "/v1/user" + s + "ers/{id}" }),
	)
	rapid.Check(t, func(t *rapid.T) {
		var d Dict
		numbers, rows := map[string]uint32{}, []string(nil)
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			v := value.Draw(t, "value")
			if n, ok := d.Find([]byte(v)); ok {
				if known, had := numbers[v]; !had || known != n {
					t.Fatalf("Find(%q) = %d, want %d (%v)", v, n, known, had)
				}
			} else if _, had := numbers[v]; had {
				t.Fatalf("Find(%q) forgot it", v)
			}
			if rapid.Bool().Draw(t, "as bytes") {
				d.Append([]byte(v))
			} else {
				d.AppendString(v)
			}
			rows = append(rows, v)
			numbers[v] = d.Index[len(d.Index)-1]
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				if rapid.Bool().Draw(t, "anew") { // as when it has grown past its bound
					d.Values, d.numbers = nil, nil
					numbers = map[string]uint32{}
				}
				d.Index, rows = d.Index[:0], nil
			}
		}
		for i, want := range rows {
			if d.At(i) != want {
				t.Fatalf("row %d is %q, want %q", i, d.At(i), want)
			}
		}
	})
}
