package main

import (
	"math/rand/v2"
	"net/netip"
	"strconv"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// crowd makes the undisturbed traffic of many keys: most with one or two servers, some with a fleet, a few with a public
// behind them; ids that they come back to, units and errors as usual. A key's habits follow from its number, so that a
// million keys take no memory here that would be counted as the engine's.
type crowd struct {
	rng    *rand.Rand
	keys   int
	prefix string
	path   []byte
	zipf   *rand.Zipf // nil: every key is as likely as any other
}

var routes = []struct {
	method, route, prefix string
	units                 bool
}{
	{"GET", "/v1/items/{id}", "/v1/items/", false},
	{"GET", "/v1/users/{id}", "/v1/users/", false},
	{"POST", "/v1/orders", "", false},
	{"GET", "/v1/search", "", false},
	{"POST", "/v1/chat/completions", "", true},
	{"GET", "/v1/reports/{id}", "/v1/reports/", false},
	{"GET", "/v1/prices", "", false},
	{"PATCH", "/v1/users/{id}", "/v1/users/", false},
}

var (
	countries = []string{"DE", "US", "JP", "GB"}
	agents    = []string{"python-requests", "okhttp", "go-http-client", "axios", "curl", "java-http-client", "guzzle", "node-fetch"}
)

// zipfExponent: the busiest of a million keys then sends a tenth of the records, the busiest thousand three fifths of them.
const zipfExponent = 1.05

func newCrowd(prefix string, keys int, seed uint64) *crowd {
	return &crowd{rng: rand.New(rand.NewPCG(seed, 1)), keys: keys, prefix: prefix}
}

// even makes every key as likely as any other.
func (c *crowd) even() { c.zipf = nil }

// skewed lets few keys send most of the traffic, with numbers all over.
func (c *crowd) skewed() { c.zipf = rand.NewZipf(c.rng, zipfExponent, 1, uint64(c.keys-1)) }

// pick chooses a key.
func (c *crowd) pick() int {
	if c.zipf == nil {
		return c.rng.IntN(c.keys)
	}
	const stride = 7_368_787 // a prime beyond the number of keys
	return int(c.zipf.Uint64()*stride%uint64(c.keys)+uint64(c.keys)) % c.keys
}

// traffic makes records, whole batches of them, from that time on, which moves on with them. The batch is valid until each returns.
func (c *crowd) traffic(records int, millis *int64, each func(*usage.Batch)) {
	var b usage.Batch
	step := float64(hourMillis) / perHour / float64(c.keys)
	for done := 0; done < records; done += batchSize {
		b.Reset()
		for i := range batchSize {
			c.append(&b, c.pick(), *millis+int64(float64(i)*step))
		}
		*millis += int64(batchSize * step)
		each(&b)
	}
}

// splitmix is a hash for numbers (Steele, Lea, Flood 2014): what is fixed about a key comes from it.
func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (c *crowd) id(key int) string { return c.prefix + strconv.Itoa(1_000_000_000+key) }

// append adds a record of the key to b.
func (c *crowd) append(b *usage.Batch, key int, millis int64) {
	h := splitmix(uint64(key))
	servers := uint64(1 + h%2)
	switch h >> 8 % 10 {
	case 0:
		servers = 20
	case 1:
		servers = 100
	}
	server := c.rng.Uint64N(servers)
	route := &routes[splitmix(h+c.rng.Uint64N(1+h>>16%4))%uint64(len(routes))]
	asn := uint32(1000 + h>>24%60)
	addr := [4]byte{byte(20 + asn%100), byte(key >> 10), byte(key >> 2), byte(uint64(key)<<6 + server)}
	r := usage.Record{
		TimeMillis: millis, KeyID: c.id(key), Source: "edge", Method: route.method, Route: route.route, Path: []byte(route.route), Status: 200,
		ResponseBytes: int64(500 + c.rng.IntN(4000)), ClientIP: netip.AddrFrom4(addr), ASN: asn,
		Agent: agents[h>>32%uint64(len(agents))], Country: countries[h>>40%uint64(len(countries))],
	}
	if route.prefix != "" {
		object := splitmix(h^uint64(c.rng.ExpFloat64()*20)) % 2_000_000
		c.path = strconv.AppendUint(append(c.path[:0], route.prefix...), object, 10)
		r.Path = c.path
	}
	if c.rng.IntN(100) == 0 {
		r.Status = 404
	}
	if route.units {
		r.Units = []usage.Unit{{Name: "tokens", Value: int64(100 + c.rng.IntN(900))}}
	}
	b.Append(&r)
}
