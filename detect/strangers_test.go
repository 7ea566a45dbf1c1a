package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// guests adds n calls of key from ever new addresses, each so many times, in as many networks and countries, so many seconds apart.
func (s *story) guests(key, n, times, nets int, apart float64) *story {
	k := &s.c.keys[key]
	countries := []string{"BR", "IN", "ID", "VN", "TR", "MX", "EG", "PL", "TH", "PH", "ZA", "AR"}
	for i := range n {
		r := s.c.record(k)
		visitor := i / times
		r.TimeMillis = s.c.millis + int64(float64(i)*apart*1000)
		r.ASN, r.Country = uint32(30000+visitor%nets), countries[visitor%nets%len(countries)]
		r.ClientIP = netip.AddrFrom4([4]byte{100, byte(visitor % nets), byte(visitor >> 8), byte(visitor)})
		s.rows = append(s.rows, r)
	}
	return s
}

func TestAnAddressForEveryCallIsAProxyAndOneAlert(t *testing.T) {
	ds := newStory(51, 30).guests(4, 400, 1, 20, 1).decisions(t, Config{})
	suspended := 0
	for _, d := range acted(ds) {
		if d.KeyID != "key_4" {
			t.Errorf("%s of %s: %s", d.Action, d.KeyID, d.Reason)
		}
		if d.Action == ActionSuspend {
			suspended++
		}
	}
	if suspended != 1 {
		t.Errorf("suspended %d times, want once", suspended)
	}
	if n := len(acted(ds)); n > 4 {
		t.Errorf("%d decisions about one theft", n)
	}
}

// Passwords are tried with a public app's key from everywhere: that is one thing to look at, not one for each provider.
func TestAnAttackFromEverywhereIsAHandfulOfAlerts(t *testing.T) {
	s := newStory(53, 30)
	k := &s.c.keys[4]
	call := func(ago int64, net int, host byte) *usage.Record {
		r := s.c.record(k)
		r.TimeMillis -= ago
		r.ASN, r.ClientIP = uint32(30000+net), netip.AddrFrom4([4]byte{100, byte(net), byte(net >> 8), host})
		s.rows = append(s.rows, r)
		return &s.rows[len(s.rows)-1]
	}
	for visit := range 900 { // people come from ever more providers
		call(10*testDay-int64(visit)*testDay/90, s.c.rng.IntN(1+visit), byte(visit))
	}
	for i := range 6000 {
		r := call(-int64(i)*700, 1000+i%14, byte(i/300))
		r.Method, r.Route, r.Path, r.Status = "POST", "/v1/login", []byte("/v1/login"), 401
	}
	never, err := ParsePolicies([]byte("version: 1\npolicies: [{id: p, protected: actions}]"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := map[string]bool{}
	for _, d := range acted(s.decisions(t, Config{Policies: never})) {
		alerts[d.EpisodeID] = true
	}
	if n := len(alerts); n == 0 || n > clientsApart+3 {
		t.Errorf("%d alerts about one attack", n)
	}
}

func TestACrowdThatStaysForSomeCallsIsNotSuspended(t *testing.T) {
	for name, s := range map[string]*story{
		"people, four calls each":      newStory(52, 30).guests(4, 400, 4, 20, 1),
		"devices, one call each, rare": newStory(52, 30).guests(4, 300, 1, 20, 300),
	} {
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.Action > ActionFlag {
				t.Errorf("%s: %s: %s", name, d.Action, d.Reason)
			}
		}
	}
}

// Strangers from everywhere, ever new ones, whose calls fail: they try what they have stolen, do not know what they may do, or burn the allowance. A crowd with one
// program may be devices of the customer's, of which few fail, and the fault of a program is not everywhere's.
func TestACrowdThatFailsIsStopped(t *testing.T) {
	for _, c := range []struct {
		why     string
		status  uint16
		of      int // calls, one fails
		nets    int
		apart   float64 // seconds
		stopped bool
	}{
		{"a third of the cards is declined", 402, 3, 20, 1, true},
		{"half is told to wait", 429, 2, 20, 1, true},
		{"each fifth object is not theirs", 403, 5, 20, 30, true},
		{"devices, one in fifty fails", 404, 50, 20, 1, false},
		{"half is told to wait, and there is no hurry", 429, 2, 20, 300, false},
		{"a faulty program in few countries", 422, 3, 3, 1, false},
	} {
		s := newStory(52, 30).guests(4, 600, 4, c.nets, c.apart)
		for i := range 600 {
			if r := &s.rows[len(s.rows)-600+i]; i%c.of == 0 {
				r.Status = c.status
			}
		}
		stopped := false
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID != "key_4" || d.Action != ActionSuspend {
				continue
			}
			stopped = true
			if i := slices.IndexFunc(d.Evidence, func(ev Evidence) bool { return ev.Detector == "crowd_fails" }); i < 0 || d.Evidence[i].Observed <= d.Evidence[i].High {
				t.Errorf("%s: nothing is said of what fails: %+v", c.why, d.Evidence)
			}
		}
		if stopped != c.stopped {
			t.Errorf("%s: stopped %v", c.why, stopped)
		}
	}
}

