package ingest

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestTheBudgetIsDividedWithoutARest(t *testing.T) {
	in := &Ingester{cfg: Config{MemoryBytes: 512 << 20, DedupShare: 0.4, MaxInserts: 2}}
	for partitions := 1; partitions < 200; partitions++ {
		m := in.divide(partitions)
		n := int64(partitions)
		all := n*(m.requestIDs+(blocksInTurn+fetchParts)*m.block) + min(n, 2)*encodedParts*m.block + in.cfg.largeAnswers() + in.cfg.largeBatches()
		if m.enough != (all <= 512<<20) || m.enough != (in.needed(partitions) <= 512<<20) {
			t.Errorf("%d partitions: %d MiB, enough: %v, needed: %d MiB", partitions, all>>20, m.enough, in.needed(partitions)>>20)
		}
		if m.enough && all < 500<<20 {
			t.Errorf("%d partitions get %d MiB", partitions, all>>20)
		}
	}
	m := in.divide(1)
	if held := int64(2*m.keptAnswer() + m.unpacked()*3/2); held > m.block*fetchParts {
		t.Errorf("fetching may hold %d bytes, its part is %d", held, m.block*fetchParts)
	}
}

// kindsOfLines make rows of which one or another column is large.
var kindsOfLines = []func(i int) usage.Record{
	func(int) usage.Record { return usage.Record{RequestID: []byte("r1"), KeyID: "key"} },
	func(int) usage.Record {
		return usage.Record{RequestID: []byte(strings.Repeat("x", 300)), Path: []byte(strings.Repeat("y", 900))}
	},
	func(i int) usage.Record { return usage.Record{KeyID: fmt.Sprintf("key_%016d", i)} },
	func(int) usage.Record { return usage.Record{Units: make([]usage.Unit, 20)} },
}

type linesOfAKind struct{ kind, rows int }

// fillBlock puts such lines into one block's memory, and says how many rows its blocks had in the mean.
func fillBlock(lines []linesOfAKind) (mean int, err error) {
	const limit = 1 << 20
	var b block
	rows, blocks := 0, 1
	for _, l := range lines {
		for range l.rows {
			b.reserve(1<<16, limit)
			r := kindsOfLines[l.kind](rows)
			b.batch.Append(&r)
			b.lines++
			rows++
			if held := b.batch.Memory(); held > limit*17/16 {
				return 0, fmt.Errorf("a block of %d rows has %d bytes, the limit is %d", b.batch.Len(), held, limit)
			}
			if (b.lines%16 == 0 || b.batch.Len() == b.batch.Room()) && b.full(limit) {
				blocks++
				b.recycle(int64(rows), limit)
			}
		}
	}
	if blocks == 1 {
		return 1 << 16, nil
	}
	return rows / blocks, nil
}

// Whatever lines follow each other in one block's memory, it does not hold more than its limit, and its blocks are not small.
func TestABlocksMemoryStaysUnderItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []linesOfAKind
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			lines = append(lines, linesOfAKind{rapid.IntRange(0, len(kindsOfLines)-1).Draw(t, "kind"), rapid.IntRange(1, 3000).Draw(t, "rows")})
		}
		if mean, err := fillBlock(lines); err != nil || mean < 100 {
			t.Errorf("%d rows a block, %v", mean, err)
		}
	})
}

// Columns that have grown for lines with many units leave little of the limit for lines with long paths.
func TestABlockThatHasGrownForOtherLinesGivesItsMemoryBack(t *testing.T) {
	if mean, err := fillBlock([]linesOfAKind{{0, 736}, {3, 2051}, {1, 2000}}); err != nil || mean < 300 {
		t.Errorf("%d rows a block, %v", mean, err)
	}
}
