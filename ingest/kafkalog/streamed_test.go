package kafkalog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/heaptest"
)

// lent is a room that counts.
type lent struct{ size, now, peak int64 }

var errNoRoom = errors.New("no room")

func (l *lent) Take(n int64) error {
	if n > l.size {
		return fmt.Errorf("%w for %d bytes", errNoRoom, n)
	}
	l.now += n
	l.peak = max(l.peak, l.now)
	return nil
}

func (l *lent) Give(n int64) { l.now -= n }

func TestABatchThatIsUnpackedPieceByPieceGivesTheSameRecords(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var batches []batch
		for base := int64(0); len(batches) < rapid.IntRange(1, 3).Draw(rt, "batches"); {
			b := batch{base: base, codec: rapid.Uint16Range(1, codecZstd).Draw(rt, "codec")}
			for range rapid.IntRange(1, 30).Draw(rt, "records") {
				unit := rapid.SampledFrom([]string{"x", "null", "abc", "0123456789abcdef"}).Draw(rt, "unit")
				if unit != "null" {
					unit = strings.Repeat(unit, rapid.SampledFrom([]int{0, 1, 50, 3000, 20_000}).Draw(rt, "times"))
				}
				b.values = append(b.values, unit)
			}
			batches = append(batches, b)
			base += int64(len(b.values))
		}
		a := Answer{records: logOf(t, batches...)}
		from := rapid.Int64Range(0, 40).Draw(rt, "from")
		want, end := walk(t, &Records{}, &a, from)
		room := &lent{size: 64 << 20}
		r := Records{Keep: rapid.IntRange(1, 100_000).Draw(rt, "keep"), Longest: 400_000, Room: room}
		got, after := walk(t, &r, &a, from)
		if got != want || after != end {
			rt.Fatalf("walked %.300s and on to %d, want %.300s and %d", got, after, want, end)
		}
		if room.now != 0 {
			rt.Fatalf("%d bytes of the room were not given back", room.now)
		}
	})
}

// bomb is a batch of lines that are all the same, and one value that is longer than any line may be.
func bomb(t *testing.T, codec uint16) Answer {
	values := make([]string, 30_000)
	for i := range values {
		values[i] = strings.Repeat("a", 1000)
	}
	values[1000] = strings.Repeat("b", 20<<20)
	return Answer{records: logOf(t, batch{base: 5, values: values, codec: codec}, batch{base: 30_005, values: []string{"next"}})}
}

func TestWhatABatchUnpacksToTakesNoMemory(t *testing.T) {
	for codec := uint16(codecGzip); codec <= codecZstd; codec++ {
		a := bomb(t, codec)
		room := &lent{size: 64 << 20}
		r := Records{Keep: 1 << 20, Longest: 1 << 20, Room: room}
		before := heaptest.InUse()
		n, long := 0, 0
		var held int64
		for r.Over(&a, 0); r.Next(); n++ {
			if len(r.Value) > 1000 {
				long = len(r.Value)
			}
			if n == 20_000 {
				held = heaptest.InUse() - before
			}
		}
		if r.Err() != nil || n != 30_001 || string(r.Value) != "next" || long != 1<<20+1 {
			t.Errorf("codec %d: %d records, the last %.10q, the longest of %d bytes, %v", codec, n, r.Value, long, r.Err())
		}
		if held > room.peak+2<<20 || room.now != 0 {
			t.Errorf("codec %d: %d bytes were held, %d taken of the room, %d not given back", codec, held, room.peak, room.now)
		}
		t.Logf("codec %d: %d KiB packed, %d KiB held, %d KiB of the room", codec, len(a.records)>>10, held>>10, room.peak>>10)
	}
}

func TestABatchForWhichThereIsNoRoomIsAnErrorOfTheRooms(t *testing.T) {
	a := bomb(t, codecZstd)
	r := Records{Keep: 1 << 20, Room: &lent{size: 100}}
	if r.Over(&a, 0); r.Next() || !errors.Is(r.Err(), errNoRoom) || !strings.Contains(r.Err().Error(), "offset 5") {
		t.Errorf("walked, %v", r.Err())
	}
}

func TestAWalkThatIsLeftGivesItsRoomBack(t *testing.T) {
	a := bomb(t, codecLZ4)
	room := &lent{size: 64 << 20}
	r := Records{Keep: 1 << 20, Room: room}
	r.Over(&a, 0)
	if !r.Next() || room.now == 0 {
		t.Fatalf("%d bytes are taken, %v", room.now, r.Err())
	}
	if r.Close(); room.now != 0 {
		t.Errorf("%d bytes were not given back", room.now)
	}
}
