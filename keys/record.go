package keys

import (
	"net/netip"
	"strings"
	"time"
)

// Status is where a key is in its life. Only an active key is accepted.
type Status string

// The life of a key: active ⇄ suspended, and from both to revoked or expired, which are final.
const (
	Active    Status = "active"
	Suspended Status = "suspended"
	Revoked   Status = "revoked"
	Expired   Status = "expired"
)

// Source says how the store came to know a key.
type Source string

const (
	// Issued keys were made here.
	Issued Source = "issued"
	// Imported keys were made elsewhere; the store knows their HMAC.
	Imported Source = "imported"
	// Observed keys are known by their id in the access log alone, such as a gateway's consumer name. They can be listed
	// and suspended, but not verified by their secret, which the store never saw.
	Observed Source = "observed"
)

// Key is a key's record; it never holds the key itself.
type Key struct {
	ID          string // key_..., or, of an observed key, the id in the log
	Name        string
	AccountID   string // "" when it belongs to no account
	PlanID      string
	Environment Environment
	Source      Source
	Prefix      string // tk_live_; "" unless issued here
	Last4       string // for people to recognise it; "" for an observed key

	Status         Status // as of when the record was read: what time alone changes is accounted for
	Reason         string // why it has this status
	Actor          string // who gave it this status: user:<name>, detector:<id>, api, system:<part>
	AlertID        string // the alert that led to it
	StatusAt       time.Time
	SuspendedUntil time.Time // zero: until somebody reinstates it
	ExpiresAt      time.Time // zero: never
	GraceUntil     time.Time // of a rotated key: when it stops working
	RotatedFrom    string
	RotatedTo      string

	Tags         []string
	Scopes       []string // "*" grants all, "orders:*" all that begin with "orders:"; none grants none
	AllowedCIDRs []netip.Prefix
	Quarantine   []Denied
	Throttle     *Throttle // nil: none
	Metadata     map[string]string

	Version   int64 // grows by one with every change
	Seq       int64 // place of the last change among all changes of all keys
	CreatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time // zero: not deleted

	hash   []byte
	pepper int64
}

// DenyKind says by what a quarantine recognises an actor.
type DenyKind string

// The kinds of actors.
const (
	DenyASN   DenyKind = "asn"   // Value: the number, "64500"
	DenyAgent DenyKind = "agent" // Value: a client family, or part of a user agent, in any case
	DenyCIDR  DenyKind = "cidr"  // Value: a network or an address
)

// Denied is one actor who may not use a key that others may go on using: the thief rather than the customer's key. An actor in a
// network may be narrowed down to one client family, so that the customer's own calls from the same network pass.
type Denied struct {
	Kind    DenyKind  `json:"kind"`
	Value   string    `json:"value"`
	Agent   string    `json:"agent,omitempty"` // with asn and cidr: only clients of this family; "" is all of the network
	Until   time.Time `json:"until,omitzero"`  // zero: until it is lifted
	Reason  string    `json:"reason,omitempty"`
	AlertID string    `json:"alert_id,omitempty"`
	Actor   string    `json:"actor,omitempty"`
	At      time.Time `json:"at"`
}

// same says that both name the same actor.
func (d *Denied) same(o *Denied) bool {
	return d.Kind == o.Kind && d.Value == o.Value && strings.EqualFold(d.Agent, o.Agent)
}

// By says who makes a change, why, and on what condition.
type By struct {
	Actor     string // user:<name>, detector:<id>, api, system:<part>
	Reason    string
	RequestID string
	AlertID   string
	IfVersion int64 // 0: whatever the version is; else [ErrVersion] unless the record still has it
}

// due returns the status that time alone has given k by now, and since when. Expiry wins over the end of a suspension.
func (k *Key) due(now time.Time) (Status, time.Time) {
	if k.Status != Active && k.Status != Suspended {
		return k.Status, k.StatusAt
	}
	end := k.ExpiresAt
	if !k.GraceUntil.IsZero() && (end.IsZero() || k.GraceUntil.Before(end)) {
		end = k.GraceUntil
	}
	if !end.IsZero() && !now.Before(end) {
		return Expired, end
	}
	if k.Status == Suspended && !k.SuspendedUntil.IsZero() && !now.Before(k.SuspendedUntil) {
		return Active, k.SuspendedUntil
	}
	return k.Status, k.StatusAt
}

// settle makes what time has changed by now part of the record, and reports whether it did.
func (k *Key) settle(now time.Time) bool {
	status, since := k.due(now)
	if status == k.Status {
		return false
	}
	switch status {
	case Expired:
		k.Reason = "expired"
		if since.Equal(k.GraceUntil) {
			k.Reason = "replaced by " + k.RotatedTo
		}
	default:
		k.Reason = "the suspension ended by itself"
	}
	k.Status, k.StatusAt, k.SuspendedUntil, k.Actor, k.AlertID = status, since, time.Time{}, systemActor, ""
	return true
}

// systemActor is who makes the changes that time makes.
const systemActor = "system:clock"
