package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// A load balancer's health check, an uptime service, a watchdog: a program that was never there, on one machine, asks for the same thing each half
// minute. A thief wants something else each time. So the clock speaks for the one and against the other, and it is the pace of a clock, not of somebody in a hurry.
func TestWhatAsksForTheSameThingLikeAClockIsAMonitor(t *testing.T) {
	const every, calls = 30e3, 120
	for _, c := range []struct {
		why   string
		path  func(i int) (method, route, path string)
		gap   func(rng *rand.Rand) float64
		alert bool
	}{
		{"the same route by the clock", sameThing, byTheClock, false},
		{"the same object by the clock", sameObject, byTheClock, false},
		{"the same route, by chance", sameThing, byChance, true},
		{"another object each time, by the clock", otherObjects, byTheClock, true},
		{"a route that nobody has a use for, by the clock", oddThing, byTheClock, true},
		{"orders by the clock", orders, byTheClock, true},
	} {
		s := newStory(21, 30)
		k := &s.c.keys[5]
		rng := rand.New(rand.NewPCG(7, 7))
		at := float64(s.c.millis)
		for i := range calls {
			r := s.c.record(k)
			at += c.gap(rng) * every
			r.TimeMillis = int64(at)
			method, route, path := c.path(i)
			r.Method, r.Route, r.Path, r.Status, r.Units = method, route, []byte(path), 200, nil
			r.Agent, r.ClientIP = "watchdog", netip.AddrFrom4([4]byte{203, 0, 113, 77})
			s.rows = append(s.rows, r)
		}
		told := false
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.Actor.Agent == "watchdog" {
				told = true
				t.Logf("%s: %s", c.why, d.Reason)
			}
			if !c.alert && d.Action > ActionFlag {
				t.Errorf("%s: %s: %s", c.why, d.Action, d.Reason)
			}
		}
		if told != c.alert {
			t.Errorf("%s: an alert: %v, want %v", c.why, told, c.alert)
		}
	}
}

func byTheClock(rng *rand.Rand) float64 { return 1 + 0.02*rng.Float64() }
func byChance(rng *rand.Rand) float64   { return rng.ExpFloat64() }

func sameThing(int) (method, route, path string) { return "GET", "/v1/search", "/v1/search" }

func sameObject(int) (method, route, path string) {
	return "GET", "/v1/reports/{id}", "/v1/reports/77"
}

func otherObjects(i int) (method, route, path string) {
	return "GET", "/v1/reports/{id}", fmt.Sprintf("/v1/reports/%d", 900_000+977*i)
}

func oddThing(int) (method, route, path string) { return "GET", "/v1/backups", "/v1/backups" }

func orders(int) (method, route, path string) { return "POST", "/v1/orders", "/v1/orders" }
