package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/keys"
)

// maxGuises is how many clients of a key detection refuses one by one: a thief who comes back under yet another guise makes
// the key itself suspended.
const maxGuises = 3

// denial names the actor of a decision in the key store's words. ok is false where refusing it would refuse the customer,
// too, or where nothing is known by which verify could tell it.
func denial(a *detect.Actor) (d keys.Denied, ok bool) {
	d.Agent = a.Agent
	switch {
	case !a.Separable:
		return d, false
	case a.ASN != 0:
		d.Kind, d.Value = keys.DenyASN, strconv.FormatUint(uint64(a.ASN), 10)
	case a.Network != "":
		d.Kind, d.Value = keys.DenyCIDR, a.Network
	default: // the log has no addresses: the client alone tells
		d.Kind, d.Value, d.Agent = keys.DenyAgent, a.Agent, ""
		return d, a.Agent != "" && !a.NewNetwork
	}
	// Without a name of the client all of the network is refused, which must then be none of the customer's.
	return d, d.Agent != "" || a.NewNetwork
}

// quarantineOrSuspend says which of the two a decision that wants a quarantine gets, and if it is a suspension, why.
func (e *enforcer) quarantineOrSuspend(ctx context.Context, d *detect.Decision) (detect.Action, string, error) {
	if _, ok := denial(&d.Actor); !ok {
		return detect.ActionSuspend, "the actor cannot be told from the customer", nil
	}
	k, err := e.keys.Get(ctx, d.KeyID)
	if err != nil {
		return 0, "", err
	}
	guises := map[string]bool{}
	for _, q := range k.Quarantine {
		if q.Actor == detectorActor && (q.Until.IsZero() || e.now().Before(q.Until)) {
			guises[q.AlertID] = true
		}
	}
	if len(guises) >= maxGuises {
		return detect.ActionSuspend, fmt.Sprintf("%d clients of the key are refused already", len(guises)), nil
	}
	return detect.ActionQuarantine, "", nil
}

// denials is what the key store gets for a quarantine.
func (e *enforcer) denials(d *detect.Decision, until time.Time, alertID string) []keys.Denied {
	x, _ := denial(&d.Actor)
	x.Until, x.Reason, x.AlertID, x.Actor, x.At = until, d.Reason, alertID, detectorActor, e.now().UTC()
	return []keys.Denied{x}
}

// describe names a refused actor for people.
func describe(d keys.Denied) string {
	network := "network " + d.Value
	if d.Kind == keys.DenyASN {
		network = "AS" + d.Value
	}
	switch {
	case d.Kind == keys.DenyAgent:
		return d.Value
	case d.Agent != "":
		return d.Agent + " in " + network
	}
	return network
}
