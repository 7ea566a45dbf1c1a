package accesslog

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// call is one API call as a log line tells it, values not yet normalised. Slices point into the line or the scratch space.
type call struct {
	millis  int64
	hasTime bool

	key    []byte // in clear
	secret []byte // the key again, if its look does not tell it: it is searched for in all other values
	keyID  []byte // the id of a key or consumer
	user   []byte // name of the user by basic authentication
	method []byte
	host   []byte
	route  []byte
	path   []byte // with query string, perhaps a whole URL
	rid    []byte
	source []byte
	agent  []byte

	peer, forwarded []byte

	status        int64
	latencyMicros int64
	requestBytes  int64
	responseBytes int64

	units int // how many of the core's are this call's

	origin origin
}

// core normalises calls and appends them; every decoder embeds one.
type core struct {
	keys      KeyResolver
	hops      int
	mapping   *Mapping
	maxFuture int64
	origins   bool
	keyParams [][]byte
	now       func() time.Time

	cache  *keyCache
	ids    *keyCache
	nobody keyEntry // whose the calls are that name no key
	routes *routeCap
	fanout fanout

	scratch    []byte
	unitName   [usage.MaxUnits][]byte
	unitValue  [usage.MaxUnits]int64
	dates      dates
	nowMillis  int64
	offset     int64  // of the line
	lineSource string // of a record that names none
	sinceClock uint8
}

func newCore(o Options) (*core, error) {
	switch {
	case o.TrustedHops < 0:
		return nil, fmt.Errorf("accesslog: trusted hops of X-Forwarded-For: %d is negative", o.TrustedHops)
	case o.MaxFuture < 0:
		return nil, fmt.Errorf("accesslog: how far a time may be in the future: %v is negative", o.MaxFuture)
	case o.MaxRoutesPerKey < 0 || o.KeyCacheSize < 0:
		return nil, fmt.Errorf("accesslog: routes per key (%d) and key cache size (%d) must not be negative", o.MaxRoutesPerKey, o.KeyCacheSize)
	}
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("accesslog: seed of the key cache: %w", err)
	}
	orInt := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	c := &core{
		keys: o.Keys, hops: o.TrustedHops, mapping: o.Mapping, maxFuture: o.MaxFuture.Milliseconds(), now: o.Now, origins: o.Origins,
		fanout: fanout{places: map[uint64]*place{}}, routes: newRouteCap(orInt(o.MaxRoutesPerKey, 200)),
		cache: newKeyCache(orInt(o.KeyCacheSize, 1<<16), binary.LittleEndian.Uint64(seed[:8])),
		ids:   newKeyCache(orInt(o.KeyCacheSize, 1<<16), binary.LittleEndian.Uint64(seed[8:])),
	}
	if o.MaxFuture == 0 {
		c.maxFuture = (24 * time.Hour).Milliseconds()
	}
	if c.now == nil {
		c.now = time.Now
	}
	params := o.KeyParams
	if params == nil {
		params = []string{"api_key", "apikey", "api-key", "access_token"}
	}
	for _, p := range params {
		c.keyParams = append(c.keyParams, []byte(p))
	}
	return c, nil
}

// begin starts a line.
func (c *core) begin(at *Origin) {
	c.offset, c.lineSource = at.Offset, at.Source
	c.scratch = c.scratch[:0]
	if at.ReceivedMillis > 0 {
		c.nowMillis = at.ReceivedMillis
		return
	}
	if c.sinceClock == 0 { // the clock is read every 256 lines: what it is compared with are hours and seconds
		c.nowMillis = c.now().UnixMilli()
	}
	c.sinceClock++
}

