package detect

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

const testDay = int64(86400e3)

// story is the traffic of a few customers over two weeks, with something special at the end.
type story struct {
	c    *crowd
	rows []usage.Record
}

func newStory(seed uint64, keys int) *story {
	s := &story{c: newCrowd(keys, seed), rows: make([]usage.Record, 0, keys*10*24*2+1000)} // records are large: room for what a test adds, too
	start := s.c.millis
	for hour := range int64(10 * 24) {
		for i := range s.c.keys {
			for range 2 {
				s.c.millis = start + hour*hourMillis + s.c.rng.Int64N(hourMillis)
				s.rows = append(s.rows, s.c.record(&s.c.keys[i]))
			}
		}
	}
	s.c.millis = start + 10*testDay
	return s
}

// theft adds a stranger who walks through the users of a key, one a second.
func (s *story) theft(key int, n int, asn uint32, agent string) *story {
	for i := range n {
		r := usage.Record{
			TimeMillis: s.c.millis + int64(i)*1000, KeyID: s.c.keys[key].id, Source: "edge", Method: "GET", Route: "/v1/accounts/{id}",
			Path: fmt.Appendf(nil, "/v1/accounts/%d", 500000+2*i), Status: 200, ResponseBytes: 900, ASN: asn, Country: "RO", Agent: agent,
			ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
		}
		if i%5 == 4 {
			r.Status = 404
		}
		s.rows = append(s.rows, r)
	}
	return s
}

// sort puts the rows in the order of time; those of one millisecond stay as they were added. Records are large, so that their places are
// sorted, and each of them is moved once.
func (s *story) sort() {
	order := make([]int, len(s.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(min(1, max(-1, s.rows[a].TimeMillis-s.rows[b].TimeMillis))) })
	rows := make([]usage.Record, len(order), cap(s.rows))
	for i, from := range order {
		rows[i] = s.rows[from]
	}
	s.rows = rows
}

func (s *story) batch(from, to int) *usage.Batch {
	s.sort()
	b := &usage.Batch{}
	b.Grow(max(0, min(to, len(s.rows))-from))
	for i := from; i < min(to, len(s.rows)); i++ {
		b.Append(&s.rows[i])
	}
	return b
}

func (s *story) decisions(t testing.TB, cfg Config) []Decision {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	return e.Drain()
}

func acted(ds []Decision) (out []Decision) {
	for _, d := range ds {
		if d.Action >= ActionFlag && d.Phase <= PhaseEscalated {
			out = append(out, d)
		}
	}
	return out
}

func TestAThiefWhoWalksIdsIsSuspendedWithinSecondsAndNobodyElse(t *testing.T) {
	ds := acted(newStory(1, 30).theft(4, 60, 9009, "scraper").decisions(t, Config{}))
	if len(ds) != 1 {
		t.Fatalf("got %d decisions, want one: %+v", len(ds), ds)
	}
	d := ds[0]
	if d.KeyID != "key_4" || d.Action != ActionSuspend {
		t.Fatalf("got %s of %s, want suspend of key_4", d.Action, d.KeyID)
	}
	if d.Actor.ASN != 9009 || d.Actor.Agent != "scraper" || !d.Actor.Separable {
		t.Errorf("the actor is %+v", d.Actor)
	}
	if d.Actor.Requests > 25 {
		t.Errorf("it took %d requests, want at most 25", d.Actor.Requests)
	}
	families := map[Family]bool{}
	for _, ev := range d.Evidence {
		families[ev.Family] = true
		if ev.Sentence == "" || ev.PValue <= 0 || ev.PValue > 1 {
			t.Errorf("evidence without sentence or p-value: %+v", ev)
		}
		if ev.WindowSeconds < 1 || ev.WindowSeconds > 3600 {
			t.Errorf("%s is told of %d s, and the thief was there for minutes", ev.Detector, ev.WindowSeconds)
		}
	}
	if len(families) < 2 || !families[FamilyNovelty] || !families[FamilyEnumeration] {
		t.Errorf("families of evidence: %v, want novelty and enumeration among them", families)
	}
	if len(d.Examples) == 0 || d.Examples[0].ClientIP != "203.0.113.9" || d.TTLMillis != testDay {
		t.Errorf("examples %v, ttl %d", d.Examples, d.TTLMillis)
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
}

func TestUndisturbedTrafficIsLeftAlone(t *testing.T) {
	if ds := acted(newStory(2, 60).decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("got %d decisions about undisturbed traffic: %+v", len(ds), ds)
	}
}

func TestAMoveToAnotherNetworkWithTheSameObjectsIsNoTheft(t *testing.T) {
	s := newStory(3, 30)
	k := &s.c.keys[2]
	k.asn, k.cc, k.addrs = 64500, "SE", []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, 7})}
	start := s.c.millis
	for i := range 400 {
		s.c.millis = start + int64(i)*30e3
		s.rows = append(s.rows, s.c.record(k))
	}
	for _, d := range acted(s.decisions(t, Config{})) {
		if d.Action >= ActionThrottle {
			t.Errorf("a migration got %s: %s", d.Action, d.Reason)
		}
	}
}

