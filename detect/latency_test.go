package detect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// paced is a story in which calls take 40 milliseconds, give or take, and after ten days what the function says.
func pacedStory(keys int, later func(r *usage.Record, rng *rand.Rand) float64) *story {
	s := newStory(11, keys)
	begin := s.c.millis
	rng := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		for i := range s.c.keys {
			s.c.millis += 700
			s.rows = append(s.rows, s.c.record(&s.c.keys[i]))
		}
	}
	for i := range s.rows {
		r := &s.rows[i]
		x := math.Exp(0.5 * rng.NormFloat64())
		if r.TimeMillis >= begin {
			x *= later(r, rng)
		}
		r.LatencyMicros = int64(40e3 * x)
	}
	return s
}

func of(family Family, ds []Decision) (out []Decision) {
	for _, d := range ds {
		for _, ev := range d.Evidence {
			if ev.Family == family {
				out = append(out, d)
				break
			}
		}
	}
	return out
}

// A key whose calls take thirty times as long as they did, where others' don't, is told, with what was to be expected; it goes on.
func TestAKeyThatIsSlowAloneIsFlagged(t *testing.T) {
	ds := acted(pacedStory(30, func(r *usage.Record, _ *rand.Rand) float64 {
		if r.KeyID == "key_4" {
			return 30
		}
		return 1
	}).decisions(t, Config{}))
	if len(ds) != 1 || ds[0].KeyID != "key_4" || ds[0].Action != ActionFlag {
		t.Fatalf("got %+v, want a flag of key_4 and nothing else", ds)
	}
	ev := ds[0].Evidence[0]
	if ev.Family != FamilyLatency || ev.Observed <= ev.High || ev.Expected < ev.Low || ev.Expected > ev.High || ev.PValue > 1e-4 {
		t.Errorf("the evidence is %+v", ev)
	}
}

func TestWhatOthersWaitForAsWellIsNoEvidence(t *testing.T) {
	s := pacedStory(30, func(*usage.Record, *rand.Rand) float64 { return 30 })
	if ds := of(FamilyLatency, s.decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("the platform was slow, and %d decisions tell of it: %+v", len(ds), ds[0])
	}
}

// When a backend is down half of the calls hang and the others fail at once: those are no sign that others need not wait.
func TestInAnOutageWhoFailsAtOnceWaitsAsWell(t *testing.T) {
	s := pacedStory(30, func(*usage.Record, *rand.Rand) float64 { return 1 })
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		for i := range s.c.keys {
			s.c.millis += 700
			r := s.c.record(&s.c.keys[i])
			r.Status, r.LatencyMicros = 503, 2e3
			if rng.IntN(2) == 0 {
				r.Status, r.LatencyMicros = 504, 25e6
			}
			s.rows = append(s.rows, r)
		}
	}
	if ds := of(FamilyLatency, s.decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("the platform was down, and %d decisions tell of it: %+v", len(ds), ds[0])
	}
}

func TestALogWithoutDurationsHasNoEvidenceOfThem(t *testing.T) {
	s := pacedStory(30, func(r *usage.Record, _ *rand.Rand) float64 { return 30 })
	for i := range s.rows {
		if s.rows[i].KeyID == "key_4" {
			s.rows[i].LatencyMicros = 0
		}
	}
	if ds := of(FamilyLatency, s.decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("%d decisions: %+v", len(ds), ds[0])
	}
}

// A stranger that makes every other call sleep is suspended for what else it does; that is among the reasons, and alone no more than a flag.
func TestSlowCallsJoinWhatElseIsSaidAboutAStranger(t *testing.T) {
	sleepy := func(walks bool) []Decision {
		s := pacedStory(30, func(*usage.Record, *rand.Rand) float64 { return 1 })
		at := len(s.rows)
		s.theft(4, 60, 9009, "scraper")
		for i := at; i < len(s.rows); i++ {
			r := &s.rows[i]
			r.LatencyMicros = 40e3
			if (i-at)%2 == 0 {
				r.LatencyMicros = 5e6
			}
			if walks {
				r.Route = "/v1/users/{id}"
				r.Path = fmt.Appendf(nil, "/v1/users/%d", 7000+i)
			} else { // no faster than the key ever was
				r.TimeMillis = s.c.millis + int64(i-at)*120e3
				r.Route, r.Path, r.Status = "/v1/search", []byte("/v1/search"), 200
			}
		}
		return acted(s.decisions(t, Config{}))
	}
	ds := sleepy(true)
	if len(ds) != 1 || ds[0].Action != ActionSuspend {
		t.Fatalf("got %+v, want one suspension", ds)
	}
	if of(FamilyLatency, ds) == nil {
		t.Errorf("its slow calls are not among the reasons: %+v", ds[0].Evidence)
	}
	for _, d := range sleepy(false) {
		if d.KeyID != "key_4" || d.Action > ActionFlag {
			t.Errorf("got %+v, want a flag at most", d)
		}
	}
	if of(FamilyLatency, sleepy(false)) == nil {
		t.Error("a stranger whose calls sleep is not told of")
	}
}

