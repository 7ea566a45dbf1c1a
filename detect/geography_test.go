package detect

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPlacesAreInOrderAndOnTheGlobe(t *testing.T) {
	if !slices.IsSortedFunc(places[:], func(a, b place) int { return int(countryNumber(a.code)) - int(countryNumber(b.code)) }) {
		t.Error("the table is not in the order of codes")
	}
	for _, p := range places {
		if p.lat < -90 || p.lat > 90 || p.lon < -180 || p.lon > 180 || p.radius <= 0 || p.radius > 4500 {
			t.Errorf("%+v is nowhere", p)
		}
		if got, ok := placeOf(countryNumber32(p.code)); !ok || got != p {
			t.Errorf("%s is found as %+v", p.code, got)
		}
	}
}

func countryNumber32(code string) uint16 { return uint16(countryNumber(code)) }

func TestWhoCannotHaveTravelled(t *testing.T) {
	var d distances
	for _, c := range []struct {
		from, to string
		after    time.Duration
		want     bool
		why      string
	}{
		{"DE", "JP", time.Minute, true, "half the world in a minute"},
		{"DE", "JP", 13 * time.Hour, false, "a flight"},
		{"DE", "BR", 5 * time.Hour, true, "faster than a flight"},
		{"DE", "FR", 0, false, "neighbours"},
		{"US", "CA", 0, false, "big neighbours"},
		{"RU", "FI", 0, false, "a neighbour of the biggest country"},
		{"RU", "JP", 0, false, "near its far end"},
		{"HK", "CN", 0, false, "next door"},
		{"DE", "RO", 0, false, "borders too near for the address data"},
		{"SG", "MY", 0, false, "within sight"},
		{"DE", "EU", 0, false, "no place"},
		{"DE", "", 0, false, "unknown"},
		{"A1", "JP", 0, false, "a proxy's mark"},
	} {
		if got := d.impossible(countryNumber32(c.from), countryNumber32(c.to), c.after.Milliseconds()); got != c.want {
			t.Errorf("%s to %s in %v: %v, want %v (%s)", c.from, c.to, c.after, got, c.want, c.why)
		}
	}
}

func TestDistanceIsSymmetricAndNobodyIsSlowerWithMoreTime(t *testing.T) {
	var d distances
	rapid.Check(t, func(t *rapid.T) {
		a := countryNumber32(places[rapid.IntRange(0, len(places)-1).Draw(t, "a")].code)
		b := countryNumber32(places[rapid.IntRange(0, len(places)-1).Draw(t, "b")].code)
		gap := gapKilometres(a, b)
		require.Equal(t, gap, d.gap(a, b), "what was asked for before is of no other pair")
		if back := gapKilometres(b, a); gap < 0 || gap > 20100 || gap-back > 1e-6 || back-gap > 1e-6 || a == b && gap != 0 {
			t.Fatalf("%s to %s: %v there, %v back", countryName(a), countryName(b), gap, back)
		}
		ms := rapid.Int64Range(-1000, 48*hourMillis).Draw(t, "ms")
		if d.impossible(a, b, ms+rapid.Int64Range(0, hourMillis).Draw(t, "more")) && !d.impossible(a, b, ms) {
			t.Fatalf("%s to %s gets impossible with more time", countryName(a), countryName(b))
		}
	})
}

// One leap may be a wrong clock or a wrong address; who goes to and fro with the customer is at two places.
func TestWhoTakesTurnsWithTheCustomerIsFartherOff(t *testing.T) {
	e, home, away := freshEngine(), countryNumber32("DE"), countryNumber32("JP")
	k, a := &keyState{lastCC: home, lastKnown: 1}, &actor{who: 2, cc: away}
	said := []float64{a.distance()}
	for i := range int64(5) {
		e.locate(k, a, &obs{t: 1 + i*120e3 + 60e3, cc: away}, false)
		e.locate(k, a, &obs{t: 1 + i*120e3 + 61e3, cc: away}, false) // no second leap: the customer was not at home in between
		said = append(said, a.distance())
		k.lastKnown = 1 + (i+1)*120e3
	}
	if said[0] != 0 || said[1] <= 0 || said[3] != said[1] || said[4] != said[1]+alternateBonus || said[5] != said[4] {
		t.Errorf("by turns: %v", said)
	}
	if ev := k.describeLeap(a); ev.Detector != "alternation" || ev.Observed != 5 {
		t.Errorf("%+v", ev)
	}
	if a.who = leastWhoLeap / 2; a.distance() != 0 {
		t.Error("about somebody who is hardly new it says something")
	}
}

// abroad adds a client that walks ids in another country while the key's own client goes on.
func abroad(s *story, key int, n int, cc string) *story {
	start := s.c.millis
	s.theft(key, n, 9009, "scraper")
	for i := len(s.rows) - n; i < len(s.rows); i++ {
		s.rows[i].Country = cc
	}
	for i := range n {
		s.c.millis = start + int64(i)*1000 + 500
		s.rows = append(s.rows, s.c.record(&s.c.keys[key]))
	}
	return s
}

func geography(ds []Decision, key string) (ev Evidence, found bool) {
	for _, d := range ds {
		for _, v := range d.Evidence {
			if v.Family == FamilyGeography && d.KeyID == key {
				ev, found = v, true
			}
		}
	}
	return ev, found
}

func TestACallFromTheOtherEndOfTheWorldIsTold(t *testing.T) {
	s := newStory(31, 20)
	s.c.keys[3].cc = "DE"
	for i := range s.rows {
		if s.rows[i].KeyID == "key_3" {
			s.rows[i].Country = "DE"
		}
	}
	ev, ok := geography(abroad(s, 3, 60, "BR").decisions(t, Config{}), "key_3")
	if !ok || ev.Observed < 1 || ev.Expected > 0.1 || ev.PValue >= 1 || ev.Sentence == "" {
		t.Errorf("no evidence of geography: %+v", ev)
	}
	near := newStory(31, 20)
	for i := range near.rows {
		if near.rows[i].KeyID == "key_3" {
			near.rows[i].Country = "DE"
		}
	}
	near.c.keys[3].cc = "DE"
	if ev, ok := geography(abroad(near, 3, 60, "AT").decisions(t, Config{}), "key_3"); ok {
		t.Errorf("a neighbour is far: %s", ev.Sentence)
	}
}

func TestAKeyThatLeapsAnywayIsMeasuredByThat(t *testing.T) {
	s := newStory(32, 20)
	s.c.keys[3].cc = "DE"
	n := 0
	for i := range s.rows { // its provider answers from two ends of the world
		if r := &s.rows[i]; r.KeyID == "key_3" {
			r.Country = []string{"DE", "US"}[n%2]
			r.ClientIP = netip.AddrFrom4([4]byte{198, 51, 100, byte(n % 2)})
			n++
		}
	}
	settled, ok := geography(abroad(s, 3, 60, "BR").decisions(t, Config{}), "key_3")
	if ok && settled.PValue < 0.7 {
		t.Errorf("a key that is in two places daily gets p = %v: %s", settled.PValue, settled.Sentence)
	}
}
