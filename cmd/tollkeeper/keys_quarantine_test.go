package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAQuarantineIsMadeAndLiftedOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--data", dir)
	do := func(args ...string) string {
		t.Helper()
		out, errOut, code := tollkeeper(t, append(args, "--data", dir)...)
		require.Zero(t, code, errOut)
		return strings.TrimSpace(out)
	}
	id, secret, _ := strings.Cut(do("keys", "issue", "production"), "\n")
	verify := func(ip, agent string) string {
		var v struct{ Data struct{ Code string } }
		require.Equal(t, http.StatusOK, s.call("POST", "/v1/keys/verify", map[string]any{"key": secret, "client_ip": ip, "user_agent": agent}, &v))
		return v.Data.Code
	}
	require.Equal(t, id+" refuses these clients", do("keys", "quarantine", id, "--cidr", "198.51.100.0/24", "--agent", "curl", "--for", "1h", "--reason", "not theirs"))
	require.Equal(t, "QUARANTINED", verify("198.51.100.7", "curl/8"))
	require.Equal(t, "VALID", verify("198.51.100.7", "acme/1"))
	require.Contains(t, do("keys", "show", id), "198.51.100.0/24")
	do("keys", "release", id, "--cidr", "198.51.100.0/24", "--agent", "curl", "--reason", "it was theirs")
	require.Equal(t, "VALID", verify("198.51.100.7", "curl/8"))
	_, errOut, exit := tollkeeper(t, "keys", "quarantine", id, "--reason", "x", "--data", dir)
	require.NotZero(t, exit)
	require.Contains(t, errOut, "--asn, --cidr or --agent")
}
