package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small scenario of the shared generator goes through backtest and the shared scorer: both must say the same.
func TestBacktestScoresAsTheSharedScorerDoes(t *testing.T) {
	python := program(t, "python3")
	traffic, out := t.TempDir(), t.TempDir()
	run := func(name string, args ...string) []byte {
		t.Helper()
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = repository(t), &stdout, &stderr
		require.NoError(t, cmd.Run(), "%s %v\n%s", name, args, stderr.String())
		return stdout.Bytes()
	}
	run(python, shared(t, "scenarios/scenario.py"), "--seed", "1", "--keys", "40", "--days", "14", "--scale", "0.5", "--out", traffic)

	var result struct {
		Records float64 `json:"records"`
		Score   map[string]any
	}
	require.NoError(t, json.Unmarshal(run(binary, "backtest", traffic, "--out", out, "--html", "--json"), &result))
	var scored map[string]any
	require.NoError(t, json.Unmarshal(run(python, shared(t, "scenarios/score.py"), traffic, filepath.Join(out, "decisions.jsonl"), "--json"), &scored))

	require.Greater(t, result.Records, 10000.0)
	for _, name := range []string{"suspend_episodes", "suspend_recall", "flag_recall", "false_suspends", "false_flag_days", "requests_to_suspend_median"} {
		if scored[name] == nil {
			continue
		}
		require.InDelta(t, scored[name], result.Score[name], 1e-4, name)
	}
	require.GreaterOrEqual(t, result.Score["suspend_recall"], 0.9)
	require.LessOrEqual(t, result.Score["false_suspends"], 1.0)
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<svg")

	observed := t.TempDir()
	policy := filepath.Join(observed, "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\npolicies:\n- {id: trial, mode: observe}\n"), 0o600))
	run(binary, "backtest", traffic, "--policy", policy, "--out", observed)
	decisions, err := os.ReadFile(filepath.Join(observed, "decisions.jsonl"))
	require.NoError(t, err)
	require.Empty(t, string(decisions), "a policy that only observes acted")
}

func TestBacktestSaysWhatIsMissing(t *testing.T) {
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no out":    {[]string{"backtest", empty}, "--out is missing"},
		"no events": {[]string{"backtest", empty, "--out", filepath.Join(empty, "x")}, "neither events.jsonl.gz nor events.jsonl"},
		"no file":   {[]string{"backtest", filepath.Join(empty, "none"), "--out", empty}, "cannot read"},
		"two":       {[]string{"backtest", empty, "--from-clickhouse", "--out", empty}, "name either"},
		"nothing":   {[]string{"backtest", "--out", empty}, "or write --from-clickhouse"},
		"since":     {[]string{"backtest", empty, "--since", "30d", "--out", empty}, "--since and --until go with"},
		"when":      {[]string{"backtest", "--from-clickhouse", "--since", "May", "--data", filepath.Join(empty, "d"), "--out", empty}, `--since is "May"`},
		"order":     {[]string{"backtest", "--from-clickhouse", "--since", "1d", "--until", "2d", "--data", filepath.Join(empty, "d"), "--out", empty}, "is not before"},
		"shards":    {[]string{"backtest", empty, "--out", empty, "--shards", "0"}, "--shards is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(binary, c.args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, exitUsage, exit.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.says)
			require.Equal(t, 1, strings.Count(strings.TrimSpace(string(out)), "\n")+1, "one line: %s", out)
		})
	}
}

