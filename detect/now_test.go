package detect

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestAThiefIsStoppedBeforeItsSecondIsOver(t *testing.T) {
	s := newStory(4, 12).theft(3, 200, 9009, "scraper")
	for i := range s.rows { // forty calls a second
		if r := &s.rows[i]; r.ASN == 9009 {
			r.TimeMillis = s.c.millis + (r.TimeMillis-s.c.millis)/80
		}
	}
	slices.SortStableFunc(s.rows, func(a, b usage.Record) int { return cmp.Compare(a.TimeMillis, b.TimeMillis) })
	suspended := func(ds []Decision) Decision {
		i := slices.IndexFunc(ds, func(d Decision) bool { return d.Action == ActionSuspend })
		if i < 0 {
			t.Fatal("nobody was suspended")
		}
		return ds[i]
	}
	whole := suspended(s.decisions(t, Config{}))
	rapid.Check(t, func(rt *rapid.T) {
		every := rapid.IntRange(1, 30).Draw(rt, "records between judgements")
		e, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		var b usage.Batch
		for i := range s.rows {
			b.Append(&s.rows[i])
			e.Observe(&b, i, i+1)
			if i%every == 0 {
				e.JudgeNow()
			}
		}
		e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
		d := suspended(e.Drain())
		if d.KeyID != whole.KeyID || d.EpisodeID != whole.EpisodeID || d.TimeMillis > whole.TimeMillis || d.TimeMillis/1000 < whole.TimeMillis/1000 {
			rt.Errorf("%s was suspended at %d, whose second was judged at %d for %s", d.KeyID, d.TimeMillis, whole.TimeMillis, whole.KeyID)
		}
		if every == 1 && d.TimeMillis == whole.TimeMillis {
			rt.Errorf("judged by each record it is suspended as late as by whole seconds, at %d", d.TimeMillis)
		}
	})
}
