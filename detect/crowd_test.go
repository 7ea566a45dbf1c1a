package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// crowd makes undisturbed traffic of many keys: most with one or two servers, some with a fleet, a few with a public behind
// them; ids, units and errors as usual.
type crowd struct {
	rng    *rand.Rand
	keys   []crowdKey
	millis int64
}

type crowdKey struct {
	id     string
	asn    uint32
	cc     string
	agent  string
	addrs  []netip.Addr
	routes []int
	ids    []int
}

var crowdRoutes = []struct {
	method, route string
	units         bool
}{
	{"GET", "/v1/items/{id}", false},
	{"GET", "/v1/users/{id}", false},
	{"POST", "/v1/orders", false},
	{"GET", "/v1/search", false},
	{"POST", "/v1/chat/completions", true},
	{"GET", "/v1/reports/{id}", false},
	{"GET", "/v1/prices", false},
	{"PATCH", "/v1/users/{id}", false},
}

func newCrowd(keys int, seed uint64) *crowd {
	c := &crowd{rng: rand.New(rand.NewPCG(seed, 1)), millis: 1_772_409_600_000}
	for i := range keys {
		k := crowdKey{id: "key_" + strconv.Itoa(i), asn: uint32(1000 + c.rng.IntN(60)), cc: []string{"DE", "US", "JP", "GB"}[c.rng.IntN(4)], agent: "agent-" + strconv.Itoa(c.rng.IntN(12))}
		n := 1 + c.rng.IntN(2)
		if kind := c.rng.IntN(10); kind == 0 {
			n = 20
		} else if kind == 1 {
			n = 100
		}
		for range n {
			k.addrs = append(k.addrs, netip.AddrFrom4([4]byte{byte(20 + k.asn%100), byte(i >> 8), byte(i), byte(c.rng.IntN(250))}))
		}
		for range 1 + c.rng.IntN(4) {
			k.routes = append(k.routes, c.rng.IntN(len(crowdRoutes)))
		}
		for range 100 {
			k.ids = append(k.ids, c.rng.IntN(2_000_000))
		}
		c.keys = append(c.keys, k)
	}
	return c
}

// record makes a record of key k at the crowd's time.
func (c *crowd) record(k *crowdKey) usage.Record {
	route := crowdRoutes[k.routes[c.rng.IntN(len(k.routes))]]
	r := usage.Record{
		TimeMillis: c.millis, KeyID: k.id, Source: "edge", Method: route.method, Route: route.route, Path: []byte(route.route), Status: 200,
		ResponseBytes: int64(500 + c.rng.IntN(4000)), ClientIP: k.addrs[c.rng.IntN(len(k.addrs))], Agent: k.agent, Country: k.cc, ASN: k.asn,
	}
	if i := len(route.route) - len("{id}"); route.route[i:] == "{id}" {
		r.Path = fmt.Appendf(nil, "%s%d", route.route[:i], k.ids[min(int(c.rng.ExpFloat64()*20), len(k.ids)-1)])
	}
	if c.rng.IntN(100) == 0 {
		r.Status = 404
	}
	if route.units {
		r.Units = []usage.Unit{{Name: "tokens", Value: int64(100 + c.rng.IntN(900))}}
	}
	return r
}

func mustEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
