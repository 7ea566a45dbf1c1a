package detect

import "testing"

// What a cap of all processes refuses is a flag for the time that is named; new evidence after it leads to the action again.
func TestARefusedSuspensionComesUpAgain(t *testing.T) {
	s := newStory(11, 30).theft(4, 60, 9009, "scraper")
	e := mustEngine(t)
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	now := s.rows[len(s.rows)-1].TimeMillis
	e.Advance(now + 2000)
	first := acted(e.Drain())
	if len(first) != 1 || first[0].Action != ActionSuspend {
		t.Fatalf("got %+v", first)
	}
	e.Refused("key_4", "ep_other", now)
	e.Refused("nobody", first[0].EpisodeID, now)
	e.Refused("key_4", first[0].EpisodeID, now+hourMillis)
	again := func(after int64) []Decision {
		more := &story{c: s.c}
		more.c.millis = now + after
		more.theft(4, 120, 9009, "scraper")
		b := more.batch(0, len(more.rows))
		e.Observe(b, 0, b.Len())
		e.Advance(now + after + 130e3)
		return acted(e.Drain())
	}
	if ds := again(20 * 60e3); len(ds) != 0 {
		t.Errorf("before the time: %+v", ds)
	}
	ds := again(2 * hourMillis)
	if len(ds) != 1 || ds[0].Action != ActionSuspend || ds[0].EpisodeID != first[0].EpisodeID || ds[0].Phase != PhaseEscalated {
		t.Errorf("after it: %+v", ds)
	}
}
