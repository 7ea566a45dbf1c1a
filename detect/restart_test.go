package detect

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What may differ between an engine that saw everything and one that learnt part of it from history, key by key as the keys came
// back: it knows less of what the platform does, and a second may have been cut in two.
const (
	restartMillis = 5000 // of the time of a decision
	restartScore  = 1.0  // of its evidence, as -log10: how usual a network is among customers weighs up to that
)

// near says that both decide the same about the same keys, within the tolerance.
func near(want, got []Decision) error {
	if len(want) != len(got) {
		return fmt.Errorf("%d decisions, want %d:\n%s\nwant\n%s", len(got), len(want), brief(got), brief(want))
	}
	for i := range want {
		w, g := &want[i], &got[i]
		if w.KeyID != g.KeyID || w.Action != g.Action || w.Actor.ASN != g.Actor.ASN || w.Actor.Agent != g.Actor.Agent ||
			max(w.TimeMillis-g.TimeMillis, g.TimeMillis-w.TimeMillis) > restartMillis || math.Abs(w.Score-g.Score) > restartScore {
			return fmt.Errorf("got\n%s\nwant\n%s", brief(got), brief(want))
		}
	}
	return nil
}

func brief(ds []Decision) (s string) {
	for _, d := range ds {
		s += fmt.Sprintf("  %d %s %s AS%d %s at %.2f\n", d.TimeMillis, d.KeyID, d.Action, d.Actor.ASN, d.Actor.Agent, d.Score)
	}
	return s
}

// uncapped policies leave out the cap by the share of keys: there are few here, and caps over all engines are kept elsewhere.
func uncapped() *Policies {
	p := DefaultPolicies()
	p.Caps.ShareOfKeys = 1
	return p
}

// crimes is a story in which several keys are stolen, one after the other, and others move.
func crimes(seed uint64) *story {
	s := newStory(seed, 25)
	for i, n := range []int{60, 40, 200, 25} {
		s.theft(3+i, n, uint32(9009+i), []string{"scraper", "python", "curl", "java"}[i])
		s.c.millis += 10 * 60e3
	}
	k := &s.c.keys[20]
	k.asn, k.cc = 64500, "SE"
	start := s.c.millis
	for i := range 200 {
		s.c.millis = start + int64(i)*30e3
		s.rows = append(s.rows, s.c.record(k))
	}
	s.sort()
	return s
}

// lazily observes the rows from a restart on as the program does: piece by piece, each key's history when it comes first. The batch holds
// the rows of the story.
func lazily(e *Engine, s *story, b *usage.Batch, from, piece int, each func()) []Decision {
	var out []Decision
	for at := from; at < len(s.rows); at += piece {
		if unknown := e.Unknown(b, at, min(at+piece, b.Len())); len(unknown) > 0 {
			var h usage.Batch
			for i := range s.rows[:at] {
				if slices.Contains(unknown, s.rows[i].KeyID) {
					h.Append(&s.rows[i])
				}
			}
			e.WarmUp(&h, 0, h.Len())
		}
		e.Observe(b, at, min(at+piece, b.Len()))
		each()
		out = append(out, e.Drain()...)
	}
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	return acted(append(out, e.Drain()...))
}

// The process may die at any record, in the middle of a second too. The next one learns a key's history when the key comes
// again, and goes on as if nothing had happened.
func TestARestartAtAnyRecordLeavesDecisionsAsTheyAre(t *testing.T) {
	s := crimes(9)
	want := acted(s.decisions(t, Config{Policies: uncapped()}))
	if len(want) < 4 {
		t.Fatalf("the story has %d decisions:\n%s", len(want), brief(want))
	}
	b := s.batch(0, len(s.rows))
	first := slices.IndexFunc(s.rows, func(r usage.Record) bool { return r.ASN == 9009 })
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.IntRange(first-3000, len(s.rows)-1).Draw(t, "cut")
		piece := rapid.SampledFrom([]int{20, 700}).Draw(t, "piece")
		var still []Decision
		for _, d := range want {
			if d.TimeMillis/1000 > s.rows[cut].TimeMillis/1000+restartMillis/1000 {
				still = append(still, d)
			}
		}
		e := freshEngine()
		e.SetPolicies(uncapped())
		got := lazily(e, s, b, cut, piece, func() {})
		for len(got) > 0 && len(got) > len(still) && got[0].TimeMillis <= s.rows[cut].TimeMillis+2*restartMillis {
			got = got[1:] // taken just before the restart and, a little later than there, just after it
		}
		if err := near(still, got); err != nil {
			t.Fatalf("restarted at record %d: %v", cut, err)
		}
	})
}

// Keys that were forgotten to bound memory come back with their history, and nobody sees a difference.
func TestAKeyThatWasForgottenIsJudgedAsIfItWasNot(t *testing.T) {
	s := crimes(10)
	want := acted(s.decisions(t, Config{Policies: uncapped()}))
	e := freshEngine()
	e.SetPolicies(uncapped())
	const limit = 15
	most := 0
	got := lazily(e, s, s.batch(0, len(s.rows)), 0, 500, func() {
		e.Trim(limit)
		most = max(most, e.Stats().Keys)
	})
	if err := near(want, got); err != nil {
		t.Error(err)
	}
	if n := e.Stats().Forgotten; n < 50 {
		t.Errorf("%d keys were forgotten: this test shows nothing", n)
	}
	if most > limit+len(want) {
		t.Errorf("%d keys were held, want at most %d and those with alerts", most, limit)
	}
}

func TestForgettingGivesAllMemoryBack(t *testing.T) {
	s := newStory(11, 30)
	e := freshEngine()
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	if n := e.cohorts[everybody].members; n != 30 {
		t.Errorf("%d keys are in cohorts: this test shows nothing", n)
	}
	if n := e.Trim(0); n != 30 || e.Stats().Keys != 0 || e.mem.Used() != 0 || len(e.netKeys) > 0 {
		t.Errorf("%d keys were forgotten, %d are left with %d bytes in %d networks", n, e.Stats().Keys, e.mem.Used(), len(e.netKeys))
	}
	for i := range e.cohorts {
		if n := e.cohorts[i].members; n != 0 {
			t.Errorf("%d forgotten keys are members of cohort %d", n, i)
		}
	}
	for i := range e.routes {
		if e.routes[i].keys != 0 {
			t.Errorf("route %s is still used by %d keys", e.routes[i].name, e.routes[i].keys)
		}
	}
}

// Verdicts cannot be read from history: a key that people judged stays.
func TestKeysWithAlertsAreNotForgotten(t *testing.T) {
	s := newStory(12, 20).theft(3, 40, 9009, "scraper")
	e := freshEngine()
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	e.Trim(5)
	if !e.Knows("key_3") || e.Stats().Keys > 5 {
		t.Errorf("%d keys are left, the one with an alert is known: %v", e.Stats().Keys, e.Knows("key_3"))
	}
}
