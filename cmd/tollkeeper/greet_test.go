package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A log outlives the half hour for which its reader would be an administrator.
func TestALogFileHoldsNoLinkThatOpensTheDashboard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(file)
	require.NoError(t, err)
	defer log.Close()
	data := t.TempDir()
	cmd := exec.Command(binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	var text string
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		text = string(raw)
		return strings.Contains(text, "Ctrl-C")
	}, 90*time.Second, 100*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.NotContains(t, text, "login#")
	require.Contains(t, text, "tollkeeper login --data "+data+")", "what it says to type works as it stands")
	require.Contains(t, text, "tollkeeper status --data "+data+",")
}

// The demo keeps what it simulates in a folder of its own, where the other commands do not look by themselves.
func TestWhoAsksTheDemoIsToldWhereItIs(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(data, "demo"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "demo", "client.json"), []byte("{}"), 0o600))
	_, errOut, code := tollkeeper(t, "login", "--data", data)
	require.Equal(t, 2, code)
	require.Equal(t, "tollkeeper: no server runs on data folder "+data+"; the demo's is another: add --data "+filepath.Join(data, "demo")+"\n", errOut)
}