// What a new client takes in an hour is compared with all that the key ever took in one: in bytes as well as in calls.
func TestANewClientThatTakesFarMoreThanTheKeyEverDid(t *testing.T) {
	s := newStory(53, 30)
	for i := range 60 {
		r := s.c.record(&s.c.keys[4])
		r.TimeMillis, r.ASN, r.Country, r.Agent = s.c.millis+int64(i)*20e3, 9009, "RO", "sync-tool"
		r.ClientIP, r.ResponseBytes = netip.AddrFrom4([4]byte{203, 0, 113, 9}), 4_000_000
		s.rows = append(s.rows, r)
	}
	for _, d := range acted(s.decisions(t, Config{})) {
		for _, ev := range d.Evidence {
			if d.KeyID == "key_4" && ev.Detector == "pace_bytes" && ev.Observed > 20*ev.Expected && ev.Sentence != "" {
				return
			}
		}
	}
	t.Error("nothing was said about its bytes")
}

func TestOneVisitHasNotShownHowLongAKeyPauses(t *testing.T) {
	const week = 7 * 86400
	at := int64(1_772_409_600_000) // a Monday
	for _, c := range []struct {
		days   float32
		gap    uint32
		awoke  int64
		weekly bool
		want   func(float64) bool
		why    string
	}{
		{1, week, at, false, func(s float64) bool { return s == 0 }, "one visit"},
		{8, week, at, true, func(s float64) bool { return s > 1 }, "a week after eight days of use"},
		{8, 62 * 3600, at + 8*hourMillis, false, func(s float64) bool { return s < 0.1 }, "Friday evening to Monday morning, of a key of working days"},
		{8, 62 * 3600, at + 8*hourMillis, true, func(s float64) bool { return s > 0.5 }, "the same of one that works at weekends"},
	} {
		e := freshEngine()
		k := &keyState{days: c.days, gapSec: c.gap, awoke: c.awoke, maxGapSec: 14 * 3600, hours: &hours{}}
		k.hours.habits(e.mem).mean = [2]float32{100, 0}
		if c.weekly {
			k.hours.habits(e.mem).mean[1] = 100
		}
		if got := e.dormancy(k); !c.want(got) {
			t.Errorf("%s: evidence %.2f", c.why, got)
		}
	}
}

func TestAYoungKeyThatIsRefusedEverywhereIsFlagged(t *testing.T) {
	s := newStory(54, 30)
	for i := range 200 {
		s.rows = append(s.rows, usage.Record{
			TimeMillis: s.c.millis + int64(i)*5000, KeyID: "key_new", Source: "edge", Method: "GET", Route: fmt.Sprintf("/admin/%d", i%40), Status: 403,
			Path: fmt.Appendf(nil, "/admin/%d", i%40), ASN: 9009, Country: "RO", Agent: "probe", ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
		})
	}
	ds := acted(s.decisions(t, Config{}))
	if len(ds) != 1 || ds[0].KeyID != "key_new" || ds[0].Action != ActionFlag || ds[0].Evidence[0].Family != FamilyErrors {
		t.Errorf("got %+v", ds)
	}
}