func TestLatencyBetsAreValidUnderTheirNull(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	h := e.expectedSlow(k)
	usual := distuv.Beta{Alpha: h.a, Beta: h.b}
	rates(t, 4000, "calls that take long", func(rng *rand.Rand) float64 {
		usual.Src = rng
		rate, client, worst := usual.Rand(), rng.NormFloat64()*math.Sqrt(clientSpread), 0.0
		a := &actor{}
		for range 100 {
			if a.took.add(client+0.9*rng.NormFloat64(), 0.81) {
				a.slow /= 2
			}
			if rng.Float64() < rate {
				a.slow++
			}
			worst = max(worst, e.latencyEvidence(k, a))
		}
		return worst
	})
}

func TestSlowerIsMoreEvidence(t *testing.T) {
	e, k := freshEngine(), &keyState{}
	rapid.Check(t, func(t *rapid.T) {
		n := float32(rapid.IntRange(2, 200).Draw(t, "n"))
		x := float32(rapid.Float64Range(0, 3).Draw(t, "later"))
		slow := float32(rapid.IntRange(0, int(n)-1).Draw(t, "slow"))
		a := actor{took: excess{n, n * x, n * 0.5}, slow: slow}
		b := actor{took: excess{n, n * (x + 0.2), n * 0.5}, slow: slow + 1}
		if s, more := e.latencyEvidence(k, &a), e.latencyEvidence(k, &b); more < s-1e-6 {
			t.Fatalf("%v, and %v when it is slower", s, more)
		}
	})
}

// One freak value in a thousand, or a key that is slow for a day, does not move what is usual.
func TestUsualDurationsAreRobust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		centre, spread := rapid.Float64Range(5, 12).Draw(t, "centre"), rapid.Float64Range(0.1, 1).Draw(t, "spread")
		var r ratio
		for i := range 3000 {
			x := centre + spread*rng.NormFloat64()
			if i%20 == 19 {
				x += 8
			}
			r.huber(float32(x), 1, slowMemory)
		}
		if d := math.Abs(float64(r.mean) - centre); d > 0.3 {
			t.Errorf("the mean is %.2f off with one freak value in twenty, want at most 0.3", d)
		}
	})
}

// The median of others' lateness does not ask who speaks most, nor in which order.
func TestLatenessIsThatOfOtherKeys(t *testing.T) {
	var l lateness
	for range 100 {
		l.note(1, 1000e3, 4)
	}
	if _, n := l.others(1, 1000e3); n != 0 {
		t.Fatalf("%d others, want none", n)
	}
	if later, n := l.others(2, 1000e3); n != 1 || later != 0 {
		t.Fatalf("%v of %d, want nothing of 1", later, n)
	}
	for key := range uint32(40) { // the earlier ones are not late
		l.note(key, 1001e3+int64(key)*1000, float64(key/30))
	}
	if later, n := l.others(999, 1041e3); n < latePeers || later != 1 {
		t.Fatalf("%v of %d, want that of the latest", later, n)
	}
	if _, n := l.others(2, 1041e3+lateMillis); n != 0 {
		t.Error("what is long ago is no news")
	}
}

// A route that only one key uses now and then may be slow for everybody: without company an established client is not judged.
func TestAnEstablishedClientWithoutCompanyIsNotJudgedByItsWaiting(t *testing.T) {
	s := pacedStory(30, func(r *usage.Record, _ *rand.Rand) float64 {
		if r.KeyID == "key_4" {
			return 30
		}
		return 1
	})
	for i := range s.rows {
		if s.rows[i].KeyID == "key_4" {
			s.rows[i].Route, s.rows[i].Path = "/v1/own", []byte("/v1/own")
		}
	}
	if ds := of(FamilyLatency, s.decisions(t, Config{})); len(ds) != 0 {
		t.Errorf("%d decisions: %+v", len(ds), ds[0])
	}
}
