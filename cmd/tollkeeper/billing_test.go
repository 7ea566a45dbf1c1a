package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A plan is taken from another, put in force, and a customer tries it, pays in advance, stays and leaves.
func TestTheBillingTeamWorksFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	serve(t, "--data", dir)
	run := func(args ...string) (string, string, int) { return tollkeeper(t, append(args, "--data", dir)...) }
	do := func(args ...string) string {
		t.Helper()
		out, errOut, code := run(args...)
		require.Zero(t, code, "%v: %s", args, errOut)
		return out
	}
	file := filepath.Join(dir, "growth.yaml")
	plan := do("plans", "show", "default")
	require.Contains(t, plan, "# default version 1, published\n")
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(plan, "Pay as you go", "Growth", 1)), 0o600))
	require.Equal(t, "growth version 1 is a draft; put it in force with: tollkeeper plans publish growth 1\n", do("plans", "draft", "growth", file))
	require.Equal(t, "growth version 1 is published\n", do("plans", "publish", "growth", "1"))
	require.Equal(t, strings.Replace(plan, "default", "growth", 1), strings.Replace(do("plans", "show", "growth", "--version", "1"), "Growth", "Pay as you go", 1))
	require.Regexp(t, `(?m)^growth +1 +published +Growth +USD +1 +1$`, do("plans", "list"))
	require.NoError(t, os.WriteFile(file, []byte("name: Odd\ncurrency: USD\ncharges: [{model: flat, price: 25}]\n"), 0o600))
	_, errOut, code := run("plans", "draft", "odd", file)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "charges/0/price must be of type string")
	_, errOut, code = run("plans", "draft", "odd", file+".none")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "name the file, or - for standard input")

	require.Equal(t, "acct_1\n", do("accounts", "open", "Northwind Traders", "--id", "acct_1"))
	require.Regexp(t, `(?m)^acct_1 +Northwind Traders +default `, do("accounts", "list"))
	require.Equal(t, "acct_1 is on growth from 2040-01-05T00:00:00Z\n", do("accounts", "subscribe", "acct_1", "growth", "--from", "2040-01-05", "--until", "2040-02-05"))
	_, errOut, code = run("accounts", "subscribe", "acct_1", "grwoth")
	require.Equal(t, 1, code)
	require.Equal(t, "tollkeeper: Invalid request: plan_id there is no such plan, or no such published version of it\n", errOut)
	_, errOut, code = run("accounts", "subscribe", "acct_1", "growth", "--from", "7d")
	require.Equal(t, 2, code)
	require.Equal(t, "tollkeeper: --from is \"7d\": write 2026-12-01 or 2026-12-01T00:00:00+01:00\n", errOut)
	_, errOut, code = run("accounts", "unsubscribe", "acct_1")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "the next, to growth, starts at 2040-01-05T00:00:00Z")
	require.Equal(t, "acct_1 is on growth until 2040-01-20T00:00:00Z\n", do("accounts", "unsubscribe", "acct_1", "--at", "2040-01-20"))
	require.True(t, strings.HasPrefix(do("accounts", "credit", "acct_1", "120.50", "USD", "--note", "paid by wire", "--expires", "2041-01-01"), "grant_"))
	shown := do("accounts", "show", "acct_1")
	for _, line := range []string{
		`plan +default`, `growth +newest +2040-01-05 00:00:00 +2040-01-20 00:00:00 +user:command line on this machine`,
		`requests +account +soft +0 +5000000 +5000000 .* ok`, `grant_\S+ +120.5 +120.5 +USD +2041-01-01 00:00:00 +paid by wire`,
	} {
		require.Regexp(t, `(?m)^`+line+`$`, shown)
	}
	var all struct {
		Account       struct{ ID string }
		Subscriptions []struct{ Plan_ID string }
		Quotas        []struct{ Limit int64 }
		Credits       []struct{ Remaining string }
	}
	require.NoError(t, json.Unmarshal([]byte(do("accounts", "show", "acct_1", "--json")), &all))
	require.Equal(t, "acct_1", all.Account.ID)
	require.Equal(t, "growth", all.Subscriptions[0].Plan_ID)
	require.EqualValues(t, 5_000_000, all.Quotas[0].Limit)
	require.Equal(t, "120.5", all.Credits[0].Remaining)

	grant := strings.TrimSpace(do("accounts", "credit", "acct_1", "7.25", "USD"))
	require.Equal(t, grant+" is void: 0 of 7.25 USD were used\n", do("accounts", "void", grant))
	_, errOut, code = run("accounts", "void", "grant_none")
	require.Equal(t, 1, code)
	require.Contains(t, strings.ToLower(errOut), "not found")
	require.Regexp(t, `^AT +QUOTA`, do("accounts", "reached", "acct_1"))

	day := time.Now().UTC().Format(time.DateOnly)
	require.Contains(t, do("usage", "--account", "acct_1", "--from", "3d", "--by", "hour"), "total")
	require.Contains(t, do("usage", "--account", "acct_1", "--from", "2026-01-01", "--to", day), "total")
	_, errOut, code = run("usage", "--account", "acct_1", "--from", "Monday")
	require.Equal(t, 2, code)
	require.Contains(t, errOut, `--from is "Monday": write 2026-03-01`)
}

