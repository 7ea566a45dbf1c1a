package enrich

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// Callers choose their user agents and, within a network, their addresses: what is remembered of them is bounded, and what
// does not fit is still told rightly.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	e := defaults(t)
	var b usage.Batch
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{8, 8, byte(i >> 8), byte(i)}) }
	for block := range 4 {
		b.Reset()
		for i := range 40_000 {
			n := block*40_000 + i
			b.Append(&usage.Record{ClientIP: address(n), UserAgent: fmt.Sprintf("made-up-%d/1.0", n)})
		}
		e.Fill(&b, 0)
	}
	if len(e.free) != 1 {
		t.Fatalf("%d memories for one batch", len(e.free))
	}
	m := e.free[0]
	if len(m.addresses) != addressSlots || len(m.agents) > maxAgents || len(b.Agent.Values) > maxFamilies+1 {
		t.Errorf("%d addresses, %d user agents and %d families are remembered", len(m.addresses), len(m.agents), len(b.Agent.Values))
	}
	b.Reset()
	for i := range 3 {
		b.Append(&usage.Record{ClientIP: address(i * 5000), UserAgent: "curl/8.7.1"})
	}
	e.Fill(&b, 0)
	for i := range b.Len() {
		country, asn := e.Lookup(address(i * 5000))
		if b.Country.At(i) != country || b.ASN[i] != asn {
			t.Errorf("%s is in %q and %d, alone in %q and %d", address(i*5000), b.Country.At(i), b.ASN[i], country, asn)
		}
	}
}