// finish checks a call, normalises it and appends it. Nothing is appended when it fails.
func (c *core) finish(r *call, b *usage.Batch, sub int) error {
	switch {
	case !r.hasTime:
		return reject(ReasonMissingField, "time: the line has none; add it to the gateway's log format")
	case r.millis < firstMillis:
		return reject(ReasonBadTime, "time: is before the year 2000")
	case r.millis > c.nowMillis+c.maxFuture:
		return reject(ReasonBadTime, "time: is too far in the future")
	case r.status != 0 && (r.status < 100 || r.status > 999):
		if r.status != 9 { // nginx writes 009 for HTTP/0.9, which has no status
			return reject(ReasonBadStatus, "status: is not 0 and not between 100 and 999")
		}
		r.status = 200
	case sub > math.MaxUint16:
		return reject(ReasonTooMany, "the line carries more than 65,536 records")
	}
	plain, query, isPlain := plainTarget(r.path)
	path := plain.text
	if !isPlain {
		var host []byte
		path, host, query = splitTarget(r.path, &c.scratch)
		if len(r.host) == 0 {
			r.host = host
		}
	}
	if len(r.key) == 0 && len(query) > 0 {
		r.key = c.keyFromQuery(query)
	}
	who, flags := c.identity(r)

	if !isPlain || holds(path, r.secret) {
		path, isPlain = c.clean(path, r.secret, usage.MaxPathBytes), false
	}
	route := []byte(nil)
	if isPlain && len(r.route) == 0 {
		route, _ = plain.route(&c.scratch)
	}
	c.appendRoute(&b.Route, r, path, route, who.hash)
	b.Path.Append(path)
	b.Offset = append(b.Offset, c.offset)
	b.Sub = append(b.Sub, uint16(sub))
	b.TimeMillis = append(b.TimeMillis, r.millis)
	who.appendID(&b.KeyID)
	if len(r.source) > 0 {
		c.appendClean(&b.Source, r.source, r.secret, usage.MaxNameBytes)
	} else {
		appendString(&b.Source, c.lineSource)
	}
	rid := c.requestID(r)
	if len(rid) == 0 {
		flags |= usage.FlagNoRequestID
	}
	b.RequestID.Append(rid)
	appendMethod(&b.Method, &who.method, r.method)
	c.appendClean(&b.Host, r.host, r.secret, usage.MaxNameBytes)
	b.Status = append(b.Status, uint16(r.status))
	b.LatencyMicros = append(b.LatencyMicros, min(r.latencyMicros, math.MaxUint32)) // the column's width: 71 minutes
	b.RequestBytes = append(b.RequestBytes, r.requestBytes)
	b.ResponseBytes = append(b.ResponseBytes, r.responseBytes)
	b.ClientIP = append(b.ClientIP, [16]byte{})
	c.client(r, &b.ClientIP[len(b.ClientIP)-1])
	c.appendAgent(&b.UserAgent, r, who)
	appendString(&b.Agent, "")
	appendString(&b.Country, "")
	b.ASN = append(b.ASN, 0)
	c.appendUnits(r, b)
	b.Flags = append(b.Flags, flags)
	r.origin.append(b)
	return nil
}

// appendClean appends a cleaned value. One that the dictionary holds was cleaned before, and cleaning changes nothing twice.
func (c *core) appendClean(d *usage.Dict, v, secret []byte, max int) {
	if !holds(v, secret) {
		if n, ok := likeLast(d, v); ok {
			d.AppendNumber(n)
			return
		}
		if n, ok := d.Find(v); ok {
			d.AppendNumber(n)
			return
		}
	}
	d.Append(c.clean(v, secret, max))
}

// appendAgent is appendClean of the agent, which mostly is that of the key's last call.
func (c *core) appendAgent(d *usage.Dict, r *call, who *keyEntry) {
	if n := who.agent; holdsAs(d, n, r.agent) && !holds(r.agent, r.secret) {
		d.AppendNumber(n)
		return
	}
	c.appendClean(d, r.agent, r.secret, usage.MaxAgentBytes)
	who.agent = d.Index[len(d.Index)-1]
}

// likeLast returns the number of the row before if it has the same value, as many columns mostly have.
func likeLast[T string | []byte](d *usage.Dict, v T) (uint32, bool) {
	if n := len(d.Index); n > 0 {
		last := d.Index[n-1]
		return last, d.Values[last] == string(v)
	}
	return 0, false
}

// holdsAs reports whether a column has a value by that number.
func holdsAs[T string | []byte](d *usage.Dict, number uint32, v T) bool {
	return uint64(number) < uint64(len(d.Values)) && d.Values[number] == string(v)
}

// appendString and appendBytes append a value that is clean already.
func appendString(d *usage.Dict, v string) {
	if n, ok := likeLast(d, v); ok {
		d.AppendNumber(n)
		return
	}
	d.AppendString(v)
}

func appendBytes(d *usage.Dict, v []byte) {
	if n, ok := likeLast(d, v); ok {
		d.AppendNumber(n)
		return
	}
	d.Append(v)
}

func (c *core) appendUnits(r *call, b *usage.Batch) {
	start := len(b.UnitValue)
next:
	for i := range r.units {
		c.appendClean(&b.UnitName, c.unitName[i], r.secret, usage.MaxNameBytes)
		last := len(b.UnitName.Index) - 1
		for j := start; j < last; j++ {
			if b.UnitName.Index[j] == b.UnitName.Index[last] { // twice in one line: the last one stands
				b.UnitName.Index = b.UnitName.Index[:last]
				b.UnitValue[j] = c.unitValue[i]
				continue next
			}
		}
		b.UnitValue = append(b.UnitValue, c.unitValue[i])
	}
	b.UnitEnd = append(b.UnitEnd, len(b.UnitValue))
}

