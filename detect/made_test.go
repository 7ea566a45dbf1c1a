package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// partner adds a client from elsewhere that asks for n objects numbered one after the other and deletes each, a while after it was made if it
// makes them. Its programs take turns.
func (s *story) partner(key, n int, makes bool, programs ...string) *story {
	calls := 0
	from, at := netip.AddrFrom4([4]byte{203, 0, 113, 9}), s.c.millis
	call := func(method, route, path string, status uint16) {
		at += int64(180e3 * s.c.rng.ExpFloat64())
		s.rows = append(s.rows, usage.Record{
			TimeMillis: at, KeyID: s.c.keys[key].id, Source: "edge", Method: method, Route: route, Path: []byte(path), Status: status, ResponseBytes: 900,
			ASN: 9009, Country: s.c.keys[key].cc, Agent: programs[calls%len(programs)], ClientIP: from,
		})
		calls++
	}
	for i := range n {
		id := 700000 + 7*i
		if makes {
			call("POST", "/v1/users", "/v1/users", 201)
		}
		call("GET", "/v1/users/{id}", fmt.Sprintf("/v1/users/%d", id), 200)
		call("DELETE", "/v1/users/{id}", fmt.Sprintf("/v1/users/%d", id), 204)
	}
	return s
}

// A partner that makes users and asks for them goes through ids one after the other. Who asks for users that it did not make is a thief.
func TestWhatAClientMakesIsItsOwn(t *testing.T) {
	suspended := func(makes bool, programs ...string) (n int) {
		for _, d := range acted(newStory(6, 30).partner(4, 60, makes, programs...).decisions(t, Config{})) {
			if d.Action == ActionSuspend {
				n++
			}
		}
		return n
	}
	if n := suspended(true, "partner"); n != 0 {
		t.Errorf("a client that asks for what it made is suspended")
	}
	if n := suspended(true, "orders", "accounts"); n != 0 {
		t.Errorf("two services that make and ask for the same objects are suspended")
	}
	if n := suspended(false, "partner"); n != 1 {
		t.Errorf("%d suspensions of a client that asks for what others made, want 1", n)
	}
}

// Nobody is stopped for deletions alone. But who deletes what the customer uses has done something, other than one that takes away messages,
// or what it made.
func TestDeletingWhatTheCustomerUsesIsADeed(t *testing.T) {
	deleted := func(own bool) (worst float64) {
		s := newStory(6, 30)
		k := slices.IndexFunc(s.c.keys, func(k crowdKey) bool { return slices.Contains(k.routes, 0) }) // of one that reads items
		for i := range 60 {
			id := 700000 + 977*i
			if own {
				id = s.c.keys[k].ids[i/2]
			}
			s.rows = append(s.rows, usage.Record{
				TimeMillis: s.c.millis + int64(i)*30e3, KeyID: s.c.keys[k].id, Source: "edge", Method: "DELETE", Route: "/v1/items/{id}", Path: fmt.Appendf(nil, "/v1/items/%d", id),
				Status: 204, ASN: 9009, Country: s.c.keys[k].cc, Agent: "stranger", ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
			})
		}
		for _, d := range s.decisions(t, Config{}) {
			for _, ev := range d.Evidence {
				if ev.Detector == "deleted" {
					worst = max(worst, ev.Observed)
				}
			}
		}
		return worst
	}
	if x := deleted(false); x != 0 {
		t.Errorf("one that deletes what nobody uses is told to have deleted %.2f", x)
	}
	if x := deleted(true); x < 0.4 {
		t.Errorf("of the calls of one that deletes what the customer uses %.2f are told", x)
	}
}

func TestWhatIsMadeIsAskedForOnce(t *testing.T) {
	var m made
	orders, makes := collectionOf("POST", "/v1/customers/{id}/orders")
	if !makes {
		t.Fatal("a POST to a collection makes nothing")
	}
	read, makes := collectionOf("GET", "/v1/orders/{id}/lines")
	if read != orders || makes {
		t.Fatalf("reading is of collection %d, making of %d", read, orders)
	}
	if m.take(orders, unread) {
		t.Error("nothing was made")
	}
	for range 2 * mostMade {
		m.add(orders)
	}
	n := 0
	for m.take(read, unread) {
		n++
	}
	if n != mostMade {
		t.Errorf("%d may be asked for, want at most %d", n, mostMade)
	}
	for _, route := range [][2]string{{"GET", "/v1/orders"}, {"POST", "/v1/orders/{id}"}, {"POST", "/"}, {"PUT", ""}, {"GET", "/{id}"}} {
		if _, makes := collectionOf(route[0], route[1]); makes {
			t.Errorf("%s makes an object of a collection", route)
		}
	}
}

// Where the customer's own client goes through ids just now, another of its machines takes its part; alone it is a thief.
func TestTheCustomersOwnWalkMayHaveMoreMachines(t *testing.T) {
	suspended := func(beside bool) (n int) {
		s := newStory(1, 30)
		k, at := &s.c.keys[4], s.c.millis
		for i := range 400 {
			r := usage.Record{
				TimeMillis: at + int64(i)*1000, KeyID: k.id, Source: "edge", Method: "GET", Route: "/v1/accounts/{id}", Status: 200, ResponseBytes: 900,
				ASN: k.asn, Country: k.cc, Agent: k.agent, ClientIP: k.addrs[0],
			}
			id := 500000 + i
			switch {
			case i%4 == 3: // the other machine
				r.ClientIP = netip.AddrFrom4([4]byte{203, 0, 113, 9})
			case !beside: // goes on with its own objects
				id = k.ids[i%20]
			}
			r.Path = fmt.Appendf(nil, "/v1/accounts/%d", id)
			s.rows = append(s.rows, r)
		}
		for _, d := range acted(s.decisions(t, Config{})) {
			if d.Action == ActionSuspend {
				n++
			}
		}
		return n
	}
	if n := suspended(true); n != 0 {
		t.Error("the customer's second machine is suspended")
	}
	if n := suspended(false); n != 1 {
		t.Errorf("%d suspensions of a walk of its own, want 1", n)
	}
}
