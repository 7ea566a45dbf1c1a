package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/folderlock"
)

// Bounds of the supervisor.
const (
	engineStartWait  = 60 * time.Second
	engineStopWait   = engineDrain + 10*time.Second
	restartFirstWait = 50 * time.Millisecond
	restartLastWait  = 5 * time.Second
	restartCalm      = 10 * time.Second // an engine that ran this long starts the backoff anew
	engineHungAfter  = 60 * time.Second // without a sign of life, until it is killed
	maxSocketPath    = 103              // the least of the platforms' limits, without the closing zero
)

// supervisor keeps the engine's process alive. All of its calls are safe for concurrent use.
type supervisor struct {
	cfg     Config
	library string
	socket  string
	tempDir string // of the socket, when the data folder's path is too long for one
	unlock  func()
	logger  *slog.Logger
	metrics *metrics

	pid    atomic.Int64
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	lastErr error // why the engine is not there
}

// startSupervisor locks the data folder, starts the engine and waits until it answers.
func startSupervisor(ctx context.Context, cfg Config, m *metrics) (_ *supervisor, err error) {
	library, err := FindLibrary(cfg.Library, cfg.Executable)
	if err != nil {
		return nil, err
	}
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	unlock, err := folderlock.Acquire(ctx, cfg.DataDir, "lock", 0)
	if err != nil {
		return nil, err
	}
	s := &supervisor{cfg: cfg, library: library, unlock: unlock, logger: cfg.Logger, metrics: m, done: make(chan struct{})}
	defer func() {
		if err != nil {
			s.cleanUp()
		}
	}()
	if err := s.placeSocket(); err != nil {
		return nil, err
	}
	child, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	go s.watch(run, child)
	return s, nil
}

// placeSocket puts the socket into the data folder, or into a private temporary one where the path would be too long.
func (s *supervisor) placeSocket() error {
	s.socket = filepath.Join(s.cfg.DataDir, "engine.sock")
	if len(s.socket) <= maxSocketPath {
		return nil
	}
	dir, err := os.MkdirTemp("", "tollkeeper-")
	if err != nil {
		return fmt.Errorf("a folder for the engine's socket: %w", err)
	}
	s.tempDir, s.socket = dir, filepath.Join(dir, "engine.sock")
	if len(s.socket) > maxSocketPath {
		return fmt.Errorf("the path %s is too long for a socket; set TMPDIR to a shorter one", s.socket)
	}
	return nil
}

// child is one run of the engine.
type child struct {
	process *os.Process
	stdin   io.Closer // its end tells the engine that we are gone
	said    *saidLines
	exited  chan struct{}
	err     error // valid after exited
}

// start starts the engine and waits until it answers, ctx ends or it dies.
func (s *supervisor) start(ctx context.Context) (*child, error) {
	started := time.Now()
	c, err := s.spawn()
	if err != nil {
		return nil, err
	}
	deadline := time.NewTimer(engineStartWait)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	fail := func(err error) (*child, error) {
		_ = c.process.Kill()
		<-c.exited
		return nil, err
	}
	for {
		select {
		case <-c.exited:
			return nil, fmt.Errorf("the embedded ClickHouse engine ended while it started: %w: %s", c.err, c.said)
		case <-ctx.Done():
			return fail(fmt.Errorf("start the embedded ClickHouse engine: %w", ctx.Err()))
		case <-deadline.C:
			return fail(fmt.Errorf("the embedded ClickHouse engine did not answer within %s: %s", engineStartWait, c.said))
		case <-tick.C:
			if s.answers(ctx, time.Second) {
				s.pid.Store(int64(c.process.Pid))
				s.metrics.engineUp.Set(1)
				s.logger.Info("embedded ClickHouse engine is up", "pid", c.process.Pid, "after", time.Since(started).Round(time.Millisecond), "data", s.cfg.DataDir)
				return c, nil
			}
		}
	}
}

