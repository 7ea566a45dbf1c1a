package keys

import (
	"net/netip"
	"strings"
	"time"
	"unsafe"
)

// Code is the result of a verification, stable for clients.
type Code string

// The codes, in the order in which they are decided.
const (
	CodeMalformed        Code = "MALFORMED" // cannot be a key: empty, too long, or one of ours with a wrong checksum
	CodeNotFound         Code = "NOT_FOUND"
	CodeRevoked          Code = "REVOKED"
	CodeExpired          Code = "EXPIRED"
	CodeSuspended        Code = "SUSPENDED"
	CodeAccountSuspended Code = "ACCOUNT_SUSPENDED" // of the key itself nothing else is known against it
	CodeWrongEnvironment Code = "WRONG_ENVIRONMENT" // a test key in production, or the reverse
	CodeIPNotAllowed     Code = "IP_NOT_ALLOWED"
	CodeQuarantined      Code = "QUARANTINED" // this client may not use it; others may
	CodeScope            Code = "INSUFFICIENT_SCOPE"
	CodeQuota            Code = "QUOTA_EXCEEDED"
	CodeRateLimited      Code = "RATE_LIMITED" // the key is throttled; see Verdict.RetryAfter
	CodeStaleFeed        Code = "STALE_FEED"   // this node may have missed a suspension and fails closed
	CodeValid            Code = "VALID"
)

// Codes lists all codes.
func Codes() []Code {
	return []Code{
		CodeMalformed, CodeNotFound, CodeRevoked, CodeExpired, CodeSuspended, CodeAccountSuspended, CodeWrongEnvironment, CodeIPNotAllowed, CodeQuarantined,
		CodeScope, CodeQuota, CodeRateLimited, CodeStaleFeed, CodeValid,
	}
}

// Request is what is to be verified. Zero fields are unknown: a key that is bound to networks is then refused, and so is a
// key with a quarantine that goes by what is unknown, since whoever asks could be the actor. A gateway that does not say who
// calls thus suspends the key where one that does refuses the thief alone.
type Request struct {
	Key            string
	KeyID          string // instead of Key, for gateways that checked the secret themselves and know the key by its id
	ClientIP       netip.Addr
	UserAgent      string
	Agent          string // client family; "" to go by UserAgent alone
	ASN            uint32 // 0 to look it up when a quarantine asks for it
	RequiredScopes []string
	Environment    Environment // "" accepts both
}

// Verdict is the answer.
type Verdict struct {
	Valid          bool
	Code           Code
	KeyID          string // "" for NOT_FOUND and MALFORMED
	AccountID      string
	PlanID         string
	Environment    Environment
	Reason         string // for people
	SuspendedUntil time.Time
	RetryAfter     time.Duration // of RATE_LIMITED
	Version        int64         // of the record; a gateway drops older news
	Stale          bool          // the feed was silent for longer than the bound when this was decided
}

// QuotaCheck is asked last, for keys that are otherwise accepted. It must answer from memory.
type QuotaCheck func(keyID string) (ok bool, reason string)

// Verify decides from memory whether a request may pass. It does no I/O, except that of a VerifierConfig.Limiter for a key
// that is throttled; it takes no lock for longer than a map access, and what it is asked leaves nothing in memory. It may be
// called from any number of goroutines.
func (v *Verifier) Verify(r Request) Verdict {
	verdict := v.decide(&r)
	v.metrics.verdicts[verdict.Code].Inc()
	return verdict
}

func (v *Verifier) decide(r *Request) Verdict {
	now := v.now()
	stale := v.silentAt(now) > v.cfg.Bound
	var m *memKey
	if r.Key == "" && r.KeyID != "" {
		m = v.index.findID(r.KeyID)
	} else {
		var code Code
		if m, code = v.lookup(r.Key); code != "" {
			return Verdict{Code: code, Reason: "the key has a typing error or is not one of ours", Stale: stale}
		}
	}
	if m == nil || m.deleted {
		return Verdict{Code: CodeNotFound, Reason: "no such key", Stale: stale}
	}
	verdict := Verdict{
		KeyID: m.id, AccountID: m.account.Value(), PlanID: m.plan.Value(), Environment: m.environment, Version: m.version, Stale: stale,
	}
	verdict.Code, verdict.Reason = v.judge(m, r, now, &verdict)
	if verdict.Code == CodeValid && stale && !v.cfg.FailOpen {
		verdict.Code, verdict.Reason = CodeStaleFeed, "this node has lost touch with the key store and cannot tell whether the key was suspended"
	}
	verdict.Valid = verdict.Code == CodeValid
	return verdict
}

