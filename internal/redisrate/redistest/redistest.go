// Package redistest gives tests a real Redis server that they can kill, hang and start again. Without redis-server the tests fail and say
// what to install; they never skip.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis server of one test, without persistence: started again, it is empty.
type Server struct {
	Addr string // host:port, the same over its life

	t       testing.TB
	dir     string
	args    []string
	cmd     *exec.Cmd
	stopped chan struct{} // closed when the process has ended
}

// Start starts a server; options are those of redis-server, such as "--requirepass", "x". It ends with the test.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s, port := prepare(t)
	s.args = append(s.args, "--save", "", "--appendonly", "no")
	s.args = append(s.args, options...)
	if strings.Contains(strings.Join(options, " "), "--tls-cert-file") {
		s.args = append(s.args, "--port", "0", "--tls-port", port)
	} else {
		s.args = append(s.args, "--port", port)
	}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// StartSentinel starts a Sentinel with that file, into which it writes.
func StartSentinel(t testing.TB, conf string) *Server {
	t.Helper()
	s, port := prepare(t)
	s.args = append([]string{conf, "--sentinel"}, append(s.args, "--port", port)...)
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// prepare picks a port, and says where a server listens and writes.
func prepare(t testing.TB) (s *Server, port string) {
	port = FreePort(t)
	s = &Server{Addr: net.JoinHostPort("127.0.0.1", port), t: t, dir: t.TempDir()}
	s.args = []string{"--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log")}
	return s, port
}

// FreePort returns a port of the loopback that nobody uses.
func FreePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// Restart starts the server that was killed.
func (s *Server) Restart() {
	s.t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redis-server is not installed; 'make parts' installs what the tests need")
	}
	s.cmd, s.stopped = exec.Command(path, s.args...), make(chan struct{})
	started, stopped := make(chan error, 1), s.stopped
	go func() {
		// Pdeathsig is sent when the thread that started the child ends, so the thread is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
		close(stopped)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := s.answers()
		if err == nil {
			return
		}
		select {
		case <-stopped:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("redis-server ended at once:\n%s", log)
		default:
		}
		if time.Now().After(end) {
			s.t.Fatalf("redis-server does not answer: %v", err)
		}
	}
}

// answers says whether somebody speaks there; a server that wants a password or TLS says so, too.
func (s *Server) answers() error {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if strings.Contains(strings.Join(s.args, " "), "--tls-port") {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
		return err
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

// Kill ends the server at once; what it held is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.stopped
}

// Hang makes the server accept connections and answer nothing.
func (s *Server) Hang() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue ends a hang.
func (s *Server) Continue() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }
