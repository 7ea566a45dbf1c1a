package detect

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAnAddressThatChangedDuringASilenceIsLessOfAnAlert(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	const now = 60 * 86400e3
	known, fresh := &entry{state: establishedBit}, &entry{}
	for _, c := range []struct {
		name       string
		silentDays float64
		net        *entry
		line       float64 // what the line explains
	}{
		{"no silence", 0, known, 0},
		{"nine days of silence are ten days' chance", 9, known, 1},
		{"another network is no renumbered line", 9, fresh, 0},
	} {
		k := keyState{born: 86400e3, gapSec: uint32(c.silentDays * 86400), days: 20}
		a := actor{first: now, fresh: true}
		e.meet(&k, &a, &sighting{at: [setKinds]*entry{kindNet: c.net, kindAddr: {}, kindAgent: {}, kindRoute: known, kindCountry: known}})
		if math.Abs(float64(a.line)-c.line) > 0.01 {
			t.Errorf("%s: the line explains %.2f of %.2f, want %.2f", c.name, a.line, a.who, c.line)
		}
	}
}

// A network that is new is as new for the second program that comes from it: that it is there already is the same news, and no habit of the key. What arrived before it
// is, and what has become the customer's is no news.
func TestASecondProgramFromANewNetworkIsAsNewAsTheFirst(t *testing.T) {
	e := freshEngine()
	const now, minute = 60 * 86400e3, 60 * 24 * 60
	var line float64
	who := func(arrived float32, net entry, days int64) float64 {
		k := keyState{born: 86400e3, days: 14, day: int32(60 + days)}
		k.arrived[kindNet] = arrived
		known := &entry{state: establishedBit}
		a := actor{first: now + days*86400e3, fresh: true}
		e.meet(&k, &a, &sighting{at: [setKinds]*entry{kindNet: &net, kindAddr: {}, kindAgent: known, kindRoute: known, kindCountry: known}})
		line = float64(a.line)
		return float64(a.who)
	}
	first := who(0, entry{first: minute, state: countOne}, 0)
	if second := who(1, entry{first: minute, state: 9 * countOne}, 0); second != first {
		t.Errorf("the first program is new by %.2f, the second by %.2f", first, second)
	}
	if line < 0.5 || line > first {
		t.Errorf("an alert about the second program takes %.2f of %.2f for people who move together", line, first)
	}
	if later := who(agedBy(3), entry{first: minute, state: 9 * countOne}, 3); math.Abs(later-first) > 0.01 {
		t.Errorf("the first program is new by %.2f, one three days later by %.2f", first, later)
	}
	if another := who(1, entry{first: minute, state: countOne}, 0); another > first-0.5 {
		t.Errorf("another network is new by %.2f, the one before was by %.2f", another, first)
	}
	if settled := who(1, entry{first: minute, state: establishedBit | 9*countOne}, 0); settled > first {
		t.Errorf("in a network of the customer's it is new by %.2f", settled)
	}
}

func TestACalmClientIsLessOfAStrangerForAnAlert(t *testing.T) {
	before := float64(0)
	for hours := int64(0); hours < 30*24; hours += 6 {
		a := &actor{last: hours * hourMillis}
		s := a.calm()
		if s < before || s > maxCalm || hours <= 48 && s != 0 {
			t.Errorf("after %d hours: %v, before: %v", hours, s, before)
		}
		before = s
	}
	if before != maxCalm {
		t.Errorf("after a month: %v, want %v", before, maxCalm)
	}
}

// The more of the objects are the customer's, the more that speaks for a client; but who has them from a list takes any share of them, so that
// no share says more for it than strangers who list are seldom.
func TestObjectsOfTheCustomersSpeakForAClientAndAListBoundsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "objects")
		own := rapid.IntRange(0, n-1).Draw(t, "the customer's")
		usual := rapid.Float64Range(0.3, 0.95).Draw(t, "usual")
		s, more := acquaintance(float64(own), float64(n), usual), acquaintance(float64(own+1), float64(n), usual)
		if float64(own+1) <= sharedUses*usual*float64(n) && more > s+0.02 {
			t.Errorf("%d of %d say %.2f, one more %.2f", own, n, s, more)
		}
		if s < -2 {
			t.Errorf("%d of %d say %.2f for the client", own, n, s)
		}
	})
	if s := acquaintance(47, 137, 0.57); s < -1.5 {
		t.Errorf("a third of what it took is the customer's, who come back to more than half: %.2f", s)
	}
	if s := acquaintance(0, 10, 0.8); s < oddProgram {
		t.Errorf("none of ten is the customer's: %.2f", s)
	}
}

// For an alert they speak as they do against strangers who know nothing: those who list are few, and are stopped for more than that.
func TestObjectsOfTheCustomersExcuseFromAnAlertAltogether(t *testing.T) {
	k := &keyState{knownIDs: 0.9}
	for _, c := range []struct {
		own  float32
		want float64
	}{{9, -maxFamiliar}, {0, 0}} {
		a := &actor{objects: 10, ownObjects: c.own}
		overlap := k.overlap(a)
		if got := min(0, overlap) + k.acquitted(a, overlap); got != c.want {
			t.Errorf("%.0f of ten objects are the customer's: %.2f, want %.2f", c.own, got, c.want)
		}
	}
	if got := k.acquitted(&actor{}, 0); got != 0 {
		t.Errorf("a client that asked for no object: %v", got)
	}
}
