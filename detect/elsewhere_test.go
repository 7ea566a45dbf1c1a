package detect

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// twice is a story in which a thief walks through one key, and an hour later somebody at the same address calls with another.
func twice(t *testing.T, e *Engine, later int64, shared bool) actor {
	t.Helper()
	s := newStory(21, 30)
	if shared { // a third key lives behind the address
		for i := range s.rows {
			if s.rows[i].KeyID == "key_9" {
				s.rows[i].ClientIP, s.rows[i].ASN = netip.AddrFrom4([4]byte{203, 0, 113, 9}), 9009
			}
		}
	}
	s.theft(4, 60, 9009, "scraper")
	s.c.millis += later
	s.theft(5, 1, 9009, "another")
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.c.millis + hourMillis)
	for _, d := range acted(e.Drain()) {
		if d.KeyID == "key_5" && d.Action > ActionFlag {
			t.Errorf("one call is enough to act: %+v", d)
		}
	}
	k := e.key("key_5")
	for i := range k.actors {
		if k.actors[i].fresh && k.actors[i].net == 9009 {
			return k.actors[i]
		}
	}
	t.Fatal("the client is not there")
	return actor{}
}

func TestWhoAbusedOneKeyIsNoPlainStrangerAtTheNext(t *testing.T) {
	soon, late := twice(t, mustEngine(t), hourMillis, false), twice(t, mustEngine(t), 6*86400e3, false)
	if soon.elsewhere < 0.9 || soon.elsewhere > elsewhereBonus || late.elsewhere > 0.15 || late.elsewhere <= 0 {
		t.Errorf("it counts %.2f after an hour and %.2f after six days", soon.elsewhere, late.elsewhere)
	}
}

func TestAnAddressThatOthersShareSaysNothing(t *testing.T) {
	if a := twice(t, mustEngine(t), hourMillis, true); a.elsewhere != 0 {
		t.Errorf("it counts %.2f", a.elsewhere)
	}
}

func TestTheKeysOfOneAccountAreNotHeldAgainstEachOther(t *testing.T) {
	e, err := New(Config{Attributes: func(string) KeyAttributes { return KeyAttributes{Account: "acme"} }})
	if err != nil {
		t.Fatal(err)
	}
	if a := twice(t, e, hourMillis, false); a.elsewhere != 0 {
		t.Errorf("it counts %.2f", a.elsewhere)
	}
}

// Who it is, is never what it does: a client that is known from elsewhere is not suspended for that.
func TestBeingKnownFromElsewhereSuspendsNobody(t *testing.T) {
	e := mustEngine(t)
	p := DefaultPolicies().For("key", nil)
	rapid.Check(t, func(t *rapid.T) {
		a := actor{fresh: true, netNew: true, n: 100, who: float32(rapid.Float64Range(0, 5).Draw(t, "who")) + elsewhereBonus, elsewhere: elsewhereBonus}
		f := finding{}
		f.by[FamilyNovelty] = float64(a.who)
		f.by[FamilyVolume] = rapid.Float64Range(0, leastWhat-0.1).Draw(t, "what")
		if wanted, _ := e.weigh(&keyState{}, &a, &f, p, 0); wanted == ActionSuspend {
			t.Fatalf("suspended with %v", f.by)
		}
	})
}

func TestSettledAddressesAreNotForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s settled
		first := rapid.Uint32().Draw(t, "first")
		n := uint32(rapid.IntRange(1, 30_000).Draw(t, "n"))
		for i := range n {
			s.add(first + i*7)
		}
		wrong := 0
		for i := range n {
			if !s.has(first + i*7) {
				t.Fatalf("address %d of %d is forgotten", i, n)
			}
			if s.has(first + i*7 + 3) {
				wrong++
			}
		}
		if wrong > 20+int(n)/15 {
			t.Errorf("%d of %d others are taken for settled", wrong, n)
		}
	})
}

// A partition's engine sees its own keys only: what one found of a thief, it tells the others.
func TestWhoAbusedAKeyOfOnePartitionIsNoPlainStrangerInAnother(t *testing.T) {
	first := mustEngine(t)
	s := newStory(21, 30)
	s.theft(4, 60, 9009, "scraper")
	b := s.batch(0, len(s.rows))
	first.Observe(b, 0, b.Len())
	first.Advance(s.c.millis + hourMillis)
	found := first.Blames()
	if len(found) == 0 || len(first.Blames()) != 0 {
		t.Fatalf("%d thieves are told of, and again", len(found))
	}
	for name, heed := range map[string]bool{"told": true, "not told": false} {
		s := newStory(21, 30)
		s.c.millis += 2 * hourMillis
		s.theft(5, 1, 9009, "another")
		b := s.batch(0, len(s.rows))
		second := mustEngine(t)
		second.Observe(b, 0, b.Len()-1)
		if heed {
			second.Heed(found)
		}
		second.Observe(b, b.Len()-1, b.Len())
		second.Advance(s.c.millis + hourMillis)
		k := second.key("key_5")
		i := slices.IndexFunc(k.actors, func(a actor) bool { return a.fresh && a.net == 9009 })
		if i < 0 {
			t.Fatalf("%s: the client is not there", name)
		}
		if s := k.actors[i].elsewhere; s > 0 != heed || s > elsewhereBonus {
			t.Errorf("%s: it counts %.2f", name, s)
		}
	}
}
