// Package demo simulates an API platform for `tollkeeper demo`: customers of different habits with two weeks of history, a
// gateway that asks Tollkeeper about every call and logs it to Kafka, and a thief. Everything behind it is real: keys are
// issued by the key store, records go through Kafka, and the thief is stopped by detection alone, which knows nothing of
// this package.
package demo

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Customer is one simulated customer and how it uses its one key.
type Customer struct {
	Name   string
	Plan   string
	kind   kind
	rate   func(t time.Time) float64 // calls per second at t
	places []netip.Prefix            // where it calls from
	hosts  int                       // lasting addresses; 0: a new address now and then, as homes have
	agents []string
	routes []route
	errors float64 // share of answers that are the client's fault
	addrs  []netip.Addr
	ids    []int
}

type kind int

const (
	server kind = iota
	fleet
	nightly
	mobile
	desk
	model
)

// Networks of well-known operators, so that the bundled address data gives a country and a network number. Nothing is
// ever sent to these addresses: they are written into log lines.
var (
	clouds = prefixes("52.28.0.0/16", "34.107.0.0/16", "20.50.0.0/16", "3.64.0.0/16", "35.198.0.0/16", "52.48.0.0/16")
	homes  = prefixes("84.150.0.0/16", "86.140.0.0/16", "73.158.0.0/16", "90.90.0.0/16", "81.170.0.0/16", "79.200.0.0/16")
	rented = prefixes("45.76.32.0/20", "139.59.0.0/17", "51.79.128.0/17")
)

func prefixes(cidrs ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(cidrs))
	for i, c := range cidrs {
		out[i] = netip.MustParsePrefix(c)
	}
	return out
}

type route struct {
	method, path string // {} stands for an id
	weight       int
	bytes        int
	millis       float64
	tokens       bool
}

var routes = []route{
	{"GET", "/v1/products", 10, 8200, 38, false},
	{"GET", "/v1/products/{}", 28, 1700, 13, false},
	{"GET", "/v1/customers/{}", 12, 1100, 12, false},
	{"GET", "/v1/customers/{}/invoices", 6, 5200, 41, false},
	{"POST", "/v1/orders", 6, 800, 55, false},
	{"GET", "/v1/orders/{}", 10, 1400, 15, false},
	{"GET", "/v1/search", 9, 11000, 85, false},
	{"GET", "/v1/rates", 12, 2900, 9, false},
	{"POST", "/v1/events", 14, 110, 7, false},
	{"GET", "/v1/reports/{}", 2, 70000, 350, false},
	{"POST", "/v1/chat/completions", 8, 3300, 1700, true},
	{"POST", "/v1/embeddings", 5, 8800, 110, true},
}

var names = []string{
	"Alder Analytics", "Birch Bank", "Cedar Cargo", "Dahlia Dental", "Elm Energy", "Fern Foods", "Ginkgo Games",
	"Hazel Health", "Iris Insurance", "Juniper Jobs", "Kelp Kitchens", "Larch Logistics", "Maple Media", "Nettle News",
	"Oak Optics", "Poppy Pay", "Quince Queue", "Rowan Rail", "Sorrel Sports", "Thistle Travel", "Ulmus Utilities",
	"Violet Video", "Willow Weather", "Xylem Export", "Yarrow Yachts", "Zinnia Zoo", "Aster Audio", "Bramble Books",
	"Clover Cars", "Daisy Deals",
}

var agents = []string{
	"python-requests/2.32.3", "Go-http-client/2.0", "axios/1.7.9", "okhttp/4.12.0", "Java-http-client/21.0.4",
	"node-fetch/3.3.2", "python-httpx/0.28.1", "GuzzleHttp/7.9",
}

// Customers returns the platform's customers; the same seed gives the same ones.
func Customers(seed uint64) []*Customer {
	kinds := []kind{server, server, server, fleet, nightly, desk, mobile, server, model, desk}
	out := make([]*Customer, len(names))
	for i, name := range names {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		out[i] = newCustomer(rng, name, kinds[i%len(kinds)])
	}
	return out
}

