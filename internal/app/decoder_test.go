package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// The settings reach the decoder: a log of any other JSON, by a mapping file, behind two proxies that are believed.
func TestTheDecoderIsTheOneOfTheSettings(t *testing.T) {
	mapping := filepath.Join(t.TempDir(), "mapping.yaml")
	require.NoError(t, os.WriteFile(mapping, []byte("fields: {time: {from: ts, unit: ms}, status: http.status, path: http.url, api_key: key, client_ip: peer, forwarded_for: xff}"), 0o600))
	resolver, err := accesslog.NewHMACResolver([]byte("a pepper for tests only"))
	require.NoError(t, err)
	client := func(hops int) netip.Addr {
		c := config.Default()
		c.Format, c.Mapping, c.TrustedHops = "mapping", mapping, hops
		d, err := NewDecoder(c, resolver)
		require.NoError(t, err)
		var b usage.Batch
		line := `{"ts":1795532645123,"http":{"status":200,"url":"/v1/x"},"key":"sk_live_abcdefgh12345678","peer":"10.0.0.1","xff":"203.0.113.5, 198.51.100.7, 10.0.0.2"}`
		require.NoError(t, d.Decode([]byte(line), accesslog.Origin{}, &b))
		require.Equal(t, 1, b.Len())
		return usage.Addr(b.ClientIP[0])
	}
	require.Equal(t, "10.0.0.1", client(0).String())
	require.Equal(t, "10.0.0.2", client(1).String())
	require.Equal(t, "198.51.100.7", client(2).String())
	require.Equal(t, "203.0.113.5", client(3).String())
}
