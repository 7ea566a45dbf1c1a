package detect

import (
	"slices"
	"testing"
)

// One worker behind a changing proxy calls from one address after the other, all over the world, more than the key ever did. Devices of the customer's have a program of the customer's, people are there
// at the same time, few take turns by chance, and a move is to few countries.
func TestAWorkerWhoChangesAddressesAllTheTimeIsStopped(t *testing.T) {
	for _, c := range []struct {
		why     string
		program string // "": the customer's
		nets    int
		side    int // addresses at a time
		calls   int
		apart   float64 // seconds
		stopped bool
	}{
		{"a proxy", "curl/8.7.1", 20, 1, 600, 1, true},
		{"devices of the customer's", "", 20, 1, 600, 1, false},
		{"people", "Firefox/143.0", 20, 40, 600, 1, false},
		{"some few people", "Firefox/143.0", 20, 1, 90, 30, false},
		{"a proxy's networks, and no hurry", "curl/8.7.1", 20, 1, 600, 300, false},
		{"a new region", "curl/8.7.1", 3, 1, 600, 1, false},
	} {
		s := newStory(52, 30)
		before := len(s.rows)
		s.guests(4, c.calls, 6, c.nets, c.apart)
		for i := range s.rows[before:] {
			r := &s.rows[before+i]
			if c.program != "" {
				r.Agent = c.program
			}
			if block := 6 * c.side; c.side > 1 { // those of a block come by turns
				first, at := i/block*block, i%block
				r.TimeMillis = s.c.millis + int64(float64(first+at%6*c.side+at/6)*c.apart*1000)
			}
		}
		var crowd []Decision
		for _, d := range acted(s.decisions(t, Config{})) {
			if slices.ContainsFunc(d.Evidence, func(ev Evidence) bool { return ev.Detector == "crowd_pace" }) {
				crowd = append(crowd, d)
			}
		}
		if stopped := len(crowd) > 0 && crowd[0].Action == ActionSuspend; stopped != c.stopped {
			t.Errorf("%s: stopped %t", c.why, stopped)
		}
	}
}
