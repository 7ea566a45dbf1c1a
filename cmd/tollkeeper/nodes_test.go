package main

import (
	"net/http"
	"os"
	"path/filepath"
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
