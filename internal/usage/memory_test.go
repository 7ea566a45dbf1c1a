package usage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/heaptest"
)

func TestMemoryIsWhatTheHeapHolds(t *testing.T) {
	for _, c := range []struct {
		name   string
		record func(i int, r *Record)
	}{
		{"few values", func(int, *Record) {}},
		{"long request ids", func(i int, r *Record) { r.RequestID = []byte(strings.Repeat("x", i%500)) }},
		{"every user agent another", func(i int, r *Record) {
			r.UserAgent = fmt.Sprintf("agent %d %s", i, strings.Repeat("x", i%100))
		}},
		{"units and origins", func(i int, r *Record) {
			r.Units, r.Origin = []Unit{{"tokens", int64(i)}, {"bytes", 1}}, Origin{Partition: "access/1", Offset: int64(i)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heaptest.InUse()
			b := new(Batch)
			for i := range 30_000 {
				if i%7000 == 0 {
					b.Grow(8 * i)
				}
				r := Record{Offset: int64(i), TimeMillis: int64(i), KeyID: "key_1", RequestID: []byte("0123456789abcdef"), Path: []byte("/v1/items")}
				c.record(i, &r)
				b.Append(&r)
			}
			held := heaptest.InUse() - before
			if said := b.Memory(); said < held*9/10 || said > held*12/10 {
				t.Errorf("Memory() = %d, the heap holds %d", said, held)
			}
			generation := b.KeyID.Generation
			b.Release()
			if left := heaptest.InUse() - before; left > 100_000 || b.Memory() != 0 {
				t.Errorf("%d bytes are left after Release, Memory() = %d", left, b.Memory())
			}
			if b.KeyID.Generation == generation {
				t.Error("numbers are given out anew in the old generation")
			}
		})
	}
}