// Without labels the command says what it would have done, for any format.
func TestBacktestOfAnUnlabelledLog(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "events.jsonl")
	var b bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&b, `{"time":"2026-03-%02dT10:00:%02d.000Z","request_id":"r%d","key_id":"k%d","method":"GET","host":"h","path":"/v1/a/%d","status":200,"latency_ms":3,"request_bytes":10,"response_bytes":100,"client_ip":"192.0.2.%d","user_agent":"curl/8"}`+"\n",
			1+i/60, i%60, i, i%3, i%7, i%3)
	}
	require.NoError(t, os.WriteFile(log, b.Bytes(), 0o600))
	out, err := exec.Command(binary, "backtest", log, "--out", dir, "--shards", "2").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "500 records of 3 keys")
	require.Contains(t, string(out), "It would have suspended 0 keys' use")

	// A packed log is read by what is in it, and one that was cut is not taken for whole.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(b.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(log, packed.Bytes(), 0o600))
	out, err = exec.Command(binary, "backtest", log, "--out", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "500 records of 3 keys")
	require.NoError(t, os.WriteFile(log, packed.Bytes()[:packed.Len()-20], 0o600))
	out, err = exec.Command(binary, "backtest", log, "--out", dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "ends early")
	require.NoError(t, os.WriteFile(log, b.Bytes(), 0o600))

	// A log that says of no call whose it was holds nothing to find, which must not look like "all quiet".
	keyless := filepath.Join(dir, "access.log")
	require.NoError(t, os.WriteFile(keyless, []byte(strings.Repeat(`192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"`+"\n", 50)), 0o600))
	out, err = exec.Command(binary, "backtest", keyless, "--out", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "None of the records names a key")

	// With a list of keys those that are not on it are unknown, as to a key store.
	list := filepath.Join(dir, "keys.json")
	require.NoError(t, os.WriteFile(list, []byte(`[{"key_id":"k1"}]`), 0o600))
	out, err = exec.Command(binary, "backtest", log, "--out", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "500 records of 1 keys")
	require.NotContains(t, string(out), "None of the keys")
	require.NoError(t, os.WriteFile(list, []byte(`[{"key_id":"other"}]`), 0o600))
	out, err = exec.Command(binary, "backtest", log, "--out", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "None of the keys in keys.json occurs in the log")
	out, err = exec.Command(binary, "backtest", log, "--out", dir, "--json").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), `"notice":"None of the keys in keys.json occurs in the log`)

	// What the list calls an id is one, whatever it looks like; elsewhere it would be hidden as a secret.
	require.NoError(t, os.WriteFile(log, bytes.ReplaceAll(b.Bytes(), []byte(`"k1"`), []byte(`"sk_live_4eC39HqLyjWDarjtT1zdp7dc"`)), 0o600))
	require.NoError(t, os.WriteFile(list, []byte(`[{"key_id":"sk_live_4eC39HqLyjWDarjtT1zdp7dc"}]`), 0o600))
	out, err = exec.Command(binary, "backtest", log, "--out", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "None of the keys")
}

// A result of nothing would look like a clean bill of health.
func TestBacktestOfWhatCannotBeReadSaysWhy(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "access.log")
	good := `192.0.2.1 - frank [02/Mar/2026:10:00:00 +0000] "GET /v1/a HTTP/1.1" 200 5 "-" "curl/8"` + "\n"
	run := func(content string, args ...string) (string, string, int) {
		require.NoError(t, os.WriteFile(log, []byte(content), 0o600))
		return tollkeeper(t, append(args, "--out", filepath.Join(dir, "out"))...)
	}
	for _, c := range []struct{ content, format, says string }{
		{"", "auto", log + " holds no log lines"},
		{"\n\n", "auto", log + " holds no log lines"},
		{"rubbish\n\nmore\n", "auto", "none of the 3 lines of " + log + " could be read: line 1: "},
		{good, "nginx", "none of the 1 lines of " + log + " could be read as nginx: line 1: bad_json: "},
	} {
		out, errOut, code := run(c.content, "backtest", log, "--format", c.format)
		require.Equal(t, exitFailed, code)
		require.Empty(t, out)
		require.Contains(t, errOut, c.says)
		require.Contains(t, errOut, log)
	}
	require.NoFileExists(t, filepath.Join(dir, "out", "decisions.jsonl"))

	out, errOut, code := run(good+"rubbish\n"+good, "backtest", log, "--format", "combined")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "1 of 3 lines could not be read; the first is line 2: bad_line: ")
	require.Contains(t, out, "  refused, bad_line: 1\n")
	out, _, _ = run(good+"rubbish\n"+good, "backtest", log, "--format", "combined", "--json")
	require.Contains(t, out, `"bad_lines":1,"bad_reasons":{"bad_line":1}`)
}

// With --truncate-ip detection sees what it sees live.
func TestBacktestShortensAddressesAsIngestDoes(t *testing.T) {
	for shorten, want := range map[bool]string{false: "192.0.2.77", true: "192.0.2.0"} {
		b := backtest{format: "combined", shorten: shorten}
		d, e, err := b.decoder()
		require.NoError(t, err)
		l := b.decode(d, e, []byte(`192.0.2.77 - frank [02/Mar/2026:10:00:00 +0000] "GET /v1/a HTTP/1.1" 200 5 "-" "curl/8"`+"\n"), nil)
		require.Equal(t, 1, l.batch.Len())
		require.Equal(t, want, netip.AddrFrom16(l.batch.ClientIP[0]).Unmap().String())
	}
}

func TestBacktestReadsStandardInput(t *testing.T) {
	line := `192.0.2.1 - frank [02/Mar/2026:10:00:00 +0000] "GET /v1/a HTTP/1.1" 200 5 "-" "curl/8"` + "\n"
	cmd := exec.Command(binary, "backtest", "-", "--out", t.TempDir())
	cmd.Dir, cmd.Stdin = t.TempDir(), strings.NewReader(line+line)
	// What lies in the present folder does not belong to the pipe.
	require.NoError(t, os.WriteFile(filepath.Join(cmd.Dir, "keys.json"), []byte(`[{"key_id":"other"}]`), 0o600))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "2 records of 1 keys")
}
