package ingest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func record(id string, ms int64) *usage.Record {
	return &usage.Record{TimeMillis: ms, Source: "gw", RequestID: []byte(id)}
}

const testNow = int64(1) << 42

func TestARepeatInsideTheWindowIsFoundAndALaterOneIsNot(t *testing.T) {
	const width = 16 * time.Minute
	rapid.Check(t, func(t *rapid.T) {
		w := newWindow(width, 1<<20)
		var seeds sourceSeeds
		type sighting struct{ stream int64 }
		last := map[string]sighting{}
		var b usage.Batch
		stream := int64(1_700_000_000_000)
		for i := range rapid.IntRange(1, 300).Draw(t, "records") {
			id := fmt.Sprint("r", rapid.IntRange(0, 40).Draw(t, "id"))
			at := stream + rapid.Int64Range(-600_000, 120_000).Draw(t, "skew")
			if i == 0 {
				at = stream // the first record starts the stream's time
			}
			stream = max(stream, at)
			b.Append(record(id, at))
			w.mark(&b, i, &seeds, stream)
			dup := b.Flags[i]&usage.FlagDuplicate != 0
			seen, known := last[id]
			age := stream - seen.stream
			switch {
			case !known && dup:
				t.Fatalf("%s was never seen and is called a repeat", id)
			case known && age <= width.Milliseconds()-width.Milliseconds()/windowEpochs && !dup:
				t.Fatalf("%s was seen %d ms ago and is not called a repeat", id, age)
			case known && age > width.Milliseconds()+width.Milliseconds()/windowEpochs && dup:
				t.Fatalf("%s was seen %d ms ago and is still called a repeat", id, age)
			}
			if !dup {
				last[id] = sighting{stream}
			}
		}
	})
}

func TestAnotherSourceIsAnotherRecord(t *testing.T) {
	w := newWindow(time.Minute, 1<<20)
	var b usage.Batch
	for _, source := range []string{"a", "b", "a"} {
		r := record("same", 1_700_000_000_000)
		r.Source = source
		b.Append(r)
	}
	dups, _ := w.mark(&b, 0, &sourceSeeds{}, testNow)
	if dups != 1 || b.Flags[2]&usage.FlagDuplicate == 0 {
		t.Errorf("flags %v", b.Flags)
	}
}

func TestMemoryIsBoundedByShorteningTheWindow(t *testing.T) {
	const budget = 2 << 20
	w := newWindow(15*time.Minute, budget)
	var b usage.Batch
	var seeds sourceSeeds
	for i := range 1_000_000 {
		if i%10_000 == 0 {
			b.Reset()
		}
		b.Append(record(fmt.Sprint(i), 1_700_000_000_000+int64(i)/2))
		w.mark(&b, b.Len()-1, &seeds, testNow)
		if w.bytes() > budget {
			t.Fatalf("%d bytes after %d records, budget %d", w.bytes(), i, budget)
		}
	}
	if s := w.span(); s >= 15*time.Minute || s <= 0 {
		t.Errorf("span() = %s of a window that was too much for its memory", s)
	}
	from := b.Len()
	for i := 999_000; i < 1_000_000; i++ {
		b.Append(record(fmt.Sprint(i), 1_700_000_500_000))
	}
	if dups, _ := w.mark(&b, from, &seeds, testNow); dups < 990 {
		t.Errorf("%d of the last 1000 records are remembered", dups)
	}
}

func TestARecordFromTheFutureDoesNotEmptyTheWindow(t *testing.T) {
	w := newWindow(15*time.Minute, 1<<20)
	now := int64(1_700_000_000_000)
	var b usage.Batch
	b.Append(record("a", now))
	b.Append(record("b", now+int64(24*time.Hour/time.Millisecond)))
	b.Append(record("a", now+1))
	if dups, _ := w.mark(&b, 0, &sourceSeeds{}, now); dups != 1 {
		t.Errorf("%d repeats found, want the second a", dups)
	}
}

func TestALongSilenceForgetsEverything(t *testing.T) {
	for _, gap := range []time.Duration{20 * time.Minute, 4 * time.Hour, 3*time.Hour + 58*time.Minute, 1000 * time.Hour} {
		w := newWindow(15*time.Minute, 1<<20)
		var b usage.Batch
		b.Append(record("a", 1_700_000_000_000))
		w.mark(&b, 0, &sourceSeeds{}, 1_700_000_000_000)
		b.Append(record("z", 1_700_000_000_000+gap.Milliseconds()))
		b.Append(record("a", 1_700_000_000_000+gap.Milliseconds()))
		if dups, _ := w.mark(&b, 1, &sourceSeeds{}, 1_700_000_000_000+gap.Milliseconds()); dups != 0 {
			t.Errorf("after %s a is still called a repeat", gap)
		}
	}
}

func TestALateRecordIsRememberedAlsoWhenItComesFirst(t *testing.T) {
	const now = 1_700_000_000_000
	w := newWindow(15*time.Minute, 1<<20)
	var b usage.Batch
	for i, at := range []int64{now - int64(2*time.Hour/time.Millisecond), now, now - int64(2*time.Hour/time.Millisecond)} {
		b.Append(record([]string{"late", "in time", "late"}[i], at))
	}
	if dups, _ := w.mark(&b, 0, &sourceSeeds{}, now); dups != 1 {
		t.Errorf("%d repeats found, want the second of the late one", dups)
	}
	// Restored pairs keep their ages across the jump.
	w.restore(now-int64(5*time.Minute/time.Millisecond), "gw", []byte("restored"))
	b.Append(record("restored", now+1))
	if dups, _ := w.mark(&b, 3, &sourceSeeds{}, now+1); dups != 1 {
		t.Errorf("%d repeats found, want the restored one", dups)
	}
}

func TestMarkDoesNotAllocateOnceWarm(t *testing.T) {
	w := newWindow(15*time.Minute, 8<<20)
	var b usage.Batch
	var seeds sourceSeeds
	at := int64(1_700_000_000_000)
	n := 0
	round := func() {
		b.Reset()
		for range 1000 {
			n++
			at++
			b.Append(&usage.Record{TimeMillis: at, Source: "gw", RequestID: []byte{byte(n), byte(n >> 8), byte(n >> 16)}})
		}
		w.mark(&b, 0, &seeds, testNow)
	}
	for range 50 {
		round()
	}
	if a := testing.AllocsPerRun(20, round) / 1000; a > 1.1 { // one is the test's own request id
		t.Errorf("%v allocations per record", a-1)
	}
}

func BenchmarkWindowMark(b *testing.B) {
	w := newWindow(15*time.Minute, 64<<20)
	var batch usage.Batch
	for i := range 10_000 {
		batch.Append(record(fmt.Sprintf("req-%016x", i), 1_700_000_000_000))
	}
	var seeds sourceSeeds
	b.ReportAllocs()
	for i := 0; i < b.N; i += 10_000 {
		for j := range batch.RequestID.Data { // new ids each round
			batch.RequestID.Data[j] += 7
		}
		for j := range batch.TimeMillis {
			batch.TimeMillis[j] += 200
		}
		w.mark(&batch, 0, &seeds, testNow)
	}
}
