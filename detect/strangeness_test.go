package detect

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// A network from which one key was abused is less of a plain place for a week: who comes from it to another key is more of a stranger than
// somebody from a network that is as new. Its address is another one: those that are known are a matter of their own.
func TestANetworkThatAbusedOneKeyIsToldAtTheNext(t *testing.T) {
	stranger := func(asn uint32, later int64) float64 {
		s := newStory(12, 30).theft(3, 60, 9009, "scraper")
		s.c.millis += later
		other := s.c.record(&s.c.keys[7])
		other.ASN, other.Country, other.Agent, other.ClientIP = asn, "RO", "curl", netip.AddrFrom4([4]byte{192, 0, 2, 77})
		s.rows = append(s.rows, other)
		e := mustEngine(t)
		b := s.batch(0, len(s.rows))
		e.Observe(b, 0, b.Len())
		e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
		for _, a := range e.key("key_7").actors {
			if a.net == asn {
				return float64(a.who)
			}
		}
		t.Fatalf("nobody came from AS%d", asn)
		return 0
	}
	const hour, week = int64(hourMillis), int64(hostileMillis)
	require.InDelta(t, stranger(9010, hour)+hostileBonus, stranger(9009, hour), 0.2)
	require.InDelta(t, stranger(9010, week+hour), stranger(9009, week+hour), 0.2)
}

// Where somebody comes from, and by what program, adds to a new network, within bounds: they come together.
func TestANewCountryAndANewProgramAddToANewNetwork(t *testing.T) {
	stranger := func(change func(r *usage.Record)) float64 {
		s := newStory(12, 30)
		other := s.c.record(&s.c.keys[7])
		other.ASN, other.ClientIP = 9010, netip.AddrFrom4([4]byte{192, 0, 2, 77})
		change(&other)
		s.rows = append(s.rows, other)
		e := mustEngine(t)
		b := s.batch(0, len(s.rows))
		e.Observe(b, 0, b.Len())
		e.Advance(s.rows[len(s.rows)-1].TimeMillis + 2000)
		for _, a := range e.key("key_7").actors {
			if a.net == 9010 {
				return float64(a.who)
			}
		}
		t.Fatal("nobody came")
		return 0
	}
	network := stranger(func(*usage.Record) {})
	require.Greater(t, network, 1.0)
	country := stranger(func(r *usage.Record) { r.Country = "BR" })
	program := stranger(func(r *usage.Record) { r.Agent = "curl" })
	both := stranger(func(r *usage.Record) { r.Country, r.Agent = "BR", "curl" })
	require.InDelta(t, network+countryBonus, country, 1e-3)
	require.InDelta(t, network+agentBonus, program, 1e-3)
	require.InDelta(t, network+countryBonus+agentBonus, both, 1e-3)
}
