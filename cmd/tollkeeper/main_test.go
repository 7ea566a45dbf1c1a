package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// The tests in this folder run the real binary with the real engines. It is built once, with the race detector off: the
// packages' own tests run with it where it matters.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tollkeeper-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tollkeeper")
	build := exec.Command("go", "build", "-tags", "nomsgpack", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the binary cannot be built: %v\n%s", err, out)
		return 1
	}
	return sqltest.Main(m).Run()
}

// repository is the root of the checkout, where the embedded engine and the tests' data are found from.
func repository(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	return root
}

// shared names a file of the tests' data, which must be there.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TOLLKEEPER_SHARED")
	if dir == "" {
		dir = filepath.Join(repository(t), "..", "shared")
	}
	path := filepath.Join(dir, name)
	_, err := os.Stat(path)
	require.NoError(t, err, "the test data are missing; point TOLLKEEPER_SHARED at the folder that holds %s", name)
	return path
}

// program is the path of a real program that the tests need.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is not installed; 'make parts' installs what the tests need", name)
	return ""
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// process is a running program whose output the test can wait for.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	err error
}

// launch starts a program; it is ended with the test.
func launch(t testing.TB, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: filepath.Base(path), cmd: exec.Command(path, args...), done: make(chan struct{})}
	r, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	require.NoError(t, p.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			p.mu.Lock()
			p.out.Write(s.Bytes())
			p.out.WriteByte('\n')
			p.mu.Unlock()
		}
	}()
	go func() {
		err := p.cmd.Wait()
		w.Close()
		<-read // its last words count
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.output())
		}
	})
	return p
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// stop ends the program in order, and with force when it takes too long.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not end within 30 s of SIGTERM", p.name)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// code waits for the program's end.
func (p *process) code(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		p.t.Fatalf("%s still runs after %s:\n%s", p.name, within, p.output())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, p.err)
	return 0
}

// find waits for a line that matches and returns its groups.
func (p *process) find(within time.Duration, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(within); ; {
		if m := re.FindStringSubmatch(p.output()); m != nil {
			return m
		}
		select {
		case <-p.done:
			if m := re.FindStringSubmatch(p.output()); m != nil {
				return m
			}
			p.t.Fatalf("%s ended without saying %q:\n%s", p.name, pattern, p.output())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			p.t.Fatalf("%s did not say %q within %s:\n%s", p.name, pattern, within, p.output())
		}
	}
}

// tollkeeper runs the binary to its end and returns what it wrote.
func tollkeeper(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errOut, repository(t)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("tollkeeper %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// server is a running `tollkeeper serve` (or demo) and an administrator's session with it.
type server struct {
	*process
	url    string
	kafka  string
	cookie *http.Cookie
}

// serve starts the binary and logs in by the one-time link.
func serve(t testing.TB, args ...string) *server {
	t.Helper()
	return session(t, launch(t, binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"}, args...)...))
}

func session(t testing.TB, p *process) *server {
	t.Helper()
	m := p.find(90*time.Second, `(http://[^/ ]+)/login#(\S+)`)
	s := &server{process: p, url: m[1], kafka: p.find(time.Second, `Kafka +(\S+)`)[1]}
	req, err := http.NewRequest(http.MethodPost, s.url+"/v1/session", strings.NewReader(fmt.Sprintf(`{"code":%q}`, m[2])))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	require.Less(t, res.StatusCode, 300, "login: %s", body)
	require.NotEmpty(t, res.Cookies())
	s.cookie = res.Cookies()[0]
	return s
}

// call asks the API as the administrator and decodes the answer into out, unless that is nil.
func (s *server) call(method, path string, in, out any) int {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		require.NoError(s.t, err)
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, s.url+path, body)
	require.NoError(s.t, err)
	req.AddCookie(s.cookie)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	if out != nil && res.StatusCode < 300 {
		require.NoError(s.t, json.Unmarshal(raw, out), "%s %s: %s", method, path, raw)
	} else if res.StatusCode >= 300 {
		s.t.Logf("%s %s: %d %s", method, path, res.StatusCode, raw)
	}
	return res.StatusCode
}

// eventually retries until do returns nil.
func eventually(t testing.TB, within time.Duration, do func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("not within %s: %v", within, err)
}
