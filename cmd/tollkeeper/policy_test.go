package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPolicyCheckNamesEveryProblem(t *testing.T) {
	out, errOut, code := tollkeeper(t, "policy", "check", filepath.Join(repository(t), "deploy", "policies", "example.yaml"))
	require.Zero(t, code, errOut)
	require.Contains(t, out, "is valid")
	example, errOut, code := tollkeeper(t, "policy", "example")
	require.Zero(t, code, errOut)
	own := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(own, []byte(example), 0o600))
	out, errOut, code = tollkeeper(t, "policy", "check", own)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "policies in order: our-own, partners, own-servers, trial, everybody-else\n")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("version: 2\ncaps: {suspensions_per_hour: -1}\npolicies: [{id: a}]\n"), 0o600))
	_, errOut, code = tollkeeper(t, "policy", "check", bad)
	require.Equal(t, 2, code)
	require.Len(t, strings.Split(strings.TrimSpace(errOut), "\n"), 2, errOut)
	require.Contains(t, errOut, "line 1: version is 2")
	require.Contains(t, errOut, "a cap is negative")

	var found checked
	out, errOut, code = tollkeeper(t, "policy", "check", own, "--json")
	require.Zero(t, code, errOut)
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.True(t, found.Valid)
	require.Equal(t, "our-own", found.Policies[0])
	out, _, code = tollkeeper(t, "policy", "check", bad, "--json")
	require.Equal(t, 2, code)
	require.NoError(t, json.Unmarshal([]byte(out), &found))
	require.False(t, found.Valid)
	require.Len(t, found.Problems, 2)
	require.Contains(t, found.Problems[0].Problem, "line 1: version is 2")
}

// A changed file counts within seconds; a broken one leaves the old one in force and says so.
func TestThePolicyFileIsReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("version: 1\npolicies:\n- id: first\n")
	s := serve(t, "--data", dir, "--policy", file)
	type list struct {
		Items   []struct{ Revision string }
		InForce string `json:"in_force"`
		Problem string
	}
	read := func() (l list) {
		require.Equal(t, http.StatusOK, s.call("GET", "/v1/policies", nil, &l))
		return l
	}
	first := read()
	require.Len(t, first.Items, 1)
	require.Equal(t, first.Items[0].Revision, first.InForce)

	write("version: 1\npolicies:\n- id: first\n  mode: loud\n")
	s.find(10*time.Second, "the changed policy file is not valid; the policies stay as they were.*line 4: first: mode is")
	broken := read()
	require.Equal(t, first.InForce, broken.InForce)
	require.Contains(t, broken.Problem, "line 4: first: mode is")

	write("version: 1\npolicies:\n- id: second\n  mode: observe\n")
	s.find(10*time.Second, "policies changed")
	second := read()
	require.NotEqual(t, first.InForce, second.InForce)
	require.Empty(t, second.Problem)
	require.Len(t, second.Items, 2)

	require.NoError(t, os.Remove(file))
	s.find(15*time.Second, "the policy file is gone; the policies stay as they were")
	gone := read()
	require.Equal(t, second.InForce, gone.InForce)
	require.Contains(t, gone.Problem, "is gone")
	write("version: 1\npolicies:\n- id: second\n  mode: observe\n")
	s.find(10*time.Second, "the policy file is as it was; the policies have not changed")
	require.Empty(t, read().Problem)

	out, errOut, code := tollkeeper(t, "policy", "history", "--data", dir)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "in force: "+second.InForce)
	require.Contains(t, out, first.InForce)
	out, errOut, code = tollkeeper(t, "policy", "show", first.InForce, "--data", dir)
	require.Zero(t, code, errOut)
	require.Equal(t, "version: 1\npolicies:\n- id: first\n", out)
	out, errOut, code = tollkeeper(t, "policy", "diff", first.InForce, file, "--data", dir)
	require.Zero(t, code, errOut)
	require.Equal(t, "  version: 1\n  policies:\n- - id: first\n+ - id: second\n+   mode: observe\n", out)
	var trail struct {
		Items []struct{ Before, After string }
	}
	require.Equal(t, http.StatusOK, s.call("GET", "/v1/audit?action=policy.load", nil, &trail))
	require.Len(t, trail.Items, 2)
	_, errOut, code = tollkeeper(t, "policy", "show", "nothing", "--data", dir)
	require.NotZero(t, code)
	require.Contains(t, errOut, "not")
}