// probe adds n calls of a stranger for what the key has no business with, five seconds apart, all of them refused.
func (s *story) probe(key string, n int) *story {
	for i := range n {
		s.rows = append(s.rows, usage.Record{
			TimeMillis: s.c.millis + int64(i)*5000, KeyID: key, Source: "edge", Method: "GET", Route: fmt.Sprintf("/admin/%d", i), Status: 403,
			Path: fmt.Appendf(nil, "/admin/%d", i), ASN: 9009, Country: "RO", Agent: "probe", ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
		})
	}
	return s
}

// Evidence is worth what it is worth, however few calls it takes. One call may be a slip.
func TestTwoCallsMaySuspendAndOneDoesNot(t *testing.T) {
	if ds := acted(newStory(55, 30).probe("key_4", 1).decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("one call: got %+v", ds)
	}
	ds := acted(newStory(55, 30).probe("key_4", 5).decisions(t, Config{}))
	if len(ds) != 1 || ds[0].Action != ActionSuspend || ds[0].Actor.Requests != 2 {
		t.Errorf("five calls: got %+v, want a suspension at the second", ds)
	}
}

func TestAYoungKeyIsSuspendedForTenTimesTheOddsAndFlaggedForLess(t *testing.T) {
	for _, c := range []struct {
		young    bool
		required float64
		want     Action
	}{{false, 7.5, ActionSuspend}, {true, 7.5, ActionFlag}, {true, 6.5, ActionSuspend}} {
		s := newStory(55, 30)
		if c.young {
			born := s.c.millis - 3*testDay
			s.rows = slices.DeleteFunc(s.rows, func(r usage.Record) bool { return r.KeyID == "key_4" && r.TimeMillis < born })
		}
		p := DefaultPolicies()
		p.List[0].Required.Suspend = c.required
		ds := acted(s.probe("key_4", 2).decisions(t, Config{Policies: p})) // a score of 8.1 or 8.2
		if len(ds) != 1 || ds[0].KeyID != "key_4" || ds[0].Wanted != c.want {
			t.Errorf("young %t, %.1f required: got %+v, want %s", c.young, c.required, ds, c.want)
		}
	}
}

func TestAKeyOfItsFirstTwoDaysIsNotStopped(t *testing.T) {
	s := newStory(55, 30)
	born := s.c.millis - testDay
	s.rows = slices.DeleteFunc(s.rows, func(r usage.Record) bool { return r.KeyID == "key_4" && r.TimeMillis < born })
	for _, d := range acted(s.theft(4, 200, 9009, "scraper").decisions(t, Config{})) {
		if d.Wanted > ActionFlag {
			t.Errorf("%s of %s: %s", d.Wanted, d.KeyID, d.Reason)
		}
	}
}

func TestARunningCrowdIsNotForgottenForAFlag(t *testing.T) {
	k := &keyState{}
	k.open(episode{kind: episodePool, wanted: ActionFlag, last: 1})
	k.open(episode{kind: episodeActor, wanted: ActionSuspend, last: 2, net: 1})
	for i := range uint32(20) {
		k.open(episode{kind: episodeActor, wanted: ActionFlag, last: int64(10 + i), net: 100 + i})
	}
	if k.episodeOf(episodePool, 0, 0, 40) == nil || k.episodeOf(episodeActor, 1, 0, 40) == nil {
		t.Error("the crowd or the suspension was forgotten")
	}
	if k.episodeOf(episodeActor, 119, 0, 40) == nil || k.episodeOf(episodeActor, 100, 0, 40) != nil {
		t.Error("not the oldest flag made room")
	}
}