// judge applies the record to the request.
func (v *Verifier) judge(m *memKey, r *Request, now time.Time, verdict *Verdict) (Code, string) {
	millis := now.UnixMilli()
	switch m.at(millis) {
	case stRevoked:
		return CodeRevoked, m.reason.Value()
	case stExpired:
		return CodeExpired, "the key has expired"
	case stSuspended:
		if m.suspendedUntil != 0 {
			verdict.SuspendedUntil = time.UnixMilli(m.suspendedUntil).UTC()
		}
		return CodeSuspended, m.reason.Value()
	case stActive:
	}
	if account, suspended := v.accounts.find(m.account); suspended {
		return CodeAccountSuspended, account.reason
	}
	if r.Environment != "" && r.Environment != m.environment {
		return CodeWrongEnvironment, "this is a " + string(m.environment) + " key"
	}
	if m.limits == nil {
		if len(r.RequiredScopes) > 0 {
			return CodeScope, "the key lacks the scope " + r.RequiredScopes[0]
		}
	} else if code, reason := v.judgeLimits(m.limits, r, millis); code != "" {
		return code, reason
	}
	if v.cfg.Quota != nil {
		if ok, reason := v.cfg.Quota(m.id); !ok {
			return CodeQuota, reason
		}
	}
	if m.limits != nil && m.limits.throttle != nil { // last, so that what is refused anyway takes nothing from the bucket
		t := m.limits.throttle
		if t.until == 0 || millis < t.until {
			// The monotonic clock, where there is one: setting the wall clock back makes nobody wait.
			if a := v.cfg.Limiter.Take(t.bucket, now.Sub(v.made)); !a.OK {
				verdict.RetryAfter = a.Wait
				return CodeRateLimited, t.reason
			}
		}
	}
	return CodeValid, ""
}

func (v *Verifier) judgeLimits(l *limits, r *Request, millis int64) (Code, string) {
	ip := r.ClientIP.Unmap().WithZone("")
	if len(l.cidrs) > 0 && !contains(l.cidrs, ip) {
		if !ip.IsValid() {
			return CodeIPNotAllowed, "the key is bound to networks and the client's address is not known"
		}
		return CodeIPNotAllowed, "the key may not be used from this address"
	}
	for i := range l.denied {
		d := &l.denied[i]
		if (d.until == 0 || millis < d.until) && v.denies(d, r, ip) {
			return CodeQuarantined, d.reason
		}
	}
	for _, want := range r.RequiredScopes {
		if !granted(l.scopes, want) {
			return CodeScope, "the key lacks the scope " + want
		}
	}
	return "", ""
}

// Denial is a quarantine that applies to a call.
type Denial struct {
	AlertID string // that led to it; "" for one that a person made without an alert
	Since   time.Time
	Until   time.Time // zero: until it is lifted
}

// DeniesAny reports whether any key has denied actors: while none has, no call need be asked about.
func (v *Verifier) DeniesAny() bool { return v.index.denying.Load() > 0 }

// Denies reports whether a key has denied actors.
func (v *Verifier) Denies(keyID string) bool { return v.index.findID(keyID).denies() == 1 }

// Denied says which quarantine a call that was seen in a log would have met, had the gateway asked as it should. Only what
// is known for certain counts: r must name the client's network or address, and its family.
func (v *Verifier) Denied(r *Request) (Denial, bool) {
	m := v.index.findID(r.KeyID)
	if m.denies() == 0 || !r.ClientIP.IsValid() {
		return Denial{}, false
	}
	millis := v.now().UnixMilli()
	for i := range m.limits.denied {
		d := &m.limits.denied[i]
		if (d.until != 0 && millis >= d.until) || (d.agent != "" && r.Agent == "") || !v.denies(d, r, r.ClientIP) {
			continue
		}
		out := Denial{AlertID: d.alert, Since: time.UnixMilli(d.at).UTC()}
		if d.until != 0 {
			out.Until = time.UnixMilli(d.until).UTC()
		}
		return out, true
	}
	return Denial{}, false
}

