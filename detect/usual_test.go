package detect

import (
	"testing"
)

// Who has to judge an alert sees what the key's own use looks like beside it, and nothing of the thief's in it.
func TestADecisionSaysWhatIsUsualForItsKey(t *testing.T) {
	s := newStory(1, 30)
	own := s.c.keys[4]
	for _, d := range s.theft(4, 60, 9009, "scraper").decisions(t, Config{}) {
		if d.KeyID != own.id || d.Action != ActionSuspend || d.Phase > PhaseContinued {
			continue
		}
		u := d.Usual
		if u == nil || u.Hour == nil {
			t.Fatalf("%v: nothing is said of what is usual: %+v", d.Phase, u)
		}
		if len(u.Networks.Most) != 1 || u.Networks.Most[0].ASN != own.asn || u.Networks.All != 1 {
			t.Errorf("networks %+v, want AS%d", u.Networks, own.asn)
		}
		if len(u.Agents.Most) != 1 || u.Agents.Most[0].Name != own.agent || len(u.Countries.Most) != 1 || u.Countries.Most[0].Name != own.cc {
			t.Errorf("agents %+v, countries %+v, want %s and %s", u.Agents, u.Countries, own.agent, own.cc)
		}
		if u.Addresses == 0 || u.Addresses > len(own.addrs) {
			t.Errorf("%d addresses, want some of %d", u.Addresses, len(own.addrs))
		}
		if u.Routes.All == 0 || u.Routes.All > len(own.routes) {
			t.Errorf("routes %+v, want some of %d", u.Routes, len(own.routes))
		}
		if h := u.Hour; h.Low > 2 || h.High < 2 || h.High > 20 {
			t.Errorf("%+v requests are expected in the hour, where there were two in each", *h)
		}
		return
	}
	t.Fatal("the thief was not suspended")
}

func TestOfManyThingsTheMostUsedAreNamed(t *testing.T) {
	var set known
	for i := range 9 {
		e := newEntry(uint32(i+1), 1)
		for range i {
			e.add(2)
		}
		if i != 8 { // the busiest is not established: it may be the thief
			e.establish()
		}
		set = append(set, e)
	}
	got := uses(set, func(id uint32) Use { return Use{Name: string(rune('a' + id))} })
	if got.All != 8 || len(got.Most) != usualMost || got.Most[0].Name != "i" || got.Most[0].Calls != 8 || got.Most[4].Calls != 4 {
		t.Errorf("%+v", got)
	}
}