// appendRoute takes the given route or derives one, and bounds the number of routes per key. derived is the one of the path, if it is
// known already.
func (c *core) appendRoute(d *usage.Dict, r *call, path, derived []byte, key uint64) {
	route := r.route
	switch {
	case len(route) > 0:
		if q := bytes.IndexAny(route, "?#"); q >= 0 {
			route = route[:q]
		}
		route = c.clean(route, r.secret, usage.MaxNameBytes)
	case derived != nil:
		route = c.fanout.rewrite(derived, &c.scratch)
	default:
		from := len(c.scratch)
		c.scratch = appendRoute(c.scratch, path, usage.MaxNameBytes)
		route = c.fanout.rewrite(c.scratch[from:len(c.scratch):len(c.scratch)], &c.scratch)
	}
	seen, number := c.routes.admit(key, route)
	switch {
	case seen == often:
		if n := *number; holdsAs(d, n, route) {
			d.AppendNumber(n)
			return
		}
		d.Append(route)
		*number = d.Index[len(d.Index)-1]
		return
	case seen == refused:
		route = []byte(otherRoute)
	case len(r.route) == 0 && r.status != 404:
		c.fanout.learn(route, seen, key)
	}
	appendBytes(d, route)
}

// appendMethod appends what methodOf makes of a method, which mostly is that of the key's last call: what the column holds already stays
// as it is.
func appendMethod(d *usage.Dict, last *uint32, m []byte) {
	n := *last
	if !holdsAs(d, n, m) {
		var ok bool
		if n, ok = d.Find(m); !ok {
			d.Append(methodOf(m))
			*last = d.Index[len(d.Index)-1]
			return
		}
		*last = n
	}
	d.AppendNumber(n)
}

// methodOf lets methods through and nothing else: a garbled request line must not fill the dictionary, or carry a secret.
func methodOf(m []byte) []byte {
	if len(m) == 0 {
		return nil
	}
	if len(m) <= 16 {
		upper := true
		for _, c := range m {
			if (c < 'A' || c > 'Z') && c != '-' {
				upper = false
				break
			}
		}
		if upper {
			return m
		}
		for _, known := range knownMethods {
			if len(m) == len(known) && hasFoldPrefix(m, string(bytes.ToLower(known))) {
				return known
			}
		}
	}
	return methodOther
}

var (
	methodOther  = []byte("OTHER")
	knownMethods = [][]byte{
		[]byte("GET"), []byte("POST"), []byte("PUT"), []byte("PATCH"), []byte("DELETE"), []byte("HEAD"), []byte("OPTIONS"), []byte("CONNECT"), []byte("TRACE"),
	}
)

// splitTarget takes a request target apart: the path without parameters, the host of an absolute URL without user, the query.
// What has to be put together anew lies in the scratch space.
func splitTarget(t []byte, scratch *[]byte) (path, host, query []byte) {
	if len(t) > 0 && t[0] != '/' {
		if i := bytes.Index(t, schemeEnd); i > 0 && i < 16 && bytes.IndexByte(t[:i], '/') < 0 {
			host = t[i+3:]
			if end := bytes.IndexAny(host, "/?#"); end >= 0 {
				t, host = host[end:], host[:end]
			} else {
				t = nil
			}
			if user := bytes.LastIndexByte(host, '@'); user >= 0 {
				host = host[user+1:]
			}
		} else if user := bytes.LastIndexByte(t, '@'); user >= 0 && bytes.IndexByte(t, '/') < 0 {
			t = t[user+1:] // CONNECT user:password@host:443
		}
	}
	semicolon := -1
	for i := 0; ; i++ {
		next := indexMark(t[i:])
		if next < 0 {
			return cutParams(t, semicolon, scratch), host, nil
		}
		i += next
		switch c := t[i]; {
		case c == '?' || c == '#':
			return cutParams(t[:i], semicolon, scratch), host, t[i+1:]
		case c == ';':
			if semicolon < 0 {
				semicolon = i
			}
		case i+2 < len(t) && (t[i+1] == '3' && t[i+2]|0x20 == 'f' || t[i+1] == '2' && t[i+2] == '3'):
			return cutParams(t[:i], semicolon, scratch), host, t[i+3:] // a query string that was escaped along with the path
		}
	}
}

// indexMark returns where the first of ?, #, % and ; is, or -1.
func indexMark(t []byte) int {
	i := 0
	for ; i+8 <= len(t); i += 8 {
		w := binary.LittleEndian.Uint64(t[i:])
		if m := hasByte(w, '?') | hasByte(w, '#') | hasByte(w, '%') | hasByte(w, ';'); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(t); i++ {
		if c := t[i]; c == '?' || c == '#' || c == '%' || c == ';' {
			return i
		}
	}
	return -1
}

// hasByte sets the top bit of each byte of w that is c. Bytes above the first such one may be marked wrongly.
func hasByte(w uint64, c byte) uint64 {
	x := w ^ ones*uint64(c)
	return (x - ones) &^ x & highs
}

var schemeEnd = []byte("://")

// cutParams removes ";name=value" parameters of path segments, the first of which is at the semicolon: session ids travel
// in them.
func cutParams(path []byte, at int, scratch *[]byte) []byte {
	if at < 0 {
		return path
	}
	from := len(*scratch)
	out := append(*scratch, path[:at]...)
	skipping := false
	for _, c := range path[at:] {
		switch c {
		case ';':
			skipping = true
		case '/':
			skipping = false
		}
		if !skipping {
			out = append(out, c)
		}
	}
	*scratch = out
	return out[from:len(out):len(out)]
}