func TestSilencesThatEndedWellMakeTheNextOneSayLess(t *testing.T) {
	e := freshEngine()
	k := &keyState{days: 8, gapSec: 10 * 86400, awoke: 20_020 * testDay, maxGapSec: 14 * 3600}
	before := e.dormancy(k)
	for range 200 {
		e.all.breaks.add(1.2, breaksMemory) // three times as long as the longest before
	}
	after := e.dormancy(k)
	if after >= before || after < before*leastBreaks/usualBreaks-1e-9 {
		t.Errorf("where keys rest ever longer, awakening says %.2f, elsewhere %.2f", after, before)
	}
	for range 1000 {
		e.all.breaks.add(0.01, breaksMemory)
	}
	if s := e.dormancy(k); s != before {
		t.Errorf("where silences are alike awakening says %.2f, and never more than before: %.2f", s, before)
	}
}

// Whoever tries out a key that lay about makes a call or two, and there is no traffic of the customer's to mistake them for.
func TestTwoCallsByAStrangerOnASleepingKeyAreTold(t *testing.T) {
	told := func(asleep bool) bool {
		s := newStory(58, 30)
		s.rows = slices.DeleteFunc(s.rows, func(r usage.Record) bool {
			return asleep && r.KeyID == "key_4" && r.TimeMillis > s.c.millis-6*testDay
		})
		for i := range int64(3) {
			r := s.c.record(&s.c.keys[4])
			r.TimeMillis, r.ASN, r.Country, r.Agent, r.ClientIP = s.c.millis+i*9e3, 9009, "RO", "curl/8.7.1", netip.AddrFrom4([4]byte{203, 0, 113, 9})
			s.rows = append(s.rows, r)
		}
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID == "key_4" {
				if d.Action != ActionFlag {
					t.Errorf("%s: %s", d.Action, d.Reason)
				}
				return true
			}
		}
		return false
	}
	if !told(true) {
		t.Error("nothing is said about a stranger on a key that slept for six days")
	}
	if told(false) {
		t.Error("three calls on a key that is in use are told")
	}
}

// Devices of the customer's report from their owners' lines, each now and then, all with one program. What one of them does all of them do, so that one is stopped
// only for more than anybody else; where they call more than the key ever did they are a fleet no longer.
func TestOneOfAFleetIsStoppedForMore(t *testing.T) {
	e := freshEngine()
	p := e.policies.For("key", nil)
	f := finding{}
	f.by[FamilyNovelty], f.by[FamilyErrors] = 2.8, 2.5
	wants := func(calls uint32, programs uint8, since int64) Action {
		k := &keyState{hours: &hours{record: [meters]float32{100}}}
		k.write().pool = &pool{start: 10*hourMillis - since, last: 10 * hourMillis, n: calls, company: company{nNets: 9, nAgents: programs}}
		wanted, _ := e.weigh(k, &actor{fresh: true, netNew: true, n: 30}, &f, p, 10*hourMillis)
		return wanted
	}
	require.Equal(t, ActionFlag, wants(300, 1, 6*hourMillis), "fifty calls an hour by one program")
	require.Equal(t, ActionSuspend, wants(900, 1, 6*hourMillis), "more than the key ever made")
	require.Equal(t, ActionSuspend, wants(300, 2, 6*hourMillis), "two programs")
	require.Equal(t, ActionSuspend, wants(60, 1, hourMillis/2), "within half an hour")
}

// A crowd is counted by the day. The fleet of yesterday is not unknown on the next morning.
func TestAFleetIsOneOnTheNextDayAsWell(t *testing.T) {
	e, k := freshEngine(), &keyState{hours: &hours{record: [meters]float32{100}}}
	a := &actor{fresh: true, netNew: true}
	calls := func(from, to int64, every int64, agent uint32) {
		for at := from; at < to; at += every {
			e.gather(k, a, &obs{t: at, net: uint32(at / every % 9), agent: agent, addr: uint32(at / every), id: -1}, &reading{})
		}
	}
	calls(hourMillis, 26*hourMillis, 600e3, 1)
	if p := k.file.pool; p.start < 25*hourMillis || !k.fleet(a, p.last) {
		t.Errorf("a fleet for a day is none afterwards: %+v", p)
	}
	if calls(26*hourMillis, 26*hourMillis+1, 600e3, 2); k.fleet(a, 26*hourMillis) {
		t.Error("another program is of the fleet")
	}
	k.write().pool = nil
	if calls(hourMillis, 26*hourMillis, 10e3, 1); k.fleet(a, k.file.pool.last) {
		t.Error("who calls more than the key ever did is a fleet")
	}
}

