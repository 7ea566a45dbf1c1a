package keys_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

// A thief is a client in a network. Whoever shares only one of the two with it is not the thief.
func TestAQuarantineIsForOneClientInOneNetwork(t *testing.T) {
	c := newClock()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), c.Now)
	family := func(agent string) string { name, _, _ := strings.Cut(agent, "/"); return name }
	v := newVerifier(t, s, keys.VerifierConfig{
		Bound: never,
		ASN:   func(ip netip.Addr) uint32 { return uint32(ip.As4()[3]) }, Agent: family,
	})
	ctx := context.Background()
	k, secret := issue(t, s, keys.New{})
	until := c.Now().Add(time.Hour)
	thief := []keys.Denied{
		{Kind: keys.DenyASN, Value: "66", Agent: "Python-Requests", Until: until}, {Kind: keys.DenyCIDR, Value: "198.51.100.0/24", Agent: "Wget", Until: until},
	}
	by := keys.By{Actor: "detector:x", Reason: "not the customer", AlertID: "alrt_1"}
	if _, _, err := s.Quarantine(ctx, k.ID, thief, by); err != nil {
		t.Fatal(err)
	}
	code := func(ip, agent string) keys.Code {
		r := keys.Request{Key: secret, UserAgent: agent}
		if ip != "" {
			r.ClientIP = netip.MustParseAddr(ip)
		}
		return v.Verify(r).Code
	}
	for _, tc := range []struct {
		name, ip, agent string
		want            keys.Code
	}{
		{"the customer", "203.0.113.1", "acme/1.0", keys.CodeValid},
		{"the customer in the thief's network", "203.0.113.66", "acme/1.0", keys.CodeValid},
		{"the customer with the thief's client", "203.0.113.1", "python-requests/2.3", keys.CodeValid},
		{"the thief", "203.0.113.66", "python-requests/2.3", keys.CodeQuarantined},
		{"the other thief", "198.51.100.7", "Wget/1.2", keys.CodeQuarantined},
		{"one thief's client in the other's network", "198.51.100.7", "python-requests/2.3", keys.CodeValid},
		{"one who only mentions the thief's client", "203.0.113.66", "acme/1.0 like python-requests", keys.CodeValid},
		{"the thief without a name", "203.0.113.66", "", keys.CodeQuarantined},
		{"behind a gateway that hides the address", "", "python-requests/2.3", keys.CodeQuarantined},
		{"the customer behind such a gateway", "", "acme/1.0", keys.CodeValid},
		{"behind a gateway that tells nothing", "", "", keys.CodeQuarantined},
	} {
		if got := code(tc.ip, tc.agent); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	if _, changed, err := s.LiftQuarantine(ctx, k.ID, keys.Denied{Kind: keys.DenyASN, Value: "66"}, ada); err != nil || changed {
		t.Errorf("lifting one that is not there: %v, %v", changed, err)
	}
	if _, changed, err := s.LiftQuarantine(ctx, k.ID, keys.Denied{Kind: keys.DenyASN, Value: "66", Agent: "python-requests"}, ada); err != nil || !changed {
		t.Errorf("lifting the first: %v, %v", changed, err)
	}
	if got := code("203.0.113.66", "python-requests/2.3"); got != keys.CodeValid {
		t.Errorf("when it was lifted: %s", got)
	}
	if got := code("198.51.100.7", "Wget/1.2"); got != keys.CodeQuarantined {
		t.Errorf("the other one, then: %s", got)
	}
	c.Advance(time.Hour)
	if got := code("198.51.100.7", "Wget/1.2"); got != keys.CodeValid {
		t.Errorf("when its time is over: %s", got)
	}
}