func TestOrderWithinASecondDoesNotMatter(t *testing.T) {
	base := newStory(4, 12).theft(3, 40, 9009, "scraper")
	for i := range base.rows { // make seconds crowded
		r := &base.rows[i]
		if r.ASN == 9009 {
			r.TimeMillis = base.c.millis + (r.TimeMillis-base.c.millis)/8
		}
		r.TimeMillis -= r.TimeMillis % 250
	}
	want := base.decisions(t, Config{})
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		order := make([]int, len(base.rows))
		for i := range order {
			order[i] = i
		}
		for i := 0; i < len(order); {
			j := i
			for j < len(order) && base.rows[j].TimeMillis/1000 == base.rows[i].TimeMillis/1000 {
				j++
			}
			rng.Shuffle(j-i, func(a, b int) { order[i+a], order[i+b] = order[i+b], order[i+a] })
			i = j
		}
		e, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		var b usage.Batch
		b.Grow(len(order))
		for _, i := range order {
			b.Append(&base.rows[i])
		}
		e.Observe(&b, 0, b.Len())
		e.Advance(base.rows[len(base.rows)-1].TimeMillis + 2000)
		if d := cmp.Diff(acted(want), acted(e.Drain())); d != "" {
			t.Fatalf("(-in order +shuffled within seconds)\n%s", d)
		}
	})
}

func TestAnEngineWarmedWithHistoryDecidesAsOneThatSawIt(t *testing.T) {
	s := newStory(5, 12).theft(3, 60, 9009, "scraper")
	want := acted(s.decisions(t, Config{}))
	b := s.batch(0, len(s.rows))
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.IntRange(1, len(s.rows)-1).Draw(t, "cut")
		for cut < len(s.rows) && s.rows[cut].TimeMillis/1000 == s.rows[cut-1].TimeMillis/1000 {
			cut++ // a restart is between two seconds
		}
		e := freshEngine()
		e.WarmUp(b, 0, cut)
		if got := e.Drain(); len(got) != 0 {
			t.Fatalf("warming up gave out %d decisions", len(got))
		}
		e.Observe(b, cut, b.Len())
		e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
		var still []Decision
		for _, d := range want {
			if cut < len(s.rows) && d.TimeMillis >= s.rows[cut].TimeMillis {
				still = append(still, d)
			}
		}
		if d := cmp.Diff(still, acted(e.Drain())); d != "" {
			t.Fatalf("(-saw it all +restarted at %d)\n%s", cut, d)
		}
	})
}

// foundTheft is a story with a theft, an engine that has found it, what it decided, and the time after that.
func foundTheft(t *testing.T) (s *story, e *Engine, first Decision, now int64) {
	t.Helper()
	s, e = newStory(6, 20).theft(3, 40, 9009, "connector"), mustEngine(t)
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	now = s.rows[len(s.rows)-1].TimeMillis + 2000
	e.Advance(now)
	ds := acted(e.Drain())
	if len(ds) != 1 {
		t.Fatalf("got %d decisions", len(ds))
	}
	return s, e, ds[0], now
}

