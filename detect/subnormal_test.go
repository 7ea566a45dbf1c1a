package detect

import (
	"math"
	"reflect"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Numbers that only ever shrink become subnormal ones, over which a processor takes a hundred times as long, at every call of a busy key.
func TestNothingThatIsRememberedShrinksToSubnormalNumbers(t *testing.T) {
	s := newStory(50, 30)
	e, b := mustEngine(t), s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.key(s.rows[0].KeyID).churn = 0.01 // it had new addresses once
	busy := &usage.Batch{}
	for n := range int64(120_000) {
		r := s.rows[0]
		r.TimeMillis = s.c.millis + n*30_000
		busy.Append(&r)
	}
	e.Observe(busy, 0, busy.Len())
	e.Advance(busy.TimeMillis[busy.Len()-1] + hourMillis)
	for range 2_000_000 {
		e.learnErrors(e.key(s.rows[0].KeyID))
	}
	small := map[string]bool{}
	seen := map[uintptr]bool{}
	subnormal(reflect.ValueOf(e).Elem(), "engine", seen, small)
	for i := range uint32(e.keys.used) {
		subnormal(reflect.ValueOf(e.keys.at(i)).Elem(), "key", seen, small)
	}
	for where := range small {
		t.Errorf("%s is subnormal", where)
	}
	if k := e.key(s.rows[0].KeyID); k.n < 100_000 || len(seen) < 100 {
		t.Fatalf("%d calls, %d places: the test looks at nothing", k.n, len(seen))
	}
}

// subnormal notes where such numbers are.
func subnormal(v reflect.Value, name string, seen map[uintptr]bool, found map[string]bool) {
	switch v.Kind() {
	case reflect.Float32:
		if x := math.Abs(v.Float()); x != 0 && x < 0x1p-126 {
			found[name] = true
		}
	case reflect.Float64:
		if x := math.Abs(v.Float()); x != 0 && x < 0x1p-1022 {
			found[name] = true
		}
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			subnormal(v.Elem(), name, seen, found)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			subnormal(v.Field(i), name+"."+v.Type().Field(i).Name, seen, found)
		}
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			subnormal(v.Index(i), name, seen, found)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			subnormal(it.Value(), name, seen, found)
		}
	}
}
