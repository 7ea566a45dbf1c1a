package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// editsKeys is a part of the test of the server on dir.
func editsKeys(t *testing.T, dir string) {
	do := func(args ...string) string {
		t.Helper()
		out, errOut, code := tollkeeper(t, append(args, "--data", dir)...)
		require.Zero(t, code, "%v: %s", args, errOut)
		return out
	}
	refused := func(wantCode int, want string, args ...string) {
		t.Helper()
		out, errOut, code := tollkeeper(t, append(args, "--data", dir)...)
		require.Equal(t, wantCode, code, "%v: %s%s", args, out, errOut)
		require.Contains(t, errOut, want)
	}
	issued := strings.Fields(do("keys", "issue", "warehouse", "--plan", "growth", "--tag", "batch", "--scope", "orders:read", "--expires", "2099-12-31", "--metadata", "ticket=OPS-42"))
	id, secret := issued[0], issued[1]
	shown := do("keys", "show", id)
	for _, want := range []string{"growth", "batch", "orders:read", "2099-12-31", "ticket=OPS-42"} {
		require.Contains(t, shown, want)
	}

	shown = do("keys", "edit", id, "--name", "warehouse, Graz", "--allow", "203.0.113.0/24,2001:db8::/48", "--expires", "never", "--tag", "", "--plan", "")
	for _, want := range []string{"warehouse, Graz", "203.0.113.0/24, 2001:db8::/48", "orders:read", "ticket=OPS-42"} {
		require.Contains(t, shown, want, "what is not named stays")
	}
	for _, gone := range []string{"growth", "batch", "2099"} {
		require.NotContains(t, shown, gone)
	}
	refused(2, "what is to change is missing", "keys", "edit", id)
	refused(2, `--expires is "soon"`, "keys", "edit", id, "--expires", "soon")
	refused(1, "allowed_cidrs", "keys", "edit", id, "--allow", "nowhere")
	refused(1, "expires_at", "keys", "edit", id, "--expires", "2001-01-01")

	require.Equal(t, id+" passes\n", do("keys", "verify", id, "--ip", "203.0.113.7"))
	refused(1, id+": IP_NOT_ALLOWED", "keys", "verify", id, "--ip", "198.51.100.7")
	refused(1, "INSUFFICIENT_SCOPE", "keys", "verify", id, "--ip", "203.0.113.7", "--scope", "orders:write")
	refused(1, "NOT_FOUND", "keys", "verify", "key_nonsense")
	refused(2, "which key is missing", "keys", "verify")
	var out bytes.Buffer
	cmd := exec.Command(binary, "keys", "verify", "--data", dir, "--ip", "203.0.113.7")
	cmd.Stdin, cmd.Stdout, cmd.Dir = strings.NewReader(secret), &out, repository(t)
	require.NoError(t, cmd.Run())
	require.Equal(t, id+" passes\n", out.String())
	require.Contains(t, do("keys", "verify", id, "--ip", "198.51.100.7", "--json"), `"valid":false`)
}
