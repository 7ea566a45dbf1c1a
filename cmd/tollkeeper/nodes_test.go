package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/app"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

// serveTwo starts two processes that share a database, each in a folder of its own, which it returns with the database and the pepper.
func serveTwo(t *testing.T, args ...string) (nodes []*server, dirs []string, dsn string, pepper *keys.Pepper) {
	t.Helper()
	dsn, dirs = sqltest.DSN(t, sqlstore.Postgres), []string{t.TempDir(), t.TempDir()}
	file := filepath.Join(dirs[0], "pepper")
	pepper, err := keys.LoadPepper(file)
	require.NoError(t, err)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dirs[1], "pepper"), raw, 0o600))
	for _, dir := range dirs {
		nodes = append(nodes, serve(t, append([]string{"--data", dir, "--database", dsn}, args...)...))
	}
	return nodes, dirs, dsn, pepper
}

// The start of one process does not lock out the command line of another; a token that a crash left behind works no longer than it must.
func TestTheCommandLineReachesEveryProcessOfADatabase(t *testing.T) {
	nodes, dirs, dsn, _ := serveTwo(t)
	time.Sleep(2 * time.Second) // what one process revokes, the others hear within it
	for _, dir := range dirs {
		_, errOut, code := tollkeeper(t, "status", "--data", dir)
		require.Zero(t, code, errOut)
	}
	left, err := app.ReadClient(dirs[0])
	require.NoError(t, err)
	require.NoError(t, nodes[0].cmd.Process.Kill())
	<-nodes[0].done
	again := serve(t, "--data", dirs[0], "--database", dsn)
	req, err := http.NewRequest(http.MethodGet, again.url+"/v1/stats", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+left.Token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	for _, dir := range dirs {
		_, errOut, code := tollkeeper(t, "status", "--data", dir)
		require.Zero(t, code, errOut)
	}
}

// An operator cuts a customer off at one process; every gateway refuses him, wherever it asks, until he is reinstated.
func TestASuspendedAccountIsRefusedByEveryProcess(t *testing.T) {
	nodes, dirs, _, _ := serveTwo(t)
	do := func(want string, args ...string) {
		t.Helper()
		out, errOut, code := tollkeeper(t, append(args, "--data", dirs[0])...)
		require.Zero(t, code, errOut)
		require.Contains(t, out, want)
	}
	do("acct_1", "accounts", "open", "Northwind Traders", "--id", "acct_1")
	out, errOut, code := tollkeeper(t, "keys", "issue", "production", "--account", "acct_1", "--data", dirs[0])
	require.Zero(t, code, errOut)
	key := strings.Fields(out)[1]
	everywhere := func(want int) {
		t.Helper()
		for _, s := range nodes {
			eventually(t, 10*time.Second, func() error {
				if status, _ := s.authorize(key); status != want {
					return fmt.Errorf("%s says %d, want %d", s.url, status, want)
				}
				return nil
			})
		}
	}
	everywhere(http.StatusOK)
	do("acct_1 would be suspended: 1 active keys\nA dry run: nothing was changed.\n", "accounts", "suspend", "acct_1", "--reason", "has not paid", "--dry-run")
	everywhere(http.StatusOK)
	do("acct_1 was not suspended\n", "accounts", "reinstate", "acct_1", "--reason", "paid")
	do("acct_1 is suspended: 1 active keys are refused\n", "accounts", "suspend", "acct_1", "--reason", "has not paid")
	everywhere(http.StatusForbidden)
	do("acct_1 was suspended already: has not paid\n", "accounts", "suspend", "acct_1", "--reason", "again")
	do("has not paid", "accounts", "show", "acct_1")
	do("has not paid", "accounts", "list")
	do(`"changed":false`, "accounts", "suspend", "acct_1", "--reason", "again", "--json")
	do("acct_1 is reinstated: 1 active keys pass again\n", "accounts", "reinstate", "acct_1", "--reason", "paid")
	everywhere(http.StatusOK)
	_, errOut, code = tollkeeper(t, "accounts", "suspend", "acct_2", "--reason", "x", "--data", dirs[0])
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "Not found")
	_, errOut, code = tollkeeper(t, "accounts", "suspend", "acct_1", "--data", dirs[0])
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "reason")
}