// A token opens what its role may, from elsewhere, until it is revoked; status is what one asks first.
func TestTokensAndStatusFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	_, errOut, code := tollkeeper(t, "status", "--data", dir)
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "no server runs on data folder "+dir)
	s := serve(t, "--data", dir)
	out, errOut, code := tollkeeper(t, "tokens", "create", "edge", "--role", "platform", "--for", "1h", "--data", dir)
	require.Zero(t, code, errOut)
	made := strings.Fields(out)
	require.Len(t, made, 2)
	elsewhere := func(args ...string) (string, string, int) {
		return tollkeeper(t, append(args, "--server", s.url, "--token", made[1])...)
	}
	out, errOut, code = elsewhere("status")
	require.Zero(t, code, errOut)
	for _, line := range []string{`ready +ok`, `  clickhouse +ok`, `mode +enforce`, `behind +0 records`, `keys +none`, `alerts +none`} {
		require.Regexp(t, `(?m)^`+line+` *$`, out)
	}
	out, errOut, code = elsewhere("status", "--json")
	require.Zero(t, code, errOut)
	var v statusView
	require.NoError(t, json.Unmarshal([]byte(out), &v))
	require.EqualValues(t, "ok", v.Health.Status)
	require.EqualValues(t, "enforce", v.Stats.Mode)
	_, errOut, code = elsewhere("tokens", "list")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "This operation is for admin; the caller's role is platform.")

	out, errOut, code = tollkeeper(t, "tokens", "list", "--data", dir)
	require.Zero(t, code, errOut)
	require.Regexp(t, `(?m)^`+made[0]+` +edge +platform +`+made[1][len(made[1])-4:]+` `, out)
	require.NotContains(t, out, made[1])
	_, errOut, code = tollkeeper(t, "tokens", "revoke", made[0], "--data", dir)
	require.Zero(t, code, errOut)
	_, errOut, code = elsewhere("status")
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "Not authenticated")
	_, errOut, code = tollkeeper(t, "tokens", "create", "portal", "--role", "customer", "--account", "acct_none", "--data", dir)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "account_id there is no such account")
}

// A server that is not ready is not an error of asking: what it waits for is the answer.
func TestStatusOfAServerThatIsNotReadyExitsWithOne(t *testing.T) {
	do := answersWith(t, 503, map[string]string{"/readyz?verbose": `{"status":"failing","checks":[{"name":"start","status":"failing","detail":"clickhouse at ch:8443 does not answer"}]}`})
	for _, form := range []string{"--json=false", "--json"} {
		out, errOut, code := do("status", form)
		require.Equal(t, 1, code)
		require.Equal(t, "tollkeeper: the server is not ready\n", errOut)
		require.Contains(t, out, "clickhouse at ch:8443 does not answer")
	}
}
