package main

import (
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What systemd is told of the program is how it is.
func TestTheServiceOfSystemdFitsTheProgram(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository(t), "deploy/systemd/tollkeeper.service"))
	require.NoError(t, err)
	unit := map[string][]string{}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			unit[name] = append(unit[name], value)
		}
	}
	require.Equal(t, []string{"/usr/local/bin/tollkeeper serve"}, unit["ExecStart"])
	require.Equal(t, []string{"/usr/local/bin/tollkeeper config check"}, unit["ExecStartPre"])
	require.Equal(t, []string{strconv.Itoa(exitUsage)}, unit["RestartPreventExitStatus"])
	patience, err := time.ParseDuration(unit["TimeoutStopSec"][0])
	require.NoError(t, err)
	require.Greater(t, patience, stopWithin, "killed before its own end")

	// The settings are in the environment; the file is what `config print` writes.
	dir := t.TempDir()
	printed, errOut, code := tollkeeper(t, "config", "print")
	require.Zero(t, code, errOut)
	file := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(printed), 0o600))
	environment := map[string]string{}
	for _, e := range unit["Environment"] {
		name, value, _ := strings.Cut(e, "=")
		environment[name] = value
	}
	require.Equal(t, "/etc/tollkeeper/config.yaml", environment["TOLLKEEPER_CONFIG"])
	require.Equal(t, "/var/lib/"+unit["StateDirectory"][0], environment["TOLLKEEPER_DATA"])
	t.Setenv("TOLLKEEPER_CONFIG", file)
	t.Setenv("TOLLKEEPER_DATA", environment["TOLLKEEPER_DATA"])
	out, errOut, code := tollkeeper(t, "config", "check")
	require.Zero(t, code, errOut)
	require.Equal(t, "the settings are valid\n", out)
	out, _, _ = tollkeeper(t, "config", "print")
	require.Contains(t, out, "\ndata: "+environment["TOLLKEEPER_DATA"]+"\n")
}

// A terminal that closes, or `kill -HUP` in hope of a reload, ends the program as orderly as Ctrl-C; whoever started it with nohup
// meant that it stays.
func TestAHangUpEndsTheProgramInOrderUnlessItIsToStay(t *testing.T) {
	// Tests may run under nohup themselves; what this process takes, those that it starts begin with as usual.
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, syscall.SIGHUP)
	defer signal.Stop(taken)

	s := serve(t, "--data", t.TempDir(), "--log-level", "debug")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
	require.Zero(t, s.code(30*time.Second))
	require.Contains(t, s.output(), `"msg":"stopped","part":"data folder"`, "the last part of an orderly end")

	stays := session(t, launch(t, program(t, "nohup"), binary, "serve", "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--data", t.TempDir()))
	require.NoError(t, stays.cmd.Process.Signal(syscall.SIGHUP))
	time.Sleep(500 * time.Millisecond)
	require.Equal(t, http.StatusOK, stays.call("GET", "/v1/stats", nil, nil))
}
