package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyCheckNamesEveryProblem(t *testing.T) {
	out, errOut, code := tollkeeper(t, "policy", "check", filepath.Join(repository(t), "deploy", "policies", "example.yaml"))
	require.Zero(t, code, errOut)
	require.Contains(t, out, "is valid")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("version: 2\ncaps: {suspensions_per_hour: -1}\npolicies: [{id: a}]\n"), 0o600))
	_, errOut, code = tollkeeper(t, "policy", "check", bad)
	require.Equal(t, 2, code)
	require.Len(t, strings.Split(strings.TrimSpace(errOut), "\n"), 2, errOut)
	require.Contains(t, errOut, "version is 2")
	require.Contains(t, errOut, "a cap is negative")
}
