package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// cluster is a Postgres server with its data in a temporary folder, reached over a socket in the same folder.
type cluster struct {
	folder  string
	server  *exec.Cmd
	ended   chan struct{} // closed when it has ended; err is set then
	err     error
	schemas atomic.Int64
}

// The one piece of global state: a server takes seconds to start, so the tests of a process share it.
var (
	theCluster = sync.OnceValues(startCluster)
	started    atomic.Pointer[cluster]
)

// Main wraps m so that the server, when a test has started it, is stopped before the process ends.
func Main(m *testing.M) interface{ Run() int } { return runner{m} }

type runner struct{ m *testing.M }

func (r runner) Run() int {
	code := r.m.Run()
	if c := started.Load(); c != nil {
		if err := c.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the Postgres of the tests:", err)
			return max(code, 1)
		}
	}
	return code
}

// binaries finds the folder of initdb and postgres, the newest version first.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian keeps them off the PATH
	if err != nil {
		return "", fmt.Errorf("find initdb: %w", err)
	}
	best, bestVersion := "", -1
	for _, f := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f)))); err == nil && v > bestVersion {
			best, bestVersion = filepath.Dir(f), v
		}
	}
	if best != "" {
		return best, nil
	}
	if f, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(f), nil
	}
	return "", errors.New("initdb was found neither under /usr/lib/postgresql nor on the PATH; on Debian: apt-get install postgresql")
}

// credential is the user the server runs as: Postgres refuses root.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("postgres does not run as root and there is neither a user postgres nor nobody")
}

func startCluster() (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "tkpg") // short: the path of a socket has at most 107 bytes
	if err != nil {
		return nil, fmt.Errorf("folder for Postgres: %w", err)
	}
	c := &cluster{folder: folder, ended: make(chan struct{})}
	if err := c.start(bin, cred); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	started.Store(c)
	return c, nil
}

func (c *cluster) start(bin string, cred *syscall.Credential) error {
	if cred != nil {
		if err := os.Chown(c.folder, int(cred.Uid), int(cred.Gid)); err != nil {
			return fmt.Errorf("folder for Postgres: %w", err)
		}
	}
	data := filepath.Join(c.folder, "data")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", data, "--username=postgres", "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir = c.folder
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(c.folder, "log"))
	if err != nil {
		return fmt.Errorf("log of Postgres: %w", err)
	}
	defer log.Close()
	c.server = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", c.folder, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "shared_buffers=32MB", "-c", "max_connections=200",
		"-c", "autovacuum=off")
	c.server.Dir, c.server.Stdout, c.server.Stderr = c.folder, log, log
	running := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child ends, so that thread is kept for as long as
		// the server runs; a test process that is killed then takes its server along (SIGQUIT: at once).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c.server.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
		err := c.server.Start()
		running <- err
		if err == nil {
			c.err = c.server.Wait()
			close(c.ended)
		}
	}()
	if err := <-running; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return c.await(ctx)
}

func (c *cluster) await(ctx context.Context) error {
	db, err := sql.Open("pgx", c.admin())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = db.Close() }()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			text, _ := os.ReadFile(filepath.Join(c.folder, "log"))
			return fmt.Errorf("postgres ended at once: %w: %s", c.err, text)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("postgres did not answer within %s: %w", startTimeout, err), c.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *cluster) admin() string {
	return fmt.Sprintf("postgres:///postgres?host=%s&user=postgres", c.folder)
}

// createSchema makes the place of one test: a schema of its own, which is as separate as a database and a hundred times
// cheaper to make.
func (c *cluster) createSchema() (string, error) {
	db, err := sql.Open("pgx", c.admin())
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = db.Close() }()
	name := fmt.Sprintf("test_%d", c.schemas.Add(1))
	if _, err := db.Exec("CREATE SCHEMA " + name); err != nil {
		return "", fmt.Errorf("create schema %s: %w", name, err)
	}
	return name, nil
}

func (c *cluster) stop() error {
	// SIGINT is Postgres's fast shutdown: it ends sessions and does not wait for them.
	if err := c.server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal postgres %d: %w", c.server.Process.Pid, err)
	}
	select {
	case <-c.ended:
	case <-time.After(stopTimeout):
		_ = c.server.Process.Signal(syscall.SIGQUIT)
		<-c.ended
	}
	return os.RemoveAll(c.folder)
}
