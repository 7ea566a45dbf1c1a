package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever mistypes is told what is wrong in words of the program, not of Go, and where help is; a script sees exit 2.
func TestMistypedCommandsAreRefusedAndSayWhereHelpIs(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
	}{
		{"keys", nil},
		{"keys lsit", []string{`unknown command "lsit"`, "did you mean list?", "tollkeeper keys --help"}},
		{"config chekc", []string{`unknown command "chekc"`, "did you mean check?"}},
		{"serve --lisen x", []string{"--lisen", "tollkeeper serve --help"}},
		{"serve --ingest-memory 2GB", []string{`--ingest-memory: "2GB" is not a size such as 512MiB or 2GiB`}},
		{"serve --events-days many", []string{`--events-days: "many" is not a whole number`}},
		{"serve --seal-grace soon", []string{`--seal-grace: "soon" is not a duration such as 15m`}},
		{"serve --replay=perhaps", []string{`--replay: "perhaps" is neither true nor false`}},
		{"ship", []string{"tollkeeper ship FILE"}},
		{"alerts confirm a1", []string{"--reason is missing; see 'tollkeeper alerts confirm --help'"}},
		{"import", []string{"tollkeeper import FILE..."}},
		{"keys list --server localhost:8080 --token x", []string{`"localhost:8080"`, "http://localhost:8080"}},
		{"audit --server https://u:hunter2@h --token x", []string{"server: the address has a user or a password in it", "--token"}},
		{"audit --server u:hunter2@h%zz --token x", []string{"server: the address has a user or a password in it"}},
		{"keys suspend key_1 --reason x --for -1h", []string{"--for", "-1h0m0s"}},
		{"ship --data " + t.TempDir() + " FILE", []string{"pepper", "--data"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			out, errOut, code := tollkeeper(t, strings.Fields(c.args)...)
			if c.want == nil {
				require.Zero(t, code)
				require.Contains(t, out, "Available Commands")
				return
			}
			require.Equal(t, 2, code, errOut)
			require.Empty(t, out)
			require.Equal(t, 1, strings.Count(errOut, "\n"), errOut)
			for _, want := range c.want {
				require.Contains(t, errOut, want)
			}
			require.NotContains(t, errOut, "strconv")
			require.NotContains(t, errOut, "hunter2")
		})
	}
}

// What a command makes no use of would hide what it does; a script that names it all the same goes on working.
func TestHelpHasTheSettingsThatConcernTheCommand(t *testing.T) {
	for command, c := range map[string]struct{ has, hasNot []string }{
		"backtest":        {[]string{"--policy", "--format", "--clickhouse ", "--config"}, []string{"--listen", "--kafka", "--feed-bound"}},
		"policy simulate": {[]string{"--policy", "--since", "--database"}, []string{"--listen", "--group", "--seal-grace"}},
		"import":          {[]string{"--dedup-window", "--truncate-ip", "--dry-run"}, []string{"--kafka", "--policy", "--throttle-per-minute"}},
		"ship":            {[]string{"--kafka ", "--topic ", "--database"}, []string{"--clickhouse", "--policy", "--kafka-retention"}},
		"serve":           {[]string{"--kafka ", "--listen", "--policy", "--clickhouse "}, nil},
	} {
		out, errOut, code := tollkeeper(t, append(strings.Fields(command), "--help")...)
		require.Zero(t, code, errOut)
		for _, flag := range c.has {
			require.Contains(t, out, "      "+flag, command)
		}
		for _, flag := range c.hasNot {
			require.NotContains(t, out, "      "+flag, command)
		}
	}
	_, errOut, code := tollkeeper(t, "backtest", "--listen", "127.0.0.1:9999", "--out", t.TempDir())
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "what is to be replayed is missing")
}

func TestConfigCheckReadsTheFilesThatTheSettingsName(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	_, errOut, code := tollkeeper(t, "config", "check", "--format", "nginks", "--policy", write("policy.yaml", "policies: 7\n"),
		"--country-file", filepath.Join(dir, "none.mmdb"), "--network-file", write("broken.mmdb", "x"), "--clickhouse-library", filepath.Join(dir, "none.so"))
	require.Equal(t, 2, code)
	for _, want := range []string{"format: ", "nginks", "policy: ", "country-file: ", "none.mmdb", "network-file: ", "broken.mmdb", "clickhouse-library: ", "none.so"} {
		require.Contains(t, errOut, want)
	}
	_, errOut, code = tollkeeper(t, "config", "check", "--format", "mapping", "--mapping", filepath.Join(dir, "none.yaml"))
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "mapping: ")
	require.Contains(t, errOut, "none.yaml")
	asJSON, _, code := tollkeeper(t, "config", "check", "--format", "mapping", "--mapping", filepath.Join(dir, "none.yaml"), "--json")
	require.Equal(t, 2, code)
	var found checked
	require.NoError(t, json.Unmarshal([]byte(asJSON), &found))
	require.False(t, found.Valid)
	require.Equal(t, "mapping", found.Problems[0].Setting)

	out, errOut, code := tollkeeper(t, "config", "check", "--policy", filepath.Join(repository(t), "deploy", "policies", "example.yaml"))
	require.Zero(t, code, errOut)
	require.Contains(t, out, "valid")
	out, errOut, code = tollkeeper(t, "config", "check", "--json")
	require.Zero(t, code, errOut)
	require.JSONEq(t, `{"valid":true,"problems":[]}`, out)
}

// The demo's own defaults give way to the environment as to everything else.
func TestTheDemoTakesItsDataFolderFromTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a-file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("TOLLKEEPER_DATA", file)
	_, errOut, code := tollkeeper(t, "demo")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, file)

	t.Setenv("TOLLKEEPER_DATA", "")
	_, errOut, code = tollkeeper(t, "demo", "--data", file, "--topics", "", "--rekey-topics", "raw")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "topics: ")
}
