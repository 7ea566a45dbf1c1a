package detect

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect/combine"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What a decision reports as its p-value is the harmonic mean of those of the families that speak, with what makes it valid however they
// depend on each other: Vovk and Wang's factor, or Bonferroni's where that is less.
func TestADecisionsPValueIsTheFamiliesHarmonicMean(t *testing.T) {
	seen := map[int]bool{}
	for _, s := range []*story{newStory(1, 30).theft(4, 60, 9009, "scraper"), crimes(9)} {
		for _, d := range s.decisions(t, Config{Policies: uncapped()}) {
			sum, least, families := 0.0, 1.0, map[Family]bool{}
			for _, ev := range d.Evidence {
				if ev.PValue == 1 || ev.Detector == "strange_objects" || ev.Detector == "culprit_elsewhere" { // they speak beside the families
					continue
				}
				sum, least = sum+1/ev.PValue, min(least, ev.PValue)
				families[ev.Family] = true
			}
			n := float64(len(families))
			if n < 2 || d.Phase > PhaseEscalated || d.Actor.ASN == 0 {
				continue
			}
			factor := n
			if n > 2 {
				factor = min(n, math.E*math.Log(n))
			}
			require.InEpsilon(t, min(1, n*least, factor*n/sum), d.PValue, 0.01, "%v", d.Evidence)
			seen[len(families)] = true
		}
	}
	require.Greater(t, len(seen), 1, "of several numbers of families")
}

// Two facts about when somebody calls are of one family, so that Fisher's method joins them: together they say more than each, and less than both added up.
func TestFactsOfOneFamilyAreJoinedByFishersMethod(t *testing.T) {
	require.Equal(t, combine.Fisher(1.5, 1), together(1.5, 1))
	require.Greater(t, together(1.5, 1), 1.5)
	require.Less(t, together(1.5, 1), 2.5)
	require.Equal(t, 1.5, together(1.5, 0), "who says nothing takes nothing away")
	require.Equal(t, 1.5, together(-1, 1.5))
	require.Equal(t, 3.0, together(3, 0.05), "a bet by itself, whatever the other says")
}

// A batch is its owner's again once it was observed, though the second that it ends in is not over.
func TestExamplesAreThoseOfTheRecordsWhateverBecomesOfTheirBatches(t *testing.T) {
	s := newStory(1, 12).theft(3, 60, 9009, "scraper")
	for i := range s.rows { // ten calls a second
		if r := &s.rows[i]; r.ASN == 9009 {
			r.TimeMillis = s.c.millis + (r.TimeMillis-s.c.millis)/10
		}
	}
	want := s.decisions(t, Config{})
	require.NotEmpty(t, want)
	require.Len(t, want[len(want)-1].Examples, maxExamples)
	e, err := New(Config{})
	require.NoError(t, err)
	var b usage.Batch
	for from := 0; from < len(s.rows); from += 3 {
		b.Reset()
		for i := from; i < min(from+3, len(s.rows)); i++ {
			b.Append(&s.rows[i])
		}
		e.Observe(&b, 0, b.Len())
		clear(b.Path.Data)
	}
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	require.Equal(t, want, e.Drain())
}

// The memory of examples that were dropped is used again, and what was given away of them stays as it was.
func TestExamplesOfANewClientTakeThePlaceOfAnothersOnly(t *testing.T) {
	e, err := New(Config{})
	require.NoError(t, err)
	var f file
	of := func(path string) *obs { return &obs{path: []byte(path)} }
	f.keep(1, of("/first"))
	f.keep(1, of("/second"))
	shown := e.exampleViews(f.of(1))
	f.forget(1)
	require.Empty(t, f.of(1))
	f.keep(1, of("/other"))
	require.Len(t, f.of(1), 1)
	require.Equal(t, "/other", string(f.of(1)[0].path))
	require.Equal(t, "/first", shown[0].Path)
	require.Equal(t, "/second", shown[1].Path)
}
