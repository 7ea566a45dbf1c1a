package detect

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// obs is what the detectors need of a record, in lasting numbers.
type obs struct {
	t      int64 // Unix milliseconds
	key    uint32
	net    uint32 // ASN, or a hash of the address prefix where that is unknown
	addr   uint32 // hash of the address (IPv4) or of its /64 (IPv6)
	agent  uint32
	route  uint32 // method and template
	cc     uint16 // two letters
	status uint16
	bytes  float32 // of the answer
	body   float32 // of the request
	units  float32 // sum of all units
	took   float32 // microseconds; 0 where the log does not say
	idHash uint32  // of collection and object id; 0 when there is none
	id     int64   // the numeric object id of the path, -1 when there is none
	idBits uint64  // of idHash, for the filters: see bitsOf
	ip     [16]byte
	path   []byte // of the batch, and once that is its owner's again of the engine
}

// prefixNet marks a network number that is a hash of an address prefix. ASNs of that range are reserved (RFC 6996).
const prefixNet = 1 << 31

// Where the number of a network is not known, the block that an address is in stands for it. A network mostly announces many /24s, and a customer's new
// machine in another one of them is no stranger; in a /16 it seldom is another network's, as Bitcoin's nodes take it, too. Of IPv6 a provider has a /32 at
// the least.
const (
	netBits4 = 16
	netBits6 = 32
)

// mix is the finaliser of splitmix64 (Steele, Lea, Flood 2014): a cheap hash for numbers.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func hashBytes(b []byte, h uint64) uint64 {
	for len(b) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return mix(h)
}

// addressOf hashes an address, and its network: the ASN, or without one the block that stands for it.
func addressOf(ip [16]byte, asn uint32) (addr, net uint32) {
	high, low := binary.BigEndian.Uint64(ip[:8]), binary.BigEndian.Uint64(ip[8:])
	if high == 0 && low>>32 == 0xffff {
		addr = uint32(mix(low))
		net = uint32(mix(low>>(32-netBits4))) | prefixNet
	} else {
		addr = uint32(mix(high))
		net = uint32(mix(high>>(64-netBits6)^0x5bd1)) | prefixNet
	}
	if asn != 0 {
		net = asn
	}
	return addr, net
}

// compare orders the records of a key in a second by content, so that their order of arrival has no influence.
func (o *obs) compare(p *obs) int {
	if c := cmp.Compare(o.t, p.t); c != 0 { // nearly always
		return c
	}
	return cmp.Or(cmp.Compare(o.addr, p.addr), cmp.Compare(o.agent, p.agent),
		cmp.Compare(o.route, p.route), cmp.Compare(o.id, p.id), cmp.Compare(o.idHash, p.idHash), cmp.Compare(o.status, p.status),
		cmp.Compare(o.bytes, p.bytes), cmp.Compare(o.body, p.body), cmp.Compare(o.units, p.units), cmp.Compare(o.took, p.took))
}

// columns are what is known about the dictionaries of a batch.
type columns struct{ key, agent, country, method, route *view }

func (e *Engine) columnsOf(b *usage.Batch) columns {
	return columns{key: e.keyCol.of(&b.KeyID), agent: e.agentCol.of(&b.Agent), country: e.countryCol.of(&b.Country), method: e.methodCol.of(&b.Method), route: e.routeCol.of(&b.Route)}
}

// read turns row i into an obs and appends it to the second that is being collected.
func (e *Engine) read(b *usage.Batch, c *columns, i int) {
	e.buf = append(e.buf, obs{})
	o := &e.buf[len(e.buf)-1]
	o.t = b.TimeMillis[i]
	var known bool
	if o.key, known = c.key.at(&b.KeyID, i); !known {
		o.key = c.key.set(&b.KeyID, i, e.keyNumber(b.KeyID.At(i)))
	}
	if o.agent, known = c.agent.at(&b.Agent, i); !known {
		o.agent = c.agent.set(&b.Agent, i, e.agents.number(b.Agent.At(i)))
	}
	cc, known := c.country.at(&b.Country, i)
	if !known {
		cc = c.country.set(&b.Country, i, countryNumber(b.Country.At(i)))
	}
	o.cc = uint16(cc)
	template, known := c.route.at(&b.Route, i)
	if !known {
		template = c.route.set(&b.Route, i, e.templateNumber(b.Route.At(i)))
	}
	method, known := c.method.at(&b.Method, i)
	if !known {
		method = c.method.set(&b.Method, i, e.methods.number(b.Method.At(i)))
	}
	o.route = e.routeNumber(method, template)
	o.status = b.Status[i]
	o.bytes = float32(b.ResponseBytes[i])
	o.body = float32(b.RequestBytes[i])
	o.took = float32(b.LatencyMicros[i])
	o.ip = b.ClientIP[i]
	o.addr, o.net = addressOf(o.ip, b.ASN[i])
	from, to := b.UnitSpan(i)
	for _, v := range b.UnitValue[from:to] {
		o.units += float32(v)
	}
	o.path = b.Path.At(i)
	if o.id, o.idHash = e.objectOf(template, b.Route.At(i), o.path); o.idHash != 0 {
		o.idBits = bitsOf(o.idHash)
	}
}

// ownPaths copies the paths of what is left of a batch in the second that is being collected.
func (e *Engine) ownPaths() {
	for i := e.owned; i < len(e.buf); i++ {
		from := len(e.paths)
		e.paths = append(e.paths, e.buf[i].path...)
		e.buf[i].path = e.paths[from:]
	}
	e.owned = len(e.buf)
}

func countryNumber(s string) uint32 {
	if len(s) != 2 {
		return 0
	}
	return uint32(s[0])<<8 | uint32(s[1])
}

func countryName(n uint16) string {
	if n == 0 {
		return ""
	}
	return string([]byte{byte(n >> 8), byte(n)})
}

// templateNumber gives a template a lasting number. Where names stand as ids the decoder writes {name} once it has learnt
// that, and learns it anew after a restart: until then such a path is a template of its own, and is taken for its sibling
// with the placeholder here.
func (e *Engine) templateNumber(template string) uint32 {
	if _, ok := e.templates.byName[template]; !ok {
		for from := 1; from < len(template); {
			to := len(template)
			if n := strings.IndexByte(template[from:], '/'); n >= 0 {
				to = from + n
			}
			if n, ok := e.templates.byName[template[:from]+"{name}"+template[to:]]; ok {
				return n
			}
			from = to + 1
		}
	}
	return e.templates.number(template)
}

// routeNumber gives a pair of method and template a lasting number.
func (e *Engine) routeNumber(method, template uint32) uint32 {
	pair := int(template*maxMethods + method)
	if pair < len(e.routeOf) && e.routeOf[pair] != 0 {
		return e.routeOf[pair]
	}
	n := uint32(otherName)
	if len(e.routes) < maxRoutes {
		n = uint32(len(e.routes))
		r := routeState{name: e.methods.list[method] + " " + e.templates.list[template]}
		r.collection, r.makes = collectionOf(e.methods.list[method], e.templates.list[template])
		r.deletes = e.methods.list[method] == "DELETE"
		e.routes = append(e.routes, r)
	}
	if pair >= len(e.routeOf) {
		e.routeOf = append(e.routeOf, make([]uint32, pair+maxMethods-len(e.routeOf))...)
	}
	e.routeOf[pair] = n
	return n
}

// sortSecond puts the records of a key at those positions into their order.
func (e *Engine) sortSecond(order []uint64) {
	slices.SortFunc(order, func(a, b uint64) int { return e.buf[uint32(a)].compare(&e.buf[uint32(b)]) })
}
