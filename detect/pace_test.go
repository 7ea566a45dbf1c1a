package detect

import (
	"fmt"
	"math"
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

// What a client takes soon after it came is no growth, however late it is that the rest is known about it.
func TestPaceThatWasReachedSoonIsNoGrowth(t *testing.T) {
	at := func(first, hours float64) *actor {
		return &actor{first: int64(first), last: int64(first + hours*hourMillis)}
	}
	late := at(0, 8)
	if grown := late.grown(2); grown < 1.6 {
		t.Errorf("of 2 that it reached after eight hours only %.2f are growth", grown)
	}
	soon := at(0, 1)
	if grown := soon.grown(1.5); grown != 0 {
		t.Errorf("of 1.5 that it reached within the hour %.2f are growth", grown)
	}
	soon.last = 8 * hourMillis
	if grown := soon.grown(2); grown != 0.5 {
		t.Errorf("%.2f are growth, it had reached 1.5 of 2 within the hour", grown)
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

// A key that pays back three times a day and is made to pay back by the hundred makes no more calls than ever. What its own people do seldom and all at once,
// as they close their books, is their habit.
func TestSeldomCallsAreMeasuredByTheKeysOwn(t *testing.T) {
	for _, c := range []struct {
		record float32
		least  float64
		most   float64
	}{{3, 1, 2}, {150, 0, 0.2}, {0, 1, 2}} {
		k := &keyState{hours: &hours{seen: 1000, record: [meters]float32{500, 1e6, 0}, minutes: peak{record: 400}, seldom: peak{record: c.record}}}
		a := actor{fresh: true, mark: k.hours.record, minutes: 400, seldoms: c.record, seldom: [2]float32{160, 40}, used: [meters]float32{400, 1e5, 0}}
		p := k.outpace(&a)
		if p.evidence < c.least || p.evidence > c.most {
			t.Errorf("160 calls beside %v: %+v", c.record, p)
		}
		if c.least == 0 {
			continue
		}
		if ev := k.describePace(&a); ev.Detector != "pace_seldom" || ev.Observed != 160 || ev.Expected != float64(c.record) || ev.Sentence == "" {
			t.Errorf("it is described as %+v", ev)
		}
	}
}

// Objects that the key's own clients never asked for are seldom calls, each once; those that they use are not, nor is asking for one of them again.
func TestObjectsThatAreNewToTheKeyAreSeldomCalls(t *testing.T) {
	s := newStory(58, 30)
	k := &s.c.keys[4]
	k.routes = []int{0}
	s.c.millis += hourMillis
	for i := range 90 {
		r := s.c.record(k)
		r.TimeMillis, r.ASN, r.Country, r.Agent, r.ClientIP = s.c.millis+int64(i)*1000, 9009, "RO", "okhttp/5.1", netip.AddrFrom4([4]byte{203, 0, 113, 9})
		r.Method, r.Route = "GET", crowdRoutes[0].route
		r.Path = fmt.Appendf(nil, "/v1/items/%d", 5_000_000+7919*(i/2%30)) // thirty objects, each thrice
		s.rows = append(s.rows, r)
	}
	e, b := mustEngine(t), s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 1)
	state := e.key("key_4")
	for i := range state.actors {
		if a := &state.actors[i]; a.net == 9009 {
			if a.seldom[0] < 25 || a.seldom[0] > 32 {
				t.Errorf("%v of 90 calls for thirty objects are seldom", a.seldom[0])
			}
			return
		}
	}
	t.Error("the client is not there")
}

// What the key itself did of such things is learnt, by the hour, and a stranger's share of it is not.
func TestSeldomCallsOfAThiefAreNotTheKeysRecord(t *testing.T) {
	s := newStory(57, 30)
	k := &s.c.keys[4]
	call := func(at int64, route string) *usage.Record {
		r := s.c.record(k)
		r.TimeMillis, r.Method, r.Route, r.Path = at, "POST", route, []byte(route)
		s.rows = append(s.rows, r)
		return &s.rows[len(s.rows)-1]
	}
	for day := range int64(10) {
		for i := range int64(4) {
			call(s.c.millis-day*testDay-7*hourMillis+i*1000, "/v1/refunds")
		}
	}
	for i := range int64(200) {
		r := call(s.c.millis+i*15e3, "/v1/refunds")
		r.ASN, r.Country, r.Agent, r.ClientIP = 9009, "RO", "okhttp/5.1", netip.AddrFrom4([4]byte{203, 0, 113, 9})
	}
	e, b := mustEngine(t), s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2*hourMillis)
	for _, d := range acted(e.Drain()) {
		if d.KeyID != "key_4" {
			t.Errorf("%s of %s: %s", d.Action, d.KeyID, d.Reason)
		}
	}
	if got := e.key("key_4").hours.seldom.record; got > 8 {
		t.Errorf("the record of seldom calls is %v, of four an hour", got)
	}
}

// Sixty calls in five minutes are nothing for an hour that had a hundred, and much for a key that never made more than ten at once. Where the record
// is not known yet the first minutes are it.
func TestCallsThatComeAllAtOnceAreMeasuredByFiveMinutes(t *testing.T) {
	k := &keyState{hours: &hours{seen: 1000, record: [meters]float32{100, 1e5, 0}, minutes: peak{record: 10}}}
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
	var m peak
	for range 40 {
		m.add(0, true)
	}
	m.add(2, true)
	if m.record != 40 || m.cur != 1 {
		t.Errorf("the record is %v and the running five minutes have %v", m.record, m.cur)
	}
}

// What a client does all night on a route that the key hardly uses makes the route no more usual for it, however small the key is. What watches or polls does so as well, at its own
// pace, which a clock gives away.
func TestARouteStaysSeldomForWhoMakesItUsual(t *testing.T) {
	const calls = 400
	for _, c := range []struct {
		why   string
		every func(i int64) int64 // milliseconds until the next call
		told  bool
	}{
		{"a hurry", func(i int64) int64 { return 3000 + i*i*7919%14_000 }, true},
		{"a clock", func(int64) int64 { return 10_000 }, false},
	} {
		s := newStory(57, 30)
		at := s.c.millis
		for i := range int64(calls) {
			r := s.c.record(&s.c.keys[4])
			at += c.every(i)
			r.TimeMillis, r.ASN, r.Country, r.Agent, r.ClientIP = at, 9009, "RO", "okhttp/5.1", netip.AddrFrom4([4]byte{203, 0, 113, 9})
			r.Method, r.Route, r.Path = "POST", "/v1/refunds", []byte("/v1/refunds")
			s.rows = append(s.rows, r)
		}
		e, b := mustEngine(t), s.batch(0, len(s.rows))
		e.Observe(b, 0, b.Len())
		e.Advance(at + 1000)
		k := e.key("key_4")
		k.hours.record, k.hours.minutes.record = [meters]float32{1e4, 1e9, 1e9}, 1e3 // neither the hour nor five minutes are beyond it
		for i := range k.actors {
			a := &k.actors[i]
			if a.net != 9009 {
				continue
			}
			a.mark, a.minutes = k.hours.record, k.hours.minutes.record
			if n := a.seldom[0] + a.seldom[1]; n != calls {
				t.Errorf("%s: %v of %d calls are seldom", c.why, n, calls)
			}
			if p := k.outpace(a); (p.meter == meterSeldom && p.evidence > 1) != c.told {
				t.Errorf("%s: its pace is %+v, and the bet on a clock %.1f", c.why, p, a.cadence.score())
			}
		}
	}
}

// Units that come all at once are far above any pace before the hour shows it. What the key uses in its busiest five minutes is taken for the same share of its busiest hour
// as its calls are; a few calls, of which one may be large, say less.
func TestUnitsThatComeAllAtOnceAreMeasuredByFiveMinutes(t *testing.T) {
	e := freshEngine()
	spent := func(calls int, units float32) float64 {
		k := &keyState{hours: &hours{seen: 1000, record: [meters]float32{200, 1e6, 100_000}, minutes: peak{record: 50}}}
		a := actor{fresh: true, n: uint32(calls), mark: k.hours.record, minutes: 50, first: 100 * hourMillis}
		for i := range int64(calls) {
			a.last = 100*hourMillis + i*200e3/int64(calls)
			a.take(&obs{t: a.last, units: units / float32(calls)})
			a.units += units / float32(calls)
		}
		return e.spending(k, &a)
	}
	if s := spent(100, 20_000); s != 0 {
		t.Errorf("what the key itself may use in five minutes says %.2f", s)
	}
	hour, minutes := paceSlope*math.Log10(2), paceSlope*math.Log10(8) // twice the busiest hour, and eight times a quarter of it
	if s := spent(100, 200_000); s < hour+0.5 || s > minutes {
		t.Errorf("twice the busiest hour in three minutes says %.2f, want more than %.2f and at most %.2f", s, hour, minutes)
	}
	k := &keyState{hours: &hours{seen: 1000, record: [meters]float32{200, 1e6, 100_000}, minutes: peak{record: 50}}}
	a := actor{fresh: true, mark: k.hours.record, minutes: 50, units: 200_000, most: [2]float32{100}, units5: minutesUnits{most: [2]float32{200_000}}}
	if ev := e.describeMoney(k, &a); ev.Detector != "units_minutes" || ev.Observed != 200_000 || ev.Expected != 25_000 || ev.WindowSeconds != 300 {
		t.Errorf("it is described as %+v", ev)
	}
	if few, many := spent(3, 200_000), spent(100, 200_000); few > many-0.4 {
		t.Errorf("three calls say %.2f, a hundred %.2f", few, many)
	}
	var m minutesUnits
	m.add(5)
	m.add(3)
	if m.roll(true); m.most != [2]float32{0, 8} {
		t.Errorf("the hour before had %v", m.most)
	}
	if m.roll(false); m.most != [2]float32{} {
		t.Errorf("after a pause there are %v", m.most)
	}
}
