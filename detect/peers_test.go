package detect

import "testing"

// Authentication breaks, and every client of every key is refused for some minutes, one that is new to its key among them.
func TestAnOutageThatRefusesEverybodyAccusesNobody(t *testing.T) {
	s := newStory(61, 40)
	for i := range 60 {
		for k := range s.c.keys {
			r := s.c.record(&s.c.keys[k])
			r.TimeMillis, r.Status = s.c.millis+int64(i)*20e3+int64(k)*100, 401
			if k == 4 && i >= 10 && i%2 == 0 { // a new server of the customer's
				r.ASN, r.Country, r.ClientIP = 64500, "SE", s.c.keys[5].addrs[0]
			}
			s.rows = append(s.rows, r)
		}
	}
	for _, d := range acted(s.decisions(t, Config{})) {
		for _, ev := range d.Evidence {
			if ev.Family == FamilyErrors || d.Action > ActionFlag {
				t.Errorf("%s of %s: %s", d.Action, d.KeyID, d.Reason)
				break
			}
		}
	}
}

// One customer whose credentials expired is no outage.
func TestOneKeyThatIsRefusedIsNoOutage(t *testing.T) {
	s := newStory(62, 40)
	for i := range 120 {
		r := s.c.record(&s.c.keys[4])
		r.TimeMillis, r.Status = s.c.millis+int64(i)*10e3, 403
		r.ASN, r.Country, r.Agent = 9009, "RO", "probe"
		r.ClientIP = s.c.keys[5].addrs[0]
		s.rows = append(s.rows, r)
	}
	ds := acted(s.decisions(t, Config{}))
	if len(ds) == 0 || ds[0].KeyID != "key_4" {
		t.Fatalf("got %+v", ds)
	}
}
