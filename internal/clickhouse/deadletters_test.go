package clickhouse

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func letter(offset int64, reason string) usage.DeadLetter {
	return usage.DeadLetter{
		Offset: offset, Sub: 1, TimeMillis: noon.UnixMilli() + offset/2, Source: "edge", Format: "nginx_json", Reason: reason,
		Detail: "field status", Line: fmt.Appendf(nil, "line %d \xff\x00'\\", offset), Bytes: 1 << 20,
	}
}

func TestDeadLettersAreListedPageByPageCountedAndDeleted(t *testing.T) {
	db := openTest(t)
	var letters []usage.DeadLetter
	for i := range int64(25) {
		letters = append(letters, letter(i, []string{"bad_json", "bad_time"}[i%2]))
	}
	span := testSpan(0, 100)
	for range 2 {
		if err := db.InsertDeadLetters(t.Context(), span, letters); err != nil {
			t.Fatal(err)
		}
	}
	// A repetition long after the token is forgotten is cut differently; it still doubles nothing.
	if err := db.InsertDeadLetters(t.Context(), testSpan(0, 50), letters[:10]); err != nil {
		t.Fatal(err)
	}
	list := func(f DeadLetterFilter) []usage.DeadLetter {
		t.Helper()
		var all []usage.DeadLetter
		for cursor, pages := (DeadLetterCursor{}), 0; ; pages++ {
			page, next, err := db.DeadLetters(t.Context(), f, cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range page {
				if l.Topic != "logs" || l.Partition != 3 || l.Epoch != "e1" {
					t.Errorf("place %s/%d %s", l.Topic, l.Partition, l.Epoch)
				}
				all = append(all, l.DeadLetter)
			}
			if next == (DeadLetterCursor{}) || pages > 10 {
				return all
			}
			cursor = next
		}
	}
	want := make([]usage.DeadLetter, 0, 25)
	for i := range letters {
		want = append(want, letters[len(letters)-1-i]) // newest first
	}
	if d := cmp.Diff(want, list(DeadLetterFilter{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := len(list(DeadLetterFilter{Reason: "bad_json", From: noon.Add(2 * time.Millisecond), To: noon.Add(4 * time.Millisecond)})); n != 2 {
		t.Errorf("%d letters of reason bad_json in two milliseconds, want 2", n)
	}
	if n := len(list(DeadLetterFilter{Topic: "' OR 1 = 1 --"})); n != 0 {
		t.Errorf("%d letters of a topic that is not there", n)
	}
	counts, err := db.CountDeadLetters(t.Context(), DeadLetterFilter{Format: "nginx_json"})
	if d := cmp.Diff(map[string]int64{"bad_json": 13, "bad_time": 12}, counts); d != "" || err != nil {
		t.Errorf("counts: %v\n%s", err, d)
	}
	if err := db.DeleteDeadLetters(t.Context(), "logs", 3, []int64{0, 1, 2, 24}); err != nil {
		t.Fatal(err)
	}
	if n := len(list(DeadLetterFilter{})); n != 21 {
		t.Errorf("%d letters after 4 of 25 were deleted", n)
	}
	if last, found, err := db.LastOffset(t.Context(), "logs", 3); err != nil || !found || last != 23 {
		t.Errorf("last offset %d, %v, %v: dead letters have offsets, too", last, found, err)
	}
}

func TestASpanOfDeadLettersOnlyHasNotLanded(t *testing.T) {
	db := openTest(t)
	span := testSpan(0, 10)
	if err := db.InsertDeadLetters(t.Context(), span, []usage.DeadLetter{letter(4, "bad_json")}); err != nil {
		t.Fatal(err)
	}
	// They are written before the events of the same block: taken for the whole of it, they would lose the events.
	if landed, err := db.Landed(t.Context(), span); err != nil || landed {
		t.Errorf("landed %v, %v", landed, err)
	}
}

func TestGapsAreRecordedOnce(t *testing.T) {
	db := openTest(t)
	g := usage.Gap{Topic: "logs", Partition: 2, From: 5, To: 1 << 40, Reason: "retention", TimeMillis: noon.UnixMilli()}
	for range 2 {
		if err := db.RecordGap(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	gaps, err := db.Gaps(t.Context())
	if d := cmp.Diff([]usage.Gap{g}, gaps); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}
