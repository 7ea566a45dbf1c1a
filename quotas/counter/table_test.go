package counter

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := newTable[int]()
		model := map[string]int{}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			id := fmt.Sprint(rapid.IntRange(0, 200).Draw(t, "id"))
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				tab.prune(func(v *int) bool { return *v%3 != 0 })
				for id, v := range model {
					if v%3 == 0 {
						delete(model, id)
					}
				}
			default:
				n := len(model)
				v := tab.getOrAdd(id, func(v *int) { *v = n })
				if _, ok := model[id]; !ok {
					model[id] = n
				}
				if *v != model[id] {
					t.Fatalf("%s is %d, want %d", id, *v, model[id])
				}
			}
		}
		seen := 0
		for range tab.all() {
			seen++
		}
		if tab.len() != len(model) || seen != len(model) {
			t.Fatalf("%d values, %d yielded, want %d", tab.len(), seen, len(model))
		}
		for i := range 201 {
			id := fmt.Sprint(i)
			v, ok := model[id]
			if got := tab.get(id); (got != nil) != ok || ok && *got != v {
				t.Fatalf("get(%s) = %v, want %d, %v", id, got, v, ok)
			}
		}
	})
}

func TestTableReadersSeeWhatWasAddedWhileItGrows(t *testing.T) {
	tab := newTable[int]()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				id := fmt.Sprint(w, "_", i)
				tab.getOrAdd(id, func(v *int) { *v = i })
				if v := tab.get(id); v == nil || *v != i {
					t.Errorf("%s was added and is %v", id, v)
					return
				}
			}
		})
	}
	wg.Wait()
	if tab.len() != 20000 {
		t.Errorf("%d values", tab.len())
	}
}