// denies reports whether the caller is the denied actor, or, for want of knowledge, could be.
func (v *Verifier) denies(d *denial, r *Request, ip netip.Addr) bool {
	switch d.kind {
	case DenyASN:
		asn := r.ASN
		if asn == 0 {
			if v.cfg.ASN == nil || !ip.IsValid() {
				return v.isAgent(d, r)
			}
			asn = v.cfg.ASN(ip)
		}
		return asn == d.asn && v.isAgent(d, r)
	case DenyAgent:
		if r.Agent == "" && r.UserAgent == "" {
			return true
		}
		return strings.EqualFold(r.Agent, d.agent) || containsFold(r.UserAgent, d.agent)
	case DenyCIDR:
		return (!ip.IsValid() || d.cidr.Contains(ip)) && v.isAgent(d, r)
	}
	return false
}

// isAgent reports whether the caller is of the family that a denial of a network is narrowed down to, or could be.
func (v *Verifier) isAgent(d *denial, r *Request) bool {
	switch {
	case d.agent == "" || r.Agent == "" && r.UserAgent == "":
		return true
	case r.Agent != "":
		return strings.EqualFold(r.Agent, d.agent)
	case v.cfg.Agent != nil:
		return strings.EqualFold(v.cfg.Agent(r.UserAgent), d.agent)
	}
	return containsFold(r.UserAgent, d.agent)
}

// containsFold reports whether s holds lower, which is in lower case, in any case of ASCII letters. It does not allocate.
func containsFold(s, lower string) bool {
	for i := 0; i+len(lower) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}

// granted reports whether one of scopes is want, "*", or a prefix of want that ends in "*".
func granted(scopes []string, want string) bool {
	for _, s := range scopes {
		if s == want {
			return true
		}
		if prefix, wild := strings.CutSuffix(s, "*"); wild && strings.HasPrefix(want, prefix) {
			return true
		}
	}
	return false
}

// lookup finds a presented key. The code is MALFORMED when it cannot be one.
func (v *Verifier) lookup(key string) (*memKey, Code) {
	// The bytes of the string are only read, and copied before they are hashed; a conversion would allocate.
	b := unsafe.Slice(unsafe.StringData(key), len(key))
	if shapeOf(b) == shapeJunk {
		return nil, CodeMalformed
	}
	return v.search(b), ""
}

// search tries the versions of the pepper, the newest first.
func (v *Verifier) search(key []byte) *memKey {
	versions := v.store.pepper.versions
	for i := len(versions) - 1; i >= 0; i-- {
		sum := versions[i].sum(key)
		if m := v.index.find(digest(sum[:16])); m != nil {
			return m
		}
	}
	return nil
}

// Resolve turns a key that was found in an access log into the id that stands for it from then on: that of its record, or,
// for a key that the store does not know, "unk_" and 16 hexadecimal digits of its HMAC, the same for the same key every
// time. It does not judge: suspended, revoked and deleted keys resolve to their id too. The caller may reuse plaintext.
func (v *Verifier) Resolve(plaintext []byte) (keyID string, known bool) {
	if shapeOf(plaintext) != shapeJunk {
		if m := v.search(plaintext); m != nil {
			return m.id, true
		}
	}
	sum := v.store.pepper.oldest().sum(plaintext)
	const hexDigits = "0123456789abcdef"
	var id [len(observedPrefix) + 16]byte
	copy(id[:], observedPrefix)
	for i, b := range sum[:8] {
		id[len(observedPrefix)+2*i], id[len(observedPrefix)+2*i+1] = hexDigits[b>>4], hexDigits[b&15]
	}
	return string(id[:]), false
}

// Info is what detection and quotas may know about a key.
type Info struct {
	ID          string
	AccountID   string
	PlanID      string
	Environment Environment
	Source      Source
	Status      Status
	Tags        []string
	RotatedFrom string // whose habits it inherits
	CreatedAt   time.Time
	Version     int64
}

// KeyInfo returns what memory holds about a key, deleted ones included.
func (v *Verifier) KeyInfo(id string) (Info, bool) {
	m := v.index.findID(id)
	if m == nil {
		return Info{}, false
	}
	info := Info{
		ID: m.id, AccountID: m.account.Value(), PlanID: m.plan.Value(), Environment: m.environment, Source: m.source,
		Status: statusNames[m.at(v.now().UnixMilli())], RotatedFrom: m.rotatedFrom, CreatedAt: time.UnixMilli(m.createdAt).UTC(), Version: m.version,
	}
	if tags := m.tags.Value(); tags != "" {
		info.Tags = strings.Split(tags, " ")
	}
	return info, true
}

// Knows reports whether the store has a record for id.
func (v *Verifier) Knows(id string) bool { return v.index.findID(id) != nil }
