package detect

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// What exhaustion leaves out is nothing.
func TestWhoComesBackToAnEighthOfItsObjectsIsNoCollector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float32Range(collectorLeast, windowLimit).Draw(t, "ids")
		back := rapid.Float32Range(comesBack, 1).Draw(t, "share that it asked for before") * n
		require.LessOrEqual(t, logBayes(float64(back), float64(n), customerAgain, collector), 0.0)
	})
}

// Who wants every object once takes them, in whatever order: a customer's own clients come back to theirs.
func TestWhoWantsEveryObjectOnceIsTold(t *testing.T) {
	told := func(objects int) bool {
		s := newStory(7, 30)
		ids := s.c.rng.Perm(900_000)[:objects]
		for i := range 90 {
			s.rows = append(s.rows, usage.Record{
				TimeMillis: s.c.millis + int64(i)*20e3, KeyID: s.c.keys[4].id, Source: "edge", Method: "GET", Route: "/v1/users/{id}",
				Path: fmt.Appendf(nil, "/v1/users/%d", ids[i%objects]), Status: 200, ResponseBytes: 900, ASN: 9009, Country: "RO", Agent: "scraper",
				ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
			})
		}
		for _, d := range acted(s.decisions(t, Config{})) {
			for _, ev := range d.Evidence {
				if ev.Detector == "every_object_once" && d.KeyID == s.c.keys[4].id {
					require.Less(t, ev.Observed, ev.Low)
					require.Greater(t, ev.Expected, ev.Low)
					return true
				}
			}
		}
		return false
	}
	require.True(t, told(90), "ninety objects, none of them twice")
	require.False(t, told(9), "nine objects, each of them ten times")
}

// What walkOn leaves out is nothing.
func TestAFarGapOfAKeyThatRoamsIsNoStepOfAWalk(t *testing.T) {
	roamed := false
	rapid.Check(t, func(t *rapid.T) {
		var k keyState
		var e Engine
		counts := rapid.Float32Range(0, 1000)
		for i := range e.gaps {
			e.gaps[i] = counts.Draw(t, "the platform's gaps")
		}
		if rapid.Bool().Draw(t, "the key has some of its own") {
			k.ids = &idMemory{}
			for i := range k.ids.gaps {
				k.ids.gaps[i] = counts.Draw(t, "the key's gaps")
			}
		}
		if !e.roams(&k) {
			return
		}
		roamed = true
		var w walk
		null := e.nullGaps(&k)
		w.step(gapClasses-1, &null)
		require.Equal(t, walk{n: 1}, w)
	})
	require.True(t, roamed)
}
