package detect

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABlockStandsForANetworkWithoutANumber(t *testing.T) {
	netOf := func(ip string, asn uint32) uint32 {
		_, net := addressOf(netip.MustParseAddr(ip).As16(), asn)
		return net
	}
	require.Equal(t, netOf("198.51.100.7", 0), netOf("198.51.3.9", 0))
	require.NotEqual(t, netOf("198.51.100.7", 0), netOf("198.52.100.7", 0))
	require.Equal(t, netOf("2001:db8:1::1", 0), netOf("2001:db8:2::1", 0))
	require.NotEqual(t, netOf("2001:db8:1::1", 0), netOf("2001:db9:1::1", 0))
	require.Equal(t, uint32(64500), netOf("198.51.100.7", 64500))
	require.NotEqual(t, netOf("198.51.100.7", 64500), netOf("198.51.100.7", 0), "what is told by its number is not what is told by its block")
	require.Equal(t, "198.51.0.0/16", blockOf(netip.MustParseAddr("198.51.100.7")))
	require.Equal(t, "2001:db8::/32", blockOf(netip.MustParseAddr("2001:db8:1::1")))
	require.Equal(t, "an unknown network", blockOf(netip.Addr{}))
}
