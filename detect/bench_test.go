package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
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

// fill puts n records of keys in turn into b, step milliseconds apart.
func (c *crowd) fill(b *usage.Batch, n int, step float64) {
	b.Reset()
	start := float64(c.millis)
	for i := range n {
		c.millis = int64(start + float64(i)*step)
		r := c.record(&c.keys[c.rng.IntN(len(c.keys))])
		b.Append(&r)
	}
	c.millis = int64(start + float64(n)*step)
}

// BenchmarkObserve: nanoseconds a record with that many keys, at 50,000 records a second of event time; and what a key takes.
func BenchmarkObserve(b *testing.B) {
	for _, keys := range []int{1_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			e := mustEngine(b)
			c := newCrowd(min(keys, 100_000), 1)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			warm(e, c, keys)
			runtime.GC()
			runtime.ReadMemStats(&after)
			var batches [8]usage.Batch
			const size = 8192
			for i := range batches {
				c.fill(&batches[i], size, 0.02)
			}
			span := c.millis - batches[0].TimeMillis[0]
			b.ReportAllocs()
			b.ResetTimer()
			n := 0
			for n < b.N {
				batch := &batches[n/size%len(batches)]
				m := min(size, b.N-n)
				e.Observe(batch, 0, m)
				n += size
				if n/size%len(batches) == 0 { // once round: the same records later
					for j := range batches {
						for i := range batches[j].TimeMillis {
							batches[j].TimeMillis[i] += span
						}
					}
				}
			}
			b.StopTimer()
			e.Drain()
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(keys), "B/key")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			runtime.KeepAlive(e)
		})
	}
}

// warm gives every one of n keys forty records over three days, which fills what keys usually hold. Beyond the crowd's own
// keys the same habits are repeated under other names.
func warm(e *Engine, c *crowd, n int) {
	var b usage.Batch
	start := c.millis
	for part := 0; part < n; part += len(c.keys) {
		for i := range c.keys {
			k := c.keys[i]
			k.id += "/" + strconv.Itoa(part)
			if part == 0 {
				k.id = c.keys[i].id
			}
			for j := range 40 {
				c.millis = start + int64(j)*72*3600e3/40
				r := c.record(&k)
				b.Append(&r)
			}
			if b.Len() >= 8000 {
				e.WarmUp(&b, 0, b.Len())
				b = usage.Batch{}
			}
		}
	}
	e.WarmUp(&b, 0, b.Len())
	c.millis = start + 73*3600e3
	e.Advance(c.millis)
}

func mustEngine(t testing.TB) *Engine {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
