package demo

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Call is one API call as the gateway sees it.
type Call struct {
	Customer  *Customer
	Thief     bool
	At        time.Time
	Method    string
	Path      string
	Status    int
	Millis    float64
	Bytes     int
	ClientIP  netip.Addr
	UserAgent string
	Units     map[string]int64
}

// Calls draws what the customer does in [from, to), in no particular order. It is meant for stretches in which the rate
// hardly changes: at most some minutes.
func (c *Customer) Calls(rng *rand.Rand, from, to time.Time) []Call {
	mean := c.rate(from.Add(to.Sub(from)/2)) * to.Sub(from).Seconds()
	if mean > 1 { // traffic is burstier than a Poisson process
		mean *= math.Exp(0.3*rng.NormFloat64() - 0.045)
	}
	var out []Call
	for range poisson(rng, mean) {
		at := from.Add(time.Duration(rng.Float64() * float64(to.Sub(from))))
		r := weighted(rng, c.routes)
		call := r.call(rng, at, strconv.Itoa(c.ids[min(int(rng.ExpFloat64()*40), len(c.ids)-1)]))
		call.Customer = c
		if rng.Float64() < c.errors {
			call.Status, call.Bytes, call.Units = []int{400, 404, 404, 429}[rng.IntN(4)], 140, nil
		}
		if c.hosts == 0 && rng.Float64() < 0.03 {
			c.addrs[rng.IntN(len(c.addrs))] = addrIn(rng, c.places[rng.IntN(len(c.places))])
		}
		call.ClientIP, call.UserAgent = c.addrs[rng.IntN(len(c.addrs))], c.agents[rng.IntN(len(c.agents))]
		out = append(out, call)
	}
	return out
}

func (r route) call(rng *rand.Rand, at time.Time, id string) Call {
	c := Call{
		At: at, Method: r.method, Path: strings.Replace(r.path, "{}", id, 1), Status: 200,
		Millis: r.millis * math.Exp(0.5*rng.NormFloat64()), Bytes: int(float64(r.bytes) * math.Exp(0.5*rng.NormFloat64())),
	}
	if r.tokens {
		c.Units = map[string]int64{"input_tokens": int64(270 * math.Exp(0.9*rng.NormFloat64()))}
		if strings.Contains(r.path, "chat") {
			c.Units["output_tokens"] = int64(180 * math.Exp(0.9*rng.NormFloat64()))
		}
	}
	return c
}

func weighted(rng *rand.Rand, rs []route) route {
	total := 0
	for _, r := range rs {
		total += r.weight
	}
	n := rng.IntN(total)
	for _, r := range rs {
		if n -= r.weight; n < 0 {
			return r
		}
	}
	return rs[len(rs)-1]
}

// poisson draws a count with the given mean; for large means by the normal approximation.
func poisson(rng *rand.Rand, mean float64) int {
	if mean > 50 {
		return max(0, int(mean+math.Sqrt(mean)*rng.NormFloat64()+0.5))
	}
	n, p, limit := 0, rng.Float64(), math.Exp(-mean)
	for p > limit {
		n++
		p *= rng.Float64()
	}
	return n
}

// line is the access log's record of a call, in the format `tollkeeper`.
type line struct {
	Time          string           `json:"time"`
	RequestID     string           `json:"request_id"`
	KeyID         string           `json:"key_id"`
	Method        string           `json:"method"`
	Host          string           `json:"host"`
	Path          string           `json:"path"`
	Status        int              `json:"status"`
	LatencyMillis float64          `json:"latency_ms"`
	RequestBytes  int              `json:"request_bytes"`
	ResponseBytes int              `json:"response_bytes"`
	ClientIP      string           `json:"client_ip"`
	UserAgent     string           `json:"user_agent"`
	Units         map[string]int64 `json:"units,omitempty"`
}

// Line writes the call as the gateway logs it. The key itself is never in it, only its id.
func (c *Call) Line(keyID string) []byte {
	var b bytes.Buffer
	// Strings, numbers and a map of numbers always encode.
	_ = json.NewEncoder(&b).Encode(line{
		Time: c.At.UTC().Format("2006-01-02T15:04:05.000Z"), RequestID: uuid.NewString(), KeyID: keyID, Method: c.Method,
		Host: "api.demo.invalid", Path: c.Path, Status: c.Status, LatencyMillis: math.Round(c.Millis*100) / 100,
		RequestBytes: 180 + 3*len(c.Path), ResponseBytes: c.Bytes, ClientIP: c.ClientIP.String(), UserAgent: c.UserAgent,
		Units: c.Units,
	})
	return bytes.TrimSpace(b.Bytes())
}

// History draws what all customers did in [from, to) and passes it on in time order, hour by hour.
func History(rng *rand.Rand, customers []*Customer, from, to time.Time, hour func(until time.Time, calls []Call) error) error {
	const step = 10 * time.Minute
	for at := from; at.Before(to); {
		end := at.Add(time.Hour)
		if end.After(to) {
			end = to
		}
		var calls []Call
		for ; at.Before(end); at = at.Add(step) {
			stop := at.Add(step)
			if stop.After(end) {
				stop = end
			}
			for _, c := range customers {
				calls = append(calls, c.Calls(rng, at, stop)...)
			}
		}
		at = end
		slices.SortFunc(calls, func(a, b Call) int { return a.At.Compare(b.At) })
		if err := hour(end, calls); err != nil {
			return err
		}
	}
	return nil
}

// thief walks object ids with somebody else's key, from a rented server and with a tool of its own, while the customer
// works on.
type thief struct {
	rng    *rand.Rand
	addr   netip.Addr
	nextID int
	per    float64 // calls per second
}

func newThief(rng *rand.Rand) *thief {
	return &thief{rng: rng, addr: addrIn(rng, rented[rng.IntN(len(rented))]), nextID: 1000 + rng.IntN(500_000), per: 2 + rng.Float64()}
}

func (th *thief) calls(c *Customer, from, to time.Time) []Call {
	var out []Call
	for range poisson(th.rng, th.per*to.Sub(from).Seconds()) {
		th.nextID += 1 + th.rng.IntN(2)
		call := routes[2].call(th.rng, from.Add(time.Duration(th.rng.Float64()*float64(to.Sub(from)))), strconv.Itoa(th.nextID))
		if th.rng.Float64() < 0.2 {
			call.Status, call.Bytes = 404, 120
		}
		call.Customer, call.Thief, call.ClientIP, call.UserAgent = c, true, th.addr, "scrapekit/0.9"
		out = append(out, call)
	}
	return out
}
