package arena

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

type thing struct {
	a, b uint64
	c    [3]byte
	next *thing
}

// Whatever is taken and given back in whatever order: what is held is zero at first, keeps its value, and overlaps nothing.
func TestBlocksAreZeroAndKeepTheirValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := New()
		type held struct {
			p *thing
			v uint64
		}
		var live []held
		for i := range rapid.IntRange(0, 2000).Draw(t, "steps") {
			if len(live) > 0 && rapid.IntRange(0, 2).Draw(t, "free") == 0 {
				j := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				Free(a, live[j].p)
				live[j] = live[len(live)-1]
				live = live[:len(live)-1]
				continue
			}
			p := Alloc[thing](a)
			if *p != (thing{}) {
				t.Fatalf("a new block holds %+v", *p)
			}
			p.a, p.b, p.c, p.next = uint64(i), ^uint64(i), [3]byte{1, 2, 3}, p
			live = append(live, held{p, uint64(i)})
		}
		for _, h := range live {
			if h.p.a != h.v || h.p.b != ^h.v || h.p.next != h.p {
				t.Fatalf("block %d holds %+v", h.v, *h.p)
			}
			Free(a, h.p)
		}
		if a.Used() != 0 {
			t.Fatalf("%d bytes are in use after all was given back", a.Used())
		}
		runtime.KeepAlive(a)
	})
}

func TestSlicesGrowAsTheBuiltInOnesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := New()
		slices := make([][]thing, rapid.IntRange(1, 8).Draw(t, "slices"))
		model := make([][]uint64, len(slices))
		for i := range rapid.IntRange(0, 400).Draw(t, "steps") {
			j := rapid.IntRange(0, len(slices)-1).Draw(t, "which")
			if rapid.IntRange(0, 30).Draw(t, "free") == 0 {
				FreeSlice(a, slices[j])
				slices[j], model[j] = nil, nil
				continue
			}
			slices[j] = Append(a, slices[j], thing{a: uint64(i)})
			model[j] = append(model[j], uint64(i))
		}
		for j, s := range slices {
			if len(s) != len(model[j]) {
				t.Fatalf("slice %d holds %d, want %d", j, len(s), len(model[j]))
			}
			for i := range s {
				if s[i].a != model[j][i] {
					t.Fatalf("slice %d holds %d at %d, want %d", j, s[i].a, i, model[j][i])
				}
			}
			FreeSlice(a, s)
		}
		if a.Used() != 0 {
			t.Fatalf("%d bytes are in use after all was given back", a.Used())
		}
		runtime.KeepAlive(a)
	})
}

func TestEverySizeHasAClassThatHoldsIt(t *testing.T) {
	last := -1
	for n := uintptr(1); n <= MostBytes; n++ {
		at, size := class(n)
		if size < n || at < last || at > last+1 || at >= classes {
			t.Fatalf("%d bytes: class %d of %d bytes after class %d", n, at, size, last)
		}
		if again, _ := class(size); again != at {
			t.Fatalf("a block of class %d is of class %d", at, again)
		}
		last = at
	}
	if last != classes-1 {
		t.Errorf("%d classes are used, of %d", last+1, classes)
	}
}

func TestLinesAreNotSharedWherePossible(t *testing.T) {
	a := New()
	for range 100 {
		Alloc[[32]byte](a)
		if p := uintptr(unsafe.Pointer(Alloc[[256]byte](a))); p%cacheLine != 0 {
			t.Fatalf("a block of 256 bytes starts at %d within a line", p%cacheLine)
		}
	}
	runtime.KeepAlive(a)
}

// The memory goes back with the arena, not before and not never.
func TestMemoryGoesBackWithTheArena(t *testing.T) {
	gone := make(chan struct{})
	func() {
		a := New()
		for range 1000 {
			Alloc[[1024]byte](a)
		}
		if a.Reserved() < 1000*1024 {
			t.Errorf("%d bytes are reserved for %d", a.Reserved(), a.Used())
		}
		runtime.AddCleanup(a, func(c chan struct{}) { close(c) }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the arena is never collected")
}

// The heap's values stay what they are when huge pages are asked for behind them, and those beside them, too.
func TestHugePagesBehindTheHeapChangeNothing(t *testing.T) {
	before, values := make([]uint64, hugePage/8), make([]uint64, hugePage)
	before[len(before)-1], values[0] = 1, 2
	Huge(values)
	for i := range values {
		values[i] += uint64(i)
	}
	for i, v := range values {
		want := uint64(i)
		if i == 0 {
			want = 2
		}
		if v != want {
			t.Fatalf("value %d is %d, want %d", i, v, want)
		}
	}
	if before[len(before)-1] != 1 {
		t.Fatal("what lies beside the values has changed")
	}
}
