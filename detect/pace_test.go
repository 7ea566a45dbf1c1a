package detect

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The busiest hour of a key says the more, the longer the key was watched; and bytes say the more, the more calls they came by.
func TestPaceIsBelievedAsFarAsTheKeyIsKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &hours{seen: float32(rapid.Float64Range(0, 2000).Draw(t, "seen"))}
		x := rapid.Float64Range(0, 1e6).Draw(t, "times")
		s := h.pace(x)
		if s < 0 || s > maxPace {
			t.Fatalf("%v is out of bounds", s)
		}
		if more := h.pace(2 * x); more < s {
			t.Errorf("%v for twice as much, %v before", more, s)
		}
		if longer := (&hours{seen: h.seen + 100}).pace(x); longer < s {
			t.Errorf("%v for a key that was watched for longer, %v before", longer, s)
		}
		k := &keyState{hours: &hours{seen: h.seen, record: [meters]float32{1000, 1e5, 0}}}
		few, many := actor{fresh: true, used: [meters]float32{10, 1e7, 0}}, actor{fresh: true, used: [meters]float32{100, 1e7, 0}}
		a := k.outpace(&few).evidence
		if b := k.outpace(&many).evidence; b < a {
			t.Errorf("%v for bytes of a hundred calls, %v for those of ten", b, a)
		}
	})
	if s := (&hours{}).pace(1000); s != 0 {
		t.Errorf("a key that was never watched gives %v", s)
	}
}

// A client is measured by what the key had done when it came: its own doing must not become its excuse.
func TestAClientsOwnDoingIsNotItsYardstick(t *testing.T) {
	k := &keyState{hours: &hours{hour: 101, seen: 1000, record: [meters]float32{100, 1e5, 0}}}
	a := actor{fresh: true, mark: k.hours.record}
	a.take(&obs{t: 100 * hourMillis})
	a.used = [meters]float32{2000, 2e6, 0}
	first := k.outpace(&a).evidence
	k.hours.record = [meters]float32{400, 4e5, 0} // by itself
	if again := k.outpace(&a).evidence; first < 1.5 || again != first {
		t.Errorf("%.2f at first, %.2f after its hour was the key's busiest", first, again)
	}
	a.take(&obs{t: 101 * hourMillis})
	if next := k.outpace(&a).evidence; next != first {
		t.Errorf("%.2f in the next hour, %.2f before", next, first)
	}
	a.take(&obs{t: 103 * hourMillis})
	if later := k.outpace(&a).evidence; later != 0 {
		t.Errorf("%.2f two hours later", later)
	}
	a.used, a.last = [meters]float32{2000, 2e6, 0}, 25*hourMillis
	if old := k.outpace(&a).evidence; old >= first {
		t.Errorf("%.2f on its second day, %.2f on the first", old, first)
	}
}

// Ten times the calls are ten times the units: that is one fact, and counted once.
func TestCallsAndTheirUnitsAreOneFact(t *testing.T) {
	e := freshEngine()
	k := &keyState{hours: &hours{hour: 100, seen: 1000, record: [meters]float32{100, 1e5, 1e4}}}
	a := actor{fresh: true, hour: 100, used: [meters]float32{2000, 0, 2e5}, units: 2e5}
	f := e.find(k, &a)
	spend := e.spending(k, &a)
	if spend < 1 || f.by[FamilyMoney]+f.by[FamilyVolume] > spend+0.01 {
		t.Errorf("money %.2f and volume %.2f, of which spending is %.2f", f.by[FamilyMoney], f.by[FamilyVolume], spend)
	}
}

// A key of a few calls ever is flagged at first, as the policy asks; as soon as there is the history that it asks for, what was wanted is done.
func TestASuspensionThatWaitsForHistoryIsDoneWhenItIsThere(t *testing.T) {
	s := newStory(61, 30)
	start := s.c.millis - 10*testDay
	for i := range 10 { // a key that was tried once
		s.rows = append(s.rows, usage.Record{
			TimeMillis: start + int64(i)*60e3, KeyID: "key_idle", Source: "edge", Method: "GET", Route: "/v1/me", Path: []byte("/v1/me"), Status: 200,
			ResponseBytes: 300, ASN: 3320, Country: "DE", Agent: "curl", ClientIP: netip.AddrFrom4([4]byte{192, 0, 2, 1}),
		})
	}
	s.theft(4, 60, 9009, "scraper")
	for i := range s.rows {
		if s.rows[i].Agent == "scraper" {
			s.rows[i].KeyID = "key_idle"
		}
	}
	ds := acted(s.decisions(t, Config{}))
	ds = slices.DeleteFunc(ds, func(d Decision) bool { return d.Wanted == ActionFlag }) // of the first calls, before there is enough for more
	if len(ds) != 2 || ds[0].Action != ActionFlag || ds[0].Wanted != ActionSuspend || ds[0].Held == "" || ds[1].Action != ActionSuspend || ds[1].Phase != PhaseEscalated {
		t.Errorf("got %+v", ds)
	}
}

// Sixty calls in five minutes are nothing for an hour that had a hundred, and much for a key that never made more than ten at once. Where the record
// is not known yet the first minutes are it.
func TestCallsThatComeAllAtOnceAreMeasuredByFiveMinutes(t *testing.T) {
	k := &keyState{hours: &hours{seen: 1000, record: [meters]float32{100, 1e5, 0}, minutes: minutes{record: 10}}}
	a := actor{fresh: true, mark: k.hours.record, minutes: 10}
	for i := range int64(60) {
		a.take(&obs{t: 100*hourMillis + i*4000})
	}
	p := k.outpace(&a)
	if p.meter != meterMinutes || p.observed != 60 || p.record != 10 || p.evidence < 0.6 {
		t.Errorf("got %+v, want 60 calls in five minutes beside 10", p)
	}
	if ev := k.describePace(&a); ev.Detector != "pace_minutes" || ev.WindowSeconds != 300 || ev.Observed != 60 {
		t.Errorf("it is described as %+v", ev)
	}
	var m minutes
	for i := range int64(40) {
		m.add(i*1000, true)
	}
	m.add(2*minutesMillis, true)
	if m.record != 40 || m.cur != 1 {
		t.Errorf("the record is %v and the running five minutes have %v", m.record, m.cur)
	}
}
