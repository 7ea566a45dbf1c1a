package ingest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// writer writes a run of records of one origin partition, in order. Several of them may be at it, of which all but the last
// are zombies.
type writer struct{ next, end int }

// TestMarksAreExactWhoeverWritesHowOften plays what can happen to one origin partition: blocks that are written, cut off, and
// written again from their start by the next owner, old owners that wake and write the rest of what they had in hand, and
// an ingester that is replaced at any record.
func TestMarksAreExactWhoeverWritesHowOften(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A record is a place; a line may carry several.
		var places []usage.Origin
		for offset := range int64(rapid.IntRange(1, 40).Draw(t, "lines")) {
			for sub := range rapid.IntRange(1, 3).Draw(t, "records of the line") {
				places = append(places, usage.Origin{Partition: "raw/0", Offset: offset * 2, Sub: uint16(sub)})
			}
		}
		var log []usage.Origin
		var writers []writer
		for from := 0; from < len(places); {
			to := rapid.IntRange(from+1, len(places)).Draw(t, "block")
			// Owners one after the other have the block in hand, and each writes as far as it comes.
			for done := false; !done; {
				writers = append(writers, writer{from, to})
				for steps := rapid.IntRange(0, 3*(to-from)).Draw(t, "writes"); steps > 0; steps-- {
					w := &writers[rapid.IntRange(0, len(writers)-1).Draw(t, "who")]
					if w.next < w.end {
						log = append(log, places[w.next])
						w.next++
					}
				}
				owner := &writers[len(writers)-1]
				if done = rapid.Bool().Draw(t, "comes through"); done {
					for ; owner.next < owner.end; owner.next++ {
						log = append(log, places[owner.next])
					}
				}
			}
			from = to
		}
		counted := map[usage.Origin]int{}
		marks := originMarks{}
		var stored []usage.Origin
		var others int64
		var b usage.Batch
		for i := 0; i < len(log); {
			if rapid.Bool().Draw(t, "a new ingester") {
				marks = originMarks{}
				for _, o := range stored {
					marks.restore(o)
				}
			}
			n := rapid.IntRange(1, len(log)-i).Draw(t, "rows")
			b.Reset()
			for _, o := range log[i : i+n] {
				b.Append(&usage.Record{Origin: o})
				if rapid.Bool().Draw(t, "others between") {
					b.Append(&usage.Record{Origin: usage.Origin{Partition: "raw/1", Offset: others}})
					others++
					b.Append(&usage.Record{})
				}
			}
			marks.mark(&b, 0)
			for row := range b.Len() {
				o := b.OriginAt(row)
				switch {
				case o.Partition != "raw/0":
					if b.Flags[row] != 0 {
						t.Fatalf("%+v is taken for a repeat", o)
					}
				case b.Flags[row] == 0:
					counted[o]++
				}
				if o.Partition != "" {
					stored = append(stored, o)
				}
			}
			i += n
		}
		for _, o := range places {
			if counted[o] != 1 {
				t.Fatalf("%+v counted %d times\n%s", o, counted[o], fmt.Sprint(log))
			}
		}
	})
}
