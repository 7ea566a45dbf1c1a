package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

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

	_, errOut, code = tollkeeper(t, "keys", "list", "--limit", "1", "--data", dir)
	require.Zero(t, code)
	require.Regexp(t, `There are more: add --cursor \S+\n`, errOut)
	require.Contains(t, do("keys", "list", "--limit", "1", "--cursor", strings.Fields(errOut)[5]), id)
	loose := strings.Fields(do("keys", "issue", "of nobody"))[0]
	require.Contains(t, do("keys", "assign", loose, "acct_other"), "belongs to acct_other")
	_, errOut, code = tollkeeper(t, "keys", "assign", loose, "acct_partner", "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "belong to acct_other for good")
	do("keys", "delete", loose, "--reason", "made by mistake")
	require.NotContains(t, do("keys", "list"), loose)
	importsKeys(t, dir)
	editsKeys(t, dir)

	// Nothing was used, so there is nothing to issue by itself; what is asked for is made.
	last := time.Now().UTC().AddDate(0, 0, -time.Now().UTC().Day()).Format("2006-01")
	require.Contains(t, do("statements", "preview", "--account", "acct_partner"), "still open")
	_, errOut, code = tollkeeper(t, "statements", "issue", "--account", "acct_partner", "--period", time.Now().UTC().Format("2006-01"), "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "can be issued from")
	require.Contains(t, do("statements", "list", "--period", last), "NUMBER")
	require.Equal(t, "0 statements are what was issued\n", do("statements", "check"))
	require.True(t, strings.HasPrefix(do("usage", "--account", "acct_partner", "--csv"), "start,end,sealed,"))
	link := strings.TrimSpace(do("login", "--name", "grace", "--role", "billing"))
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/login#tkt_[0-9a-f]+$`, link)
	_, errOut, code = tollkeeper(t, "login", "--role", "king", "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "role must be one of")
	_, errOut, code = tollkeeper(t, "keys", "list", "--status", "gone", "--data", dir)
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: Invalid request: status must be one of active, suspended, revoked, expired\n", errOut)
	_, errOut, code = tollkeeper(t, "keys", "suspend", "key_nonsense", "--reason", "x", "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, strings.ToLower(errOut), "not found")
}
