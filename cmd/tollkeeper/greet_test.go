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
	cmd := exec.Command(binary, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0")
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
	require.Contains(t, text, "tollkeeper login")
}