func TestADismissalMakesTheActorTheCustomers(t *testing.T) {
	s, e, first, now := foundTheft(t)
	if err := e.Feedback(Feedback{KeyID: first.KeyID, EpisodeID: "ep_other", Verdict: Dismissed, TimeMillis: now}); err == nil {
		t.Error("feedback about an unknown episode was taken")
	}
	if err := e.Feedback(Feedback{KeyID: first.KeyID, EpisodeID: first.EpisodeID, Verdict: Dismissed, TimeMillis: now}); err != nil {
		t.Fatal(err)
	}
	more := &story{c: s.c}
	more.c.millis = now + hourMillis
	more.theft(3, 40, 9009, "connector")
	b := more.batch(0, len(more.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(now + 3*hourMillis)
	if ds := acted(e.Drain()); len(ds) != 0 {
		t.Errorf("the dismissed actor was decided about again: %s", ds[0].Reason)
	}
}

// A verdict that is taken back leaves nothing behind: the key is learnt anew from its history, and what was done is done again.
func TestADismissalIsTakenBackWithTheKeysHistory(t *testing.T) {
	s, e, first, now := foundTheft(t)
	if err := e.Feedback(Feedback{KeyID: first.KeyID, EpisodeID: first.EpisodeID, Verdict: Dismissed, TimeMillis: now}); err != nil {
		t.Fatal(err)
	}
	if !e.Forget(first.KeyID) || e.Knows(first.KeyID) || e.Forget(first.KeyID) {
		t.Fatal("the key is not forgotten, once")
	}
	var past usage.Batch
	for i := range s.rows {
		if s.rows[i].KeyID == first.KeyID {
			past.Append(&s.rows[i])
		}
	}
	e.WarmUp(&past, 0, past.Len())
	e.Lifted(first.KeyID, now)
	more := &story{c: s.c}
	more.c.millis = now
	more.theft(3, 60, 9009, "connector")
	b := more.batch(0, len(more.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(now + hourMillis)
	ds := acted(e.Drain())
	if len(ds) != 1 || ds[0].Action != ActionSuspend || ds[0].EpisodeID != first.EpisodeID {
		t.Errorf("got %+v, want the suspension of the same episode", ds)
	}
}

// While a thief in the customer's own network and with its program is suspected, nothing is learnt from the thief's address; from the
// customer's own it is, or the key would be strange to the engine when the alert is over, and suspended again.
func TestAThiefInTheCustomersNetworkDoesNotStopLearningFromTheCustomer(t *testing.T) {
	s := newStory(1, 30)
	k := s.c.keys[4]
	s.theft(4, 60, k.asn, k.agent)
	e := mustEngine(t)
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	if ds := acted(e.Drain()); len(ds) == 0 || ds[len(ds)-1].Action != ActionSuspend {
		t.Fatalf("got %+v, want a suspension", ds)
	}
	n, _ := e.keys.find(e.keys.hash(k.id))
	state := e.keys.at(n)
	from := func(ip netip.Addr) *obs {
		addr, net := addressOf(ip.As16(), k.asn)
		return &obs{t: s.c.millis + 3600e3, key: n, net: net, addr: addr, agent: e.agents.byName[k.agent]}
	}
	if !state.suspicious(from(netip.AddrFrom4([4]byte{203, 0, 113, 9}))) {
		t.Error("the thief is learnt from")
	}
	if state.suspicious(from(k.addrs[0])) {
		t.Error("the customer is not learnt from")
	}
}

func TestPoliciesBoundWhatIsDone(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		action Action
		held   bool
	}{
		"observe":    {"version: 1\npolicies: [{id: p, mode: observe}]", ActionObserve, true},
		"quarantine": {"version: 1\npolicies: [{id: p, suspend: quarantine}]", ActionQuarantine, false},
		"protected":  {"version: 1\npolicies: [{id: p, protected: actions}]", ActionFlag, true},
		"family":     {"version: 1\npolicies: [{id: p, families: {enumeration: throttle}}]", ActionThrottle, true},
		"history":    {"version: 1\npolicies: [{id: p, minimum_history: {age: 90d}}]", ActionFlag, true},
		"maintained": {"version: 1\npolicies: [{id: p, maintenance: [{from: 2026-03-01T00:00:00Z, to: 2026-05-01T00:00:00Z, reason: test}]}]", ActionFlag, true},
		"scope":      {"version: 1\npolicies: [{id: p, scope: {plans: [free]}, suspend: flag}, {id: rest}]", ActionFlag, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParsePolicies([]byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			cfg := Config{Policies: p, Attributes: func(string) KeyAttributes { return KeyAttributes{Plan: "free"} }}
			for _, d := range newStory(7, 20).theft(3, 60, 9009, "scraper").decisions(t, cfg) {
				if d.KeyID == "key_3" && d.Wanted == ActionSuspend && d.Phase <= PhaseEscalated {
					if d.Action != c.action || (d.Held != "") != c.held {
						t.Errorf("got %s (held %q), want %s", d.Action, d.Held, c.action)
					}
					return
				}
			}
			t.Error("nothing was found")
		})
	}
}

func TestSuspensionsStayUnderTheCap(t *testing.T) {
	s := newStory(8, 30)
	for i := range 8 {
		s.theft(i, 40, 9009, "scraper")
	}
	p, err := ParsePolicies([]byte("version: 1\ncaps: {suspensions_per_hour: 2}\npolicies: [{id: all}]"))
	if err != nil {
		t.Fatal(err)
	}
	suspended, held := 0, 0
	for _, d := range s.decisions(t, Config{Policies: p}) {
		if d.Action == ActionSuspend {
			suspended++
		} else if d.Wanted == ActionSuspend && d.Held != "" {
			held++
		}
	}
	if suspended != 2 || held < 5 {
		t.Errorf("%d suspended, %d held; want 2 and the rest held", suspended, held)
	}
}

func freshEngine() *Engine {
	e, err := New(Config{})
	if err != nil {
		panic(err)
	}
	return e
}
