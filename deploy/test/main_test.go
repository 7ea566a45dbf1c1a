// Package deploytest tests what deploy/ holds for those who run Tollkeeper: rules and dashboard are evaluated by Prometheus's own
// engine on what a running server exposes, the chart is rendered by Helm's and decoded into Kubernetes' types, the compose file and the
// Dockerfile are read by their own parsers, and all settings that any of them makes go through the real `tollkeeper config check`.
package deploytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
)

// The program, built as it is now.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tollkeeper-deploy")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tollkeeper")
	build := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", binary, "./cmd/tollkeeper")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the program cannot be built: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// deploy names a file of deploy/.
func deploy(t testing.TB, name ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{".."}, name...)...))
	require.NoError(t, err)
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// tollkeeper runs the program to its end, with nothing but env in its environment.
func tollkeeper(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &errOut, filepath.Join("..", ".."), append([]string{"HOME=" + t.TempDir()}, env...)
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("tollkeeper %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// server is a running `tollkeeper serve`, everything in it embedded.
type server struct{ url, kafka, data string }

// serve starts the program; it is ended in order with the test.
func serve(t testing.TB, args ...string) server {
	t.Helper()
	s := server{data: filepath.Join(t.TempDir(), "data")}
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0", "--data", s.data}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-done:
			require.NoError(t, err, "the server's end:\n%s", out.String())
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("the server did not end within 30 s of SIGTERM:\n%s", out.String())
		}
	})
	ready := regexp.MustCompile(`dashboard +(http://[^/ ]+)/login#\S+(?s:.*)Kafka +(\S+)`)
	require.Eventually(t, func() bool {
		m := ready.FindStringSubmatch(out.String())
		if m != nil {
			s.url, s.kafka = m[1], m[2]
		}
		return m != nil
	}, time.Minute, 50*time.Millisecond, "the server does not start:\n%s", &out)
	return s
}

// get asks the server without a token, as is allowed on its own machine.
func (s server) get(t testing.TB, path string) []byte {
	t.Helper()
	res, err := http.Get(s.url + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return body
}

// metrics asks as a scraper elsewhere has to: with a token.
func (s server) metrics(t testing.TB, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, string(body))
	return string(body)
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
