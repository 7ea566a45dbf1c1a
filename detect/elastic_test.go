package detect

import (
	"math"
	"net/netip"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// elastic makes a key's calls come from machines that live for an hour or two, in the customer's own cloud, from that day of the story on.
func (s *story) elastic(key int, from int64) *story {
	k := &s.c.keys[key]
	begin := s.c.millis - 10*testDay + from*testDay
	for i := range s.rows {
		if r := &s.rows[i]; r.KeyID == k.id && r.TimeMillis >= begin {
			machine := r.TimeMillis / (2 * hourMillis)
			r.ClientIP = netip.AddrFrom4([4]byte{192, 0, byte(machine >> 8), byte(machine)})
		}
	}
	return s
}

// machine adds calls of the customer's own program from one more address in its own cloud, some seconds apart.
func (s *story) machine(key, n int, apart int64, as func(i int, r *usage.Record)) *story {
	for i := range n {
		r := s.c.record(&s.c.keys[key])
		r.TimeMillis, r.Status, r.ClientIP = s.c.millis+int64(i)*apart*1000, 200, netip.AddrFrom4([4]byte{192, 0, 2, 77})
		as(i, &r)
		s.rows = append(s.rows, r)
	}
	return s
}

// engine is one that saw the story.
func (s *story) engine(t *testing.T) (*Engine, []Decision) {
	t.Helper()
	e := mustEngine(t)
	b := s.batch(0, len(s.rows))
	e.Observe(b, 0, b.Len())
	e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
	return e, e.Drain()
}

// Machines that live for an hour show up at new addresses every day, and all of them are one client. How odd its first address was, on a day when the key had shown nothing yet, is
// not how odd the hundredth is. What comes on one day says nothing of itself, however many there are: a thief may bring as many as it likes.
func TestMachinesThatComeAndGoAreNoStrangersByTheSecondDay(t *testing.T) {
	settled := func(s *story) (most float32) {
		e, _ := s.engine(t)
		k := e.key("key_4")
		for i := range k.actors {
			most = max(most, k.actors[i].settled)
		}
		return most
	}
	if got := settled(newStory(91, 30).elastic(4, 3)); got < 0.5 {
		t.Errorf("a week of new machines takes back %.2f of how new the first was, want at least 0.5", got)
	}
	if got := settled(newStory(91, 30)); got != 0 {
		t.Errorf("machines that stay take back %.2f", got)
	}
	crowd := newStory(91, 30).machine(4, 60, 60, func(i int, r *usage.Record) { r.ClientIP = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) })
	if got := settled(crowd); got != 0 {
		t.Errorf("sixty addresses of one day take back %.2f", got)
	}
}

// What speaks for the machines that come and go must not hide who comes among them: a suspension pays for it within bounds.
func TestASuspensionPaysForMachinesThatComeAndGoWithinBounds(t *testing.T) {
	for _, c := range []struct {
		why     string
		settled float32
		want    float64
	}{
		{"new addresses are seldom here", 0, atHome},
		{"some come every week", 0.25, atHome + 0.25},
		{"they are daily bread", 2, atHome + maxSettled},
	} {
		if got := (&actor{settled: c.settled}).dues(); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%s: %.2f more evidence, want %.2f", c.why, got, c.want)
		}
	}
}

// A thief on a rented machine of the same provider, with the customer's program, is one more machine of the many. What it is refused must not drown in what those before it did.
func TestAThiefAmongMachinesThatComeAndGoIsSeenByItsOwnCalls(t *testing.T) {
	s := newStory(92, 30).elastic(4, 3)
	s.machine(4, 120, 5, func(i int, r *usage.Record) {
		if i%5 != 0 {
			r.Status = 403
		}
	})
	_, ds := s.engine(t)
	for _, d := range acted(ds) {
		if d.KeyID != "key_4" {
			t.Errorf("%s of %s: %s", d.Action, d.KeyID, d.Reason)
		} else if d.Action == ActionSuspend {
			if took := (d.TimeMillis - s.c.millis) / 5000; took > 60 {
				t.Errorf("it took %d of its calls, want at most 60", took)
			}
			return
		}
	}
	t.Error("nobody stopped it")
}

func TestWhatAClientDidLatelyCountsAsSoManyCalls(t *testing.T) {
	a := actor{winN: 200, idN: 100, objects: 40}
	a.errK[errDenied] = 20
	a.thin(50)
	if a.winN != 50 || a.errK[errDenied] != 5 || a.idN != 25 || a.objects != 10 {
		t.Errorf("of 200 calls, a tenth refused, as 50: %v calls, %v refused, %v ids, %v objects", a.winN, a.errK[errDenied], a.idN, a.objects)
	}
	before := a
	if a.thin(50); a != before {
		t.Error("fewer calls were thinned")
	}
}

// A test rig, on a fresh machine of the customer's own cloud, drives the API overnight and makes up a tenth of what it asks for. Nobody told us, so it is told; it is not stopped. From
// anywhere else the same is a theft.
func TestALoadTestFromTheCustomersOwnCloudIsToldAndNotStopped(t *testing.T) {
	for _, c := range []struct {
		why  string
		asn  uint32
		cc   string
		want Action
	}{
		{"from the customer's own cloud", 0, "", ActionFlag},
		{"from another one abroad", 9009, "RO", ActionSuspend},
	} {
		s := newStory(93, 30)
		s.machine(4, 700, 16, func(i int, r *usage.Record) {
			r.Agent = "load-rig/2.1"
			if i%10 == 3 {
				r.Status = 404
			}
			if c.asn != 0 {
				r.ASN, r.Country = c.asn, c.cc
			}
		})
		got := ActionObserve
		_, ds := s.engine(t)
		for _, d := range acted(ds) {
			if d.KeyID == "key_4" {
				got = max(got, d.Action)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %v, want %v", c.why, got, c.want)
		}
	}
}
