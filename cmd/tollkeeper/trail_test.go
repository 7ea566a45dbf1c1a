package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTrailIsListedWithWhatWasAskedFor(t *testing.T) {
	do := answers(t, map[string]string{"/v1/audit?action=key.suspend&actor=user%3Aada&from=2026-03-01T00%3A00%3A00Z&limit=50&target_id=key_1&to=2026-03-08T12%3A00%3A00Z": `{"items":[
		{"id":"aud_7","at":"2026-03-02T10:00:00Z","actor":"user:ada","action":"key.suspend","target_id":"key_1","before":"active","after":"suspended","reason":"leaked"}],"next_cursor":"abc"}`})
	out, errOut, code := do("trail", "list", "--action", "key.suspend", "--actor", "user:ada", "--target", "key_1", "--since", "2026-03-01", "--until", "2026-03-08T12:00:00Z")
	require.Zero(t, code, errOut)
	require.Equal(t, []string{"2026-03-02", "10:00:00", "user:ada", "key.suspend", "key_1", "active", "suspended", "leaked"}, strings.Fields(strings.Split(out, "\n")[1]))
	require.Contains(t, errOut, "--cursor abc")
	_, errOut, code = do("trail", "list", "--since", "2d", "--until", "3d")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "--since 2d is not before --until 3d")
}

// A script reads JSON and the exit code; both must say it.
func TestWhatIsNotIntactExitsWithOneInEveryForm(t *testing.T) {
	const broken = `{"intact":false,"first":1,"entries":6,"problem":"the audit trail is broken: row 7 is missing"}`
	do := answers(t, map[string]string{
		"/v1/audit/check":              broken,
		"/v1/audit/check?noted=3%3Aab": `{"intact":true,"first":2,"entries":11,"head":"12:cd"}`,
	})
	out, errOut, code := do("trail", "check")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: not intact\n", errOut)
	require.Equal(t, "6 entries from number 1 on are intact, then: the audit trail is broken: row 7 is missing\n", out)
	out, errOut, code = do("trail", "check", "--json")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: not intact\n", errOut)
	require.JSONEq(t, broken, out)

	const changed = `{"intact":false,"statements":2,"problem":"statement 2026-3 is not what was issued"}`
	bills := answers(t, map[string]string{"/v1/statements/check": changed})
	out, errOut, code = bills("statements", "check")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: not intact\n", errOut)
	require.Equal(t, "2 statements are what was issued, then: statement 2026-3 is not what was issued\n", out)
	out, _, code = bills("statements", "check", "--json")
	require.Equal(t, 1, code)
	require.JSONEq(t, changed, out)

	out, errOut, code = do("trail", "check", "--noted", "3:ab")
	require.Zero(t, code, errOut)
	require.Equal(t, "11 entries from number 2 on are intact\n12:cd\n", out)
}
