package keys

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"
)

// memKey is what memory holds of one key: the parts that a verdict needs. It is never changed, only replaced, so a reader
// may keep it. Values that many keys share are interned.
type memKey struct {
	id             string
	account        unique.Handle[string]
	plan           unique.Handle[string]
	tags           unique.Handle[string] // joined by spaces, which no tag holds
	reason         unique.Handle[string]
	rotatedFrom    string
	version, seq   int64
	createdAt      int64 // Unix milliseconds, as all times here; 0: none
	endsAt         int64 // the earlier of expiry and end of grace
	suspendedUntil int64
	digest         digest
	limits         *limits // nil for the many keys that have none
	status         status
	environment    Environment
	source         Source
	hashed         bool // false for an observed key
	deleted        bool
}

// digest is the front half of a key's HMAC: 128 bits that an outsider cannot choose.
type digest [16]byte

// status is Status in one byte.
type status uint8

const (
	stActive status = iota
	stSuspended
	stRevoked
	stExpired
)

var statusNames = [...]Status{Active, Suspended, Revoked, Expired}

type limits struct {
	scopes   []string
	cidrs    []netip.Prefix
	denied   []denial
	throttle *throttled // nil: not throttled
}

// denial is Denied, made ready for comparison.
type denial struct {
	kind   DenyKind
	asn    uint32
	agent  string // lower case; of a network only clients of this family, "" is all
	cidr   netip.Prefix
	until  int64
	reason string
	alert  string // that led to it
	at     int64
}

func newMemKey(k *Key) *memKey {
	m := &memKey{
		id: k.ID, account: unique.Make(k.AccountID), plan: unique.Make(k.PlanID), tags: unique.Make(strings.Join(k.Tags, " ")),
		reason: unique.Make(k.Reason), rotatedFrom: k.RotatedFrom, version: k.Version, seq: k.Seq, createdAt: k.CreatedAt.UnixMilli(),
		environment: k.Environment, source: k.Source, hashed: len(k.hash) >= len(digest{}), deleted: !k.DeletedAt.IsZero(),
		status: status(slices.Index(statusNames[:], k.Status)),
	}
	if m.hashed {
		m.digest = digest(k.hash)
	}
	for _, t := range []time.Time{k.ExpiresAt, k.GraceUntil} {
		if !t.IsZero() && (m.endsAt == 0 || t.UnixMilli() < m.endsAt) {
			m.endsAt = t.UnixMilli()
		}
	}
	if !k.SuspendedUntil.IsZero() {
		m.suspendedUntil = k.SuspendedUntil.UnixMilli()
	}
	if len(k.Scopes)+len(k.AllowedCIDRs)+len(k.Quarantine) > 0 || k.Throttle != nil {
		m.limits = &limits{scopes: k.Scopes, cidrs: k.AllowedCIDRs, denied: denials(k.Quarantine), throttle: newThrottled(k.ID, k.Throttle)}
	}
	return m
}

func denials(list []Denied) []denial {
	var out []denial
	for _, d := range list {
		x := denial{kind: d.Kind, reason: d.Reason, alert: d.AlertID, at: d.At.UnixMilli(), agent: strings.ToLower(d.Agent)}
		if !d.Until.IsZero() {
			x.until = d.Until.UnixMilli()
		}
		switch d.Kind {
		case DenyASN:
			n, err := strconv.ParseUint(d.Value, 10, 32)
			if err != nil {
				continue // cannot be: the store checks what it takes
			}
			x.asn = uint32(n)
		case DenyAgent:
			x.agent = strings.ToLower(d.Value)
		case DenyCIDR:
			p, err := netip.ParsePrefix(d.Value)
			if err != nil {
				continue
			}
			x.cidr = p
		}
		out = append(out, x)
	}
	return out
}

// at returns the status at a time; see Key.due.
func (m *memKey) at(millis int64) status {
	if m.status == stActive || m.status == stSuspended {
		if m.endsAt != 0 && millis >= m.endsAt {
			return stExpired
		}
		if m.status == stSuspended && m.suspendedUntil != 0 && millis >= m.suspendedUntil {
			return stActive
		}
	}
	return m.status
}

// denies is 1 for a key with denied actors, else 0.
func (m *memKey) denies() int {
	if m == nil || m.limits == nil || len(m.limits.denied) == 0 {
		return 0
	}
	return 1
}

// shardCount spreads the locks, so that a write stops few readers and readers do not share a cache line.
const shardCount = 256

// index finds keys by digest and by id. Its size depends on the number of keys alone: looking up what does not exist
// leaves nothing behind. Readers take a read lock for the time of one map access.
type index struct {
	byDigest [shardCount]shard[digest]
	byID     [shardCount]shard[string]
	seed     maphash.Seed
	writing  sync.Mutex   // one writer at a time, so that the two maps agree
	observed atomic.Int64 // how many have the source Observed
	denying  atomic.Int64 // how many have denied actors
}

type shard[K comparable] struct {
	mu sync.RWMutex
	m  map[K]*memKey
	_  [32]byte // fills the cache line
}

func (s *shard[K]) get(k K) *memKey {
	s.mu.RLock()
	m := s.m[k]
	s.mu.RUnlock()
	return m
}

func (s *shard[K]) set(k K, m *memKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m == nil {
		delete(s.m, k)
		return
	}
	if s.m == nil {
		s.m = make(map[K]*memKey)
	}
	s.m[k] = m
}

func newIndex() *index { return &index{seed: maphash.MakeSeed()} }

func (x *index) digestShard(d digest) *shard[digest] { return &x.byDigest[d[15]] }

func (x *index) idShard(id string) *shard[string] {
	return &x.byID[uint8(maphash.String(x.seed, id))]
}

func (x *index) find(d digest) *memKey    { return x.digestShard(d).get(d) }
func (x *index) findID(id string) *memKey { return x.idShard(id).get(id) }

// apply puts a record in place unless the index has the same or newer news of it, and reports whether it did. Records may
// come in any order, from this process's commits and from the feed.
func (x *index) apply(k *Key) bool {
	m := newMemKey(k)
	x.writing.Lock()
	defer x.writing.Unlock()
	old := x.findID(m.id)
	if old != nil && old.seq >= m.seq {
		return false
	}
	if old != nil && old.limits != nil && old.limits.throttle != nil && m.limits != nil && m.limits.throttle != nil {
		m.limits.throttle.bucket.Inherit(old.limits.throttle.bucket)
	}
	x.denying.Add(int64(m.denies() - old.denies()))
	if old == nil && m.source == Observed {
		x.observed.Add(1)
	}
	x.idShard(m.id).set(m.id, m)
	if m.hashed {
		x.digestShard(m.digest).set(m.digest, m)
	}
	return true
}

// count returns the number of keys.
func (x *index) count() (n int) {
	for i := range x.byID {
		x.byID[i].mu.RLock()
		n += len(x.byID[i].m)
		x.byID[i].mu.RUnlock()
	}
	return n
}
