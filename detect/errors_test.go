package detect

import (
	"testing"

	"pgregory.net/rapid"
)

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
		number, ok := e.keys.find(e.keys.hash(id))
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

// One in four of what a new client asks for is not there: a learner's first calls are like that. Who goes on so for thousands of calls does not learn. A program that
// tidies up deletes from its first call to its last, so that its length says nothing.
func TestWhoLearnsStopsErring(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	evidence := func(class int, calls uint32) float64 {
		a := &actor{fresh: true, n: calls, winN: 200}
		a.errK[class] = 50
		return e.errorEvidence(k, a)
	}
	for class, name := range map[int]string{errDenied: "forbidden", errAbsent: "not there"} {
		first, later, late := evidence(class, 200), evidence(class, 2000), evidence(class, 100_000)
		if later < first+0.25 || late < later || late > first+0.8 {
			t.Errorf("%s: %.2f after 200 calls, %.2f after 2,000 and %.2f after 100,000", name, first, later, late)
		}
	}
	for class, name := range map[int]string{errDeclined: "declined", errGone: "deleted"} {
		if first, late := evidence(class, 200), evidence(class, 100_000); late != first {
			t.Errorf("%s: %.2f after 200 calls and %.2f after 100,000", name, first, late)
		}
	}
}

// Who tries what a route may be made to do sends what it does not understand, more often than not, and goes on. Somebody who tries out a new program does so as well, at first; and a
// program of the customer's that is broken is the customer's.
func TestWhoGoesOnSendingWhatIsNotUnderstoodIsNoLearner(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	evidence := func(fresh bool, malformed, calls float32) float64 {
		a := &actor{fresh: fresh, n: uint32(calls), winN: min(calls, windowLimit)}
		a.errK[errFaulty] = malformed / calls * a.winN
		return e.errorEvidence(k, a)
	}
	if s := evidence(true, 4, 9); s > 0.5 {
		t.Errorf("four of the first nine calls say %.2f", s)
	}
	if s := evidence(true, 400, 4000); s > 0 {
		t.Errorf("one in ten says %.2f", s)
	}
	if early, late := evidence(true, 13, 20), evidence(true, 1300, 2000); early > 1 || late < leastBeside || late < early+0.5 {
		t.Errorf("two in three say %.2f after twenty calls and %.2f after two thousand", early, late)
	}
	if s := evidence(false, 1300, 2000); s != 0 {
		t.Errorf("a broken client of the customer's says %.2f", s)
	}
	k.sets.insert(e.mem, kindAgent, entry{state: establishedBit})
	if s := evidence(true, 1300, 2000); s != 0 {
		t.Errorf("a broken program of the customer's on a new machine says %.2f", s)
	}
	k = &keyState{}
	a := &actor{fresh: true, n: 300, winN: 150}
	a.errK[errFaulty], a.errK[errAbsent] = 100, 4
	if ev := e.describeErrors(k, a); ev.Detector != "malformed" || ev.Observed < 0.6 || ev.Observed <= ev.High {
		t.Errorf("it is described as %+v", ev)
	}
}

// What errorEvidence leaves out is nothing.
func TestABetThatIsLostToTheClumsyIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(clumsyLeast, clumsyShare).Draw(t, "share of the clumsy")
		others := rapid.Float64Range(-100, 100).Draw(t, "bet against others")
		clumsy := log10(share) - rapid.Float64Range(0, 50).Draw(t, "beyond")
		if s := mixtureBet(others, clumsy, share); s > 1e-12 {
			t.Fatalf("the bet against both says %v", s)
		}
	})
}
