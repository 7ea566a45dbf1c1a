package detect

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// The table is a map from ids to numbers: the same number again for the same id, another for every other one.
func TestTheKeyTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, model := newKeyTable(), map[string]uint32{}
		space := rapid.SampledFrom([]int{3, 300, 30_000}).Draw(t, "space")
		for range rapid.IntRange(0, 3000).Draw(t, "steps") {
			id := fmt.Sprint("key_", rapid.IntRange(0, space).Draw(t, "id"))
			h := table.hash(id)
			table.fetch([]uint64{h})
			n, ok := table.find(h)
			if ok && rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				table.remove(n)
				delete(model, id)
				if _, ok := table.find(h); ok {
					t.Fatalf("%s is found after it was removed", id)
				}
				continue
			}
			if want, known := model[id]; ok != known || ok && n != want {
				t.Fatalf("%s is %d (%v), want %d (%v)", id, n, ok, want, known)
			}
			if !ok {
				model[id] = table.add(h, id)
			}
		}
		if table.len() != len(model) {
			t.Fatalf("%d keys, want %d", table.len(), len(model))
		}
		for id, n := range model {
			if table.at(n).id != id {
				t.Fatalf("number %d is %s, want %s", n, table.at(n).id, id)
			}
		}
	})
}
