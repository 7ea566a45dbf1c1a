package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCommandLineAdministersTheServerOnItsDataFolder(t *testing.T) {
	dir := t.TempDir()
	_, errOut, code := tollkeeper(t, "keys", "list", "--data", dir)
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "no server runs on data folder "+dir)

	serve(t, "--data", dir)
	do := func(args ...string) string {
		t.Helper()
		out, errOut, code := tollkeeper(t, append(args, "--data", dir)...)
		require.Zero(t, code, "%v: %s", args, errOut)
		return out
	}
	issued := strings.Fields(do("keys", "issue", "a partner", "--account", "acct_partner"))
	require.Len(t, issued, 2)
	id, secret := issued[0], issued[1]
	require.True(t, strings.HasPrefix(secret, "tk_live_"))
	require.Contains(t, do("keys", "list"), id)
	require.NotContains(t, do("keys", "list", "--json"), secret)
	do("keys", "suspend", id, "--reason", "seen in a public repository", "--for", "1h")
	require.Contains(t, do("keys", "show", id), "seen in a public repository")
	do("keys", "reinstate", id, "--reason", "it was another one")
	rotated := strings.Fields(do("keys", "rotate", id))
	require.NotEqual(t, id, rotated[0])
	do("keys", "revoke", id, "--reason", "rotated")
	require.Contains(t, do("alerts", "list"), "SEVERITY")
	require.Contains(t, do("deadletters", "list"), "REASON")
	require.Contains(t, do("usage", "--account", "acct_partner"), "total")
	var page struct{ Items []struct{ Status string } }
	require.NoError(t, json.Unmarshal([]byte(do("keys", "list", "--json", "--status", "revoked")), &page))
	require.Len(t, page.Items, 1)

	_, errOut, code = tollkeeper(t, "keys", "list", "--status", "gone", "--data", dir)
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: Invalid request: status must be one of active, suspended, revoked, expired\n", errOut)
	_, errOut, code = tollkeeper(t, "keys", "suspend", "key_nonsense", "--reason", "x", "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, strings.ToLower(errOut), "not found")
}
