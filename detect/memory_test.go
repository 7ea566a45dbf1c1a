package detect

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/tollkeeper/tollkeeper/detect/tail"
)

// The collector does not look into the arena: what lies there may point to nothing but what lies there too.
func TestWhatLiesInTheArenaHoldsNoPointerIntoTheHeap(t *testing.T) {
	inside := map[reflect.Type]bool{}
	all := []reflect.Type{
		reflect.TypeFor[entry](), reflect.TypeFor[actor](), reflect.TypeFor[idMemory](), reflect.TypeFor[idFilter](),
		reflect.TypeFor[hours](), reflect.TypeFor[hourTails](), reflect.TypeFor[tail.Tail](),
	}
	for _, at := range all {
		inside[at] = true
	}
	var check func(name string, at reflect.Type)
	check = func(name string, at reflect.Type) {
		switch at.Kind() {
		case reflect.Struct:
			for i := range at.NumField() {
				check(name+"."+at.Field(i).Name, at.Field(i).Type)
			}
		case reflect.Array:
			check(name+"[]", at.Elem())
		case reflect.Pointer:
			if !inside[at.Elem()] {
				t.Errorf("%s points to a %v, which does not lie in the arena", name, at.Elem())
			}
		case reflect.Slice, reflect.String, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
			t.Errorf("%s is a %v", name, at)
		}
	}
	for _, at := range all {
		check(at.Name(), at)
	}
}

// What is fetched of a client begins and ends with a line.
func TestAClientsStateIsWholeCacheLines(t *testing.T) {
	var a actor
	for name, at := range map[string]uintptr{
		"size": unsafe.Sizeof(a), "cadence": unsafe.Offsetof(a.cadence), "money": unsafe.Offsetof(a.money), "ring": unsafe.Offsetof(a.ring), "idSeen": unsafe.Offsetof(a.idSeen),
		"walk": unsafe.Offsetof(a.walk), "first": unsafe.Offsetof(a.first), "the usual day": unsafe.Offsetof(hours{}.day), "id": unsafe.Offsetof(keyState{}.id),
	} {
		if at%64 != 0 {
			t.Errorf("%s: %d bytes are no whole lines", name, at)
		}
	}
}

// One field too many makes each look at a key touch a cache line more, and keys lie across lines.
func TestAKeysStateIsFourCacheLines(t *testing.T) {
	if size := unsafe.Sizeof(keyState{}); size != 4*64 {
		t.Errorf("the state of a key takes %d bytes, want four lines of 64", size)
	}
}
