package detect

import "testing"

// A customer's program that asks all day for what it may not have says something about itself, nothing about how often honest
// clients are refused.
func TestOneBrokenProgramDoesNotTeachThePlatformThatErrorsAreUsual(t *testing.T) {
	const calls = 20_000
	s := newStory(73, 30)
	for i := range int64(calls) {
		r := s.c.record(&s.c.keys[4])
		r.TimeMillis, r.Status = s.c.millis-2*testDay+i*2*testDay/calls, 403
		s.rows = append(s.rows, r)
	}
	e := mustEngine(t)
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	state := func(id string) *keyState {
		number, ok := e.keys.find(e.keys.hash(id), id)
		if !ok {
			t.Fatalf("%s has no state", id)
		}
		return e.keys.at(number)
	}
	loud, quiet := state("key_4"), state("key_5")
	if own := e.expectedErrors(loud, errDenied).mean(); own < 0.1 {
		t.Errorf("of the key's own new clients %.3f are expected to be refused", own)
	}
	if others := e.expectedErrors(quiet, errDenied).mean(); others > 0.05 {
		t.Errorf("of everybody's clients %.3f are expected to be refused", others)
	}
}