// spawn starts the process on a thread that lives as long as it: the kernel ends a child when the thread that started
// it ends, which is how the engine dies with us even when we are killed.
func (s *supervisor) spawn() (*child, error) {
	cmd := exec.Command(s.cfg.Executable, "engine", "--socket", s.socket, "--path", s.cfg.DataDir, "--library", s.library)
	cmd.SysProcAttr = childAttributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse engine: %w", err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse engine: %w", err)
	}
	c := &child{stdin: stdin, said: &saidLines{}, exited: make(chan struct{})}
	startErr := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		startErr <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(stderr)
		lines.Buffer(make([]byte, 0, 4096), 1<<20)
		for lines.Scan() {
			c.said.add(lines.Text())
			s.logger.Debug("engine", "line", lines.Text())
		}
		_, _ = io.Copy(io.Discard, stderr) // what a line too long for the scanner has left
		c.err = cmd.Wait()
		if c.err == nil {
			c.err = errors.New("exit status 0")
		}
		close(c.exited)
	}()
	if err := <-startErr; err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse engine: %w", err)
	}
	return c, nil
}

// answers says whether the engine answers a query in time.
func (s *supervisor) answers(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, "") }, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/ping", nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// dial connects to the engine, or says why it is not there.
func (s *supervisor) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	if err == nil {
		return conn, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr != nil {
		err = s.lastErr
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// watch restarts the engine whenever it dies or hangs, until ctx ends; then it stops it.
func (s *supervisor) watch(ctx context.Context, c *child) {
	defer close(s.done)
	wait := restartFirstWait
	for {
		up := time.Now()
		if !s.attend(ctx, c) {
			s.stop(c)
			return
		}
		s.pid.Store(0)
		s.metrics.engineUp.Set(0)
		if time.Since(up) > restartCalm {
			wait = restartFirstWait
		}
		s.note(fmt.Errorf("the embedded ClickHouse engine died (%w) and is being restarted", c.err))
		s.metrics.engineRestarts.Inc()
		s.logger.Error("embedded ClickHouse engine died; restarting it", "err", c.err, "said", c.said.String(), "wait", wait)
		for c = nil; c == nil; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, restartLastWait)
			next, err := s.start(ctx)
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				s.note(err)
				s.logger.Error("embedded ClickHouse engine does not start; trying again", "err", err, "wait", wait)
				continue
			}
			c = next
		}
		s.note(nil)
	}
}

// attend waits until the engine has died, killing it when it has shown no life for too long: true; or until ctx ends:
// false. The sign of life is a query, so that a deadlock inside the engine counts.
func (s *supervisor) attend(ctx context.Context, c *child) (died bool) {
	patience := s.cfg.hungAfter
	if patience == 0 {
		patience = engineHungAfter
	}
	tick := time.NewTicker(patience / 6)
	defer tick.Stop()
	for alive := time.Now(); ; {
		select {
		case <-ctx.Done():
			return false
		case <-c.exited:
			return true
		case <-tick.C:
			switch {
			case s.answers(ctx, patience/6):
				alive = time.Now()
			case ctx.Err() == nil && time.Since(alive) > patience:
				s.logger.Error("embedded ClickHouse engine hangs; killing it", "pid", c.process.Pid, "silent_for", time.Since(alive).Round(time.Millisecond))
				_ = c.process.Kill()
				<-c.exited
				return true
			}
		}
	}
}

func (s *supervisor) note(err error) {
	s.mu.Lock()
	s.lastErr = err
	s.mu.Unlock()
}

// stop asks the engine to end, first politely.
func (s *supervisor) stop(c *child) {
	_ = c.stdin.Close()
	_ = c.process.Signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(engineStopWait):
		s.logger.Error("embedded ClickHouse engine did not end; killing it", "pid", c.process.Pid, "after", engineStopWait)
		_ = c.process.Kill()
		<-c.exited
	}
	s.pid.Store(0)
	s.metrics.engineUp.Set(0)
}

// close stops the engine and gives the data folder back.
func (s *supervisor) close() {
	s.cancel()
	<-s.done
	s.cleanUp()
}

func (s *supervisor) cleanUp() {
	_ = os.Remove(s.socket)
	if s.tempDir != "" {
		_ = os.RemoveAll(s.tempDir)
	}
	s.unlock()
}

// saidLines keeps the beginning and the end of what the engine wrote to standard error, for when it dies: a crash names
// its cause first, a refusal is all there is.
type saidLines struct {
	mu          sync.Mutex
	first, last []string
}

const keptLines = 3

func (l *saidLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.first) < keptLines {
		l.first = append(l.first, line)
		return
	}
	if l.last = append(l.last, line); len(l.last) > keptLines {
		l.last = l.last[1:]
	}
}

func (l *saidLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(append([]string{}, l.first...), l.last...), " | ")
}
