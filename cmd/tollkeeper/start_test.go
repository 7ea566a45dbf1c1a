package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// Containers are started in no order: what others are still starting is waited for, and whoever watches can tell that.
func TestTheStartWaitsForADatabaseThatComesLater(t *testing.T) {
	u, err := url.Parse(sqltest.DSN(t, sqlstore.Postgres))
	require.NoError(t, err)
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	database, listen := freeAddr(t), freeAddr(t)
	p := launch(t, binary, "serve", "--data", t.TempDir(), "--listen", listen, "--kafka-listen", "127.0.0.1:0",
		"--database", "postgres://postgres:hunter2@"+database+"/postgres?sslmode=disable&search_path="+u.Query().Get("search_path"))
	p.find(30*time.Second, "the start waits.*database.*"+database)

	for path, want := range map[string]struct {
		status int
		has    string
	}{
		"/livez": {http.StatusOK, "ok"}, "/readyz": {http.StatusServiceUnavailable, `"name":"database"`},
		"/readyz?verbose": {http.StatusServiceUnavailable, database}, "/v1/keys": {http.StatusServiceUnavailable, "is starting"},
	} {
		status, body := get(t, "http://"+listen+path)
		require.Equal(t, want.status, status, "%s: %s", path, body)
		require.Contains(t, body, want.has, path)
	}

	forward(t, database, socket)
	s := session(t, p)
	s.wantReady(30 * time.Second)
	require.NotContains(t, p.output(), "hunter2")
}

// A ClickHouse that is started beside comes in steps: nobody listens, then somebody takes connections and hangs up, or answers that it
// is not there, and then it answers, with an empty store that has to be made first.
func TestTheStartWaitsForAClickHouseThatComesLater(t *testing.T) {
	dir, addr, listen := t.TempDir(), freeAddr(t), freeAddr(t)
	p := launch(t, binary, "serve", "--data", dir, "--listen", listen, "--kafka-listen", "127.0.0.1:0", "--clickhouse", "http://default:hunter2@"+addr+"/tollkeeper?compress=none")
	waits := func(why string) {
		t.Helper()
		p.find(40*time.Second, `the start waits.*clickhouse.*`+regexp.QuoteMeta(addr)+`.*`+why)
		status, body := get(t, "http://"+listen+"/readyz?verbose")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, `"name":"clickhouse"`)
		require.Contains(t, body, addr)
	}
	waits("refused")

	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	hangs := http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })}
	go func() { _ = hangs.Serve(l) }()
	waits("EOF")
	require.NoError(t, hangs.Close())

	l, err = net.Listen("tcp", addr)
	require.NoError(t, err)
	busy := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no backend is up", http.StatusServiceUnavailable)
	})}
	go func() { _ = busy.Serve(l) }()
	waits("503")
	require.NoError(t, busy.Close())

	forward(t, addr, startEngine(t))
	s := session(t, p)
	s.wantReady(30 * time.Second)
	s.wantTotal(produce(t, s.kafka, 0, 200))
	s.wantExact(dir)
	require.NotContains(t, p.output(), "hunter2")
}

// startEngine runs the engine in a process of its own and returns the socket on which it will answer.
func startEngine(t *testing.T) (socket string) {
	t.Helper()
	library, err := clickhouse.FindLibrary("", binary)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "tk") // the path of a unix socket is short
	require.NoError(t, err)
	socket = filepath.Join(dir, "s")
	cmd := exec.Command(binary, "engine", "--socket", socket, "--path", filepath.Join(dir, "data"), "--library", library)
	stdin, err := cmd.StdinPipe() // the engine ends with its parent
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = stdin.Close()
		_ = os.RemoveAll(dir)
	})
	return socket
}

// forward takes connections on a TCP address to a unix socket, until the test ends.
func forward(t *testing.T, addr, socket string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				_ = in.Close()
				continue
			}
			for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
				go func() {
					_, _ = io.Copy(to, from)
					_ = to.Close()
				}()
			}
		}
	}()
}

func TestTheStartGivesUpInTheEndAndSaysWhatIsMissing(t *testing.T) {
	for setting, dsn := range map[string]string{"clickhouse": "http://u:hunter2@%s/x", "database": "postgres://u:hunter2@%s/x"} {
		t.Run(setting, func(t *testing.T) {
			addr := freeAddr(t)
			p := launch(t, binary, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0",
				"--"+setting, fmt.Sprintf(dsn, addr), "--start-wait", "2s")
			require.Equal(t, exitFailed, p.code(60*time.Second)) // not as for a wrong setting: it may be there at the next start
			require.GreaterOrEqual(t, strings.Count(p.output(), "the start waits"), 2)
			lines := strings.Split(strings.TrimSpace(p.output()), "\n")
			require.Regexp(t, "cannot reach .*"+addr, lines[len(lines)-1])
			require.NotContains(t, p.output(), "hunter2")
		})
	}
}
