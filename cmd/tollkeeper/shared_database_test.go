package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// Several processes on one database, each with a data folder of its own, as containers are: the pepper comes from a secret that all of
// them are given, and a key of one is known to the other.
func TestProcessesThatShareADatabaseAreGivenThePepperAsASecret(t *testing.T) {
	database := sqltest.DSN(t, sqlstore.Postgres)
	secret := filepath.Join(t.TempDir(), "pepper")
	const pepper = "1 7d1f0c5e9ab04c6e8f25b1d36a7094c2e5d8f1a3b6c9e0d2f4a5b7c8d9e0f1a2"
	require.NoError(t, os.WriteFile(secret, []byte(pepper+"\n"), 0o640)) // an orchestrator mounts secrets for a group
	t.Setenv("TOLLKEEPER_PEPPER_FILE", secret)
	folders := []string{t.TempDir(), t.TempDir()}
	var servers []*server
	for _, dir := range folders {
		servers = append(servers, serve(t, "--data", dir, "--database", database))
		require.NoFileExists(t, filepath.Join(dir, "pepper"), "the secret is not written down")
	}

	var issued struct{ Secret string }
	require.Equal(t, http.StatusCreated, servers[0].call("POST", "/v1/keys", map[string]any{"name": "production"}, &issued))
	var verdict struct{ Data struct{ Code string } }
	eventually(t, 10*time.Second, func() error {
		require.Equal(t, http.StatusOK, servers[1].call("POST", "/v1/keys/verify", map[string]any{"key": issued.Secret}, &verdict))
		if verdict.Data.Code != "VALID" {
			return errors.New(verdict.Data.Code)
		}
		return nil
	})

	out, errOut, code := tollkeeper(t, "trail", "list", "--data", folders[1], "--action", "key.issue")
	require.Zero(t, code, errOut)
	require.Equal(t, 2, strings.Count(out, "\n"), "a heading and the key that the other process issued: %s", out)
	out, errOut, code = tollkeeper(t, "trail", "check", "--data", folders[1])
	require.Zero(t, code, errOut)
	require.Contains(t, out, " are intact\n")

	for _, s := range servers {
		require.NotContains(t, s.output(), pepper[2:])
	}
	out, _, code = tollkeeper(t, "config", "print")
	require.Zero(t, code)
	require.NotContains(t, out, pepper[2:])

	// Without it, or with another one, the keys of that database could not be found: the start says so.
	t.Setenv("TOLLKEEPER_PEPPER_FILE", "")
	require.NoError(t, os.Unsetenv("TOLLKEEPER_PEPPER_FILE"))
	_, errOut, code = tollkeeper(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--database", database)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "hashed under another pepper")
	t.Setenv("TOLLKEEPER_PEPPER", "1 7d1f")
	_, errOut, code = tollkeeper(t, "config", "check")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "pepper: line 1 is not a version number and 64 hexadecimal digits")
	require.NotContains(t, errOut, "7d1f")
}