// A key that goes round a course is used from some more homes every evening, with whatever program. No evening by itself is an alert, and after some of them the key
// is one that often shows something new. Devices of the customer's that appear day by day come with one program: those are told later, if at all.
func TestAKeyThatIsPassedAroundOverDaysIsTold(t *testing.T) {
	told := func(programs int) []Decision {
		s := newStory(61, 20)
		for day, homes := range []int{1, 2, 3, 5, 8} {
			evening := s.c.millis + int64(day)*testDay + 19*hourMillis
			for home := range homes {
				n := 10*day + home
				for i := range 6 {
					s.rows = append(s.rows, usage.Record{
						TimeMillis: evening + int64(home)*hourMillis + int64(i)*300e3, KeyID: "key_3", Source: "edge", Method: "GET", Route: "/v1/search", Path: []byte("/v1/search"), Status: 200, ResponseBytes: 900,
						ASN: uint32(40000 + n), Country: []string{"BR", "IN", "PL"}[n%3], Agent: fmt.Sprintf("program-%d/1.0", n%programs), ClientIP: netip.AddrFrom4([4]byte{100, 1, byte(n), 7}),
					})
				}
			}
		}
		return slices.DeleteFunc(acted(s.decisions(t, Config{})), func(d Decision) bool { return d.KeyID != "key_3" })
	}
	ds := told(5)
	require.Len(t, ds, 1)
	require.Equal(t, ActionFlag, ds[0].Action)
	require.Contains(t, ds[0].Reason, "networks where it had never been used, with")
	for _, d := range told(1) {
		require.Greater(t, d.TimeMillis, ds[0].TimeMillis+testDay/2, "one program")
	}
}

// One seat is sold to many, who all use it for what it is there for, with the vendor's own program, some visits a day. The objects that they ask for are those that everybody asks for there. A customer that is at
// home in one place does not come to be at home in six countries within days; its staff on as many lines at home is none of that, nor is a tour of two countries.
func TestASeatThatIsSharedByPeopleInManyCountriesIsTold(t *testing.T) {
	for _, c := range []struct {
		why       string
		countries []string
		program   string // another than the customer's
		want      Action
	}{
		{"seven people in as many countries", []string{"BR", "IN", "PL", "TR", "MX", "ID", "ZA"}, "", ActionFlag},
		{"seven people in three countries", []string{"BR", "IN", "PL"}, "", ActionObserve},
		{"seven people at home", nil, "", ActionObserve},
		{"a service that checks from seven countries whether all is well", []string{"BR", "IN", "PL", "TR", "MX", "ID", "ZA"}, "uptime/3.0", ActionObserve},
	} {
		s := newStory(62, 20)
		k := &s.c.keys[3]
		for visit := range 7 * 3 * 3 { // each thrice a day, on three days
			person := visit % 7
			for i := range 4 {
				r := s.c.record(k)
				r.TimeMillis = s.c.millis + int64(visit)*67*60e3 + int64(i)*25e3
				r.ASN, r.ClientIP = uint32(40000+person), netip.AddrFrom4([4]byte{100, 1, byte(person), 7})
				if c.countries != nil {
					r.Country = c.countries[person%len(c.countries)]
				}
				if c.program != "" {
					r.Agent = c.program
				}
				s.rows = append(s.rows, r)
			}
		}
		got, said := ActionObserve, false
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.KeyID == "key_3" && d.Actor.Network != "" && d.Actor.ASN == 0 {
				got = max(got, d.Action)
				said = slices.ContainsFunc(d.Evidence, func(ev Evidence) bool { return ev.Detector == "crowd_abroad" && ev.Observed > ev.High })
			}
		}
		if got != c.want || said != (c.want == ActionFlag) {
			t.Errorf("%s: got %v, want %v; countries are told of: %v", c.why, got, c.want, said)
		}
	}
}