func newCustomer(rng *rand.Rand, name string, k kind) *Customer {
	c := &Customer{Name: name, Plan: "default", kind: k, errors: 0.004 + 0.012*rng.Float64()}
	perDay := 600 * math.Exp(0.8*rng.NormFloat64())
	zone := time.Duration(rng.IntN(4)-2) * time.Hour
	cloud := clouds[rng.IntN(len(clouds))]
	c.agents = []string{agents[rng.IntN(len(agents))]}
	c.places, c.hosts = []netip.Prefix{cloud}, 1+rng.IntN(3)
	c.routes = pick(rng, 3+rng.IntN(4), false)
	switch k {
	case server:
		c.rate = daily(perDay, zone, 0.4, 0.9)
	case fleet:
		c.hosts, c.rate = 8+rng.IntN(8), daily(perDay*3, zone, 0.6, 0.8)
	case nightly:
		at := time.Duration(1+rng.IntN(4)) * time.Hour
		c.routes, c.rate = pick(rng, 2, false), window(perDay, at, 30*time.Minute)
	case mobile:
		c.hosts, c.rate = 0, daily(perDay*3, zone, 0.8, 1.2)
		c.places = []netip.Prefix{homes[rng.IntN(3)], homes[3+rng.IntN(3)]}
		c.agents = []string{"clover-app/3.2.0 (iOS 19.1)", "clover-app/3.1.4 (Android 16)"}
	case desk:
		c.places, c.hosts = []netip.Prefix{homes[rng.IntN(len(homes))]}, 1
		c.routes, c.rate = pick(rng, 5, false), window(perDay/3, 9*time.Hour-zone, 8*time.Hour)
		c.agents = append(c.agents, "curl/8.7.1")
		c.errors *= 5
	case model:
		c.routes, c.rate = append(pick(rng, 1, false), pick(rng, 2, true)...), daily(perDay, zone, 0.5, 0.7)
	}
	for range max(c.hosts, 60) {
		c.addrs = append(c.addrs, addrIn(rng, c.places[rng.IntN(len(c.places))]))
	}
	if c.hosts > 0 {
		c.addrs = c.addrs[:c.hosts]
	}
	for range 300 {
		c.ids = append(c.ids, 1000+rng.IntN(900_000))
	}
	return c
}

func pick(rng *rand.Rand, n int, tokens bool) []route {
	var pool []route
	for _, r := range routes {
		if r.tokens == tokens {
			pool = append(pool, r)
		}
	}
	rng.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	return pool[:min(n, len(pool))]
}

func addrIn(rng *rand.Rand, p netip.Prefix) netip.Addr {
	base := p.Addr().As4()
	n := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	n += 10 + rng.Uint32N(1<<(32-p.Bits())-20)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// daily is a rate with a peak in the afternoon and another level at the weekend.
func daily(perDay float64, zone time.Duration, depth, weekend float64) func(time.Time) float64 {
	return func(t time.Time) float64 {
		local := t.UTC().Add(zone)
		hour := float64(local.Hour()) + float64(local.Minute())/60
		r := perDay / 86400 * (1 + depth*math.Cos((hour-14)/24*2*math.Pi))
		if d := local.Weekday(); d == time.Saturday || d == time.Sunday {
			r *= weekend
		}
		return r
	}
}

// window is a rate that is zero but for one stretch a day.
func window(perDay float64, at, width time.Duration) func(time.Time) float64 {
	return func(t time.Time) float64 {
		t = t.UTC()
		since := t.Sub(t.Truncate(24*time.Hour)) - at
		if since < 0 {
			since += 24 * time.Hour
		}
		if since >= width {
			return 0
		}
		return perDay / width.Seconds()
	}
}
