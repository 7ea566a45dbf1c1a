package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tollkeeper/tollkeeper/internal/folderlock"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// An engine that is killed again and again while blocks are inserted and repeated: each block is there once at the end.
func TestKilledEngineLosesNothingAndDoublesNothing(t *testing.T) {
	db := openTest(t)
	const writers, blocks, rows, kills = 3, 25, 2000, 6
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var killer sync.WaitGroup
	killer.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		for killed := 0; killed < kills; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(200+random.IntN(400)) * time.Millisecond):
			}
			if pid := db.EnginePID(); pid != 0 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				killed++
			}
		}
	})
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for i := range blocks {
				from := int64(i * rows)
				span := usage.Span{Topic: fmt.Sprintf("t%d", w), Partition: int32(w), From: from, To: from + rows, Day: 20780, Epoch: "1"}
				b := testBatch(rows, from)
				eventually(t, func(ctx context.Context) error { return db.InsertEvents(ctx, span, b) })
				if i%5 == 0 { // as after a lost answer
					eventually(t, func(ctx context.Context) error { return db.InsertEvents(ctx, span, b) })
				}
				eventually(t, func(ctx context.Context) error {
					landed, err := db.Landed(ctx, span)
					if err == nil && !landed {
						return errors.New("an acknowledged block is not there")
					}
					return err
				})
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	work.Wait()
	killer.Wait()
	eventually(t, func(ctx context.Context) error {
		audit, err := db.Audit(ctx, time.Time{}, time.Time{})
		if err != nil {
			return err
		}
		if len(audit) != writers {
			return fmt.Errorf("%d partitions", len(audit))
		}
		for _, a := range audit {
			if a.Rows != blocks*rows || a.Places != blocks*rows || a.MinOffset != 0 || a.MaxOffset != blocks*rows-1 {
				return fmt.Errorf("%+v", a)
			}
		}
		return nil
	})
}

func TestCallsMeanwhileFailAtOnceWithAnErrorToRetry(t *testing.T) {
	db := openTest(t)
	if err := syscall.Kill(db.EnginePID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	var err error
	for err == nil && time.Since(started) < 10*time.Second {
		err = db.Ping(t.Context()) // until the death is noticed
	}
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	if e := time.Since(started); e > 5*time.Second {
		t.Errorf("it took %s to say so", e)
	}
	eventually(t, db.Ping)
}

func TestAnEngineThatHangsIsKilledAndRestarted(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.hungAfter = 1500 * time.Millisecond
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	time.Sleep(2 * cfg.hungAfter)
	pid := db.EnginePID()
	if restarts := testutil.ToFloat64(db.metrics.engineRestarts); restarts != 0 {
		t.Fatalf("a healthy engine was restarted %v times", restarts)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		return db.InsertEvents(ctx, testSpan(0, 10), testBatch(10, 0))
	})
	if now := db.EnginePID(); now == pid || testutil.ToFloat64(db.metrics.engineUp) != 1 {
		t.Errorf("engine %d after %d", now, pid)
	}
	if n := db.count(t, "SELECT count() FROM events"); n != 10 {
		t.Errorf("%d rows", n)
	}
}

func TestSecondOpenerOfTheDataFolderIsToldWhoHasIt(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), testConfig(t, dir))
	var locked *folderlock.InUseError
	if !errors.As(err, &locked) || locked.Folder != dir || locked.PID != os.Getpid() || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names %s and pid %d", err, dir, os.Getpid())
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	again, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatalf("after the first has closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestRowsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		db, err := Open(t.Context(), testConfig(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if n := db.count(t, "SELECT count() FROM events"); n != uint64(100*round) {
			t.Errorf("round %d: %d rows", round, n)
		}
		from := int64(100 * round)
		if err := db.InsertEvents(t.Context(), testSpan(from, from+100), testBatch(100, from)); err != nil {
			t.Fatal(err)
		}
		// The token of the round before is still known.
		if err := db.InsertEvents(t.Context(), testSpan(0, 100), testBatch(100, 0)); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEngineEndsWithItsParent(t *testing.T) {
	dir := t.TempDir()
	library, err := FindLibrary("", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"its standard input ends", "SIGTERM"} {
		socket := filepath.Join(dir, "e.sock")
		cmd := exec.Command(os.Args[0], "engine", "--socket", socket, "--path", dir, "--library", library)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if info, err := os.Stat(socket); err == nil && info.Mode().Perm() == 0o600 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("no private socket")
			}
		}
		started := time.Now()
		if how == "SIGTERM" {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		} else {
			_ = stdin.Close()
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if e := time.Since(started); e > 8*time.Second {
			t.Errorf("%s: took %s", how, e)
		}
		_ = stdin.Close()
	}
}

func TestAfterTheProgramIsKilledItsFolderIsFreeAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		parent := exec.Command(os.Args[0], "parent", dir)
		parent.Stderr = os.Stderr
		out, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscan(out, &pid); err != nil {
			t.Fatalf("the program did not start: %v", err)
		}
		_ = parent.Process.Kill()
		_ = parent.Wait()
		db, err := Open(t.Context(), testConfig(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if n := db.count(t, "SELECT count() FROM events"); n != 10 {
			t.Errorf("%d rows, want the 10 that were acknowledged", n)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(10 * time.Second); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the engine of the killed program lives on as %d", pid)
			}
		}
	}
}

func TestLongDataFolderGetsAShortSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	db, err := Open(t.Context(), testConfig(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	socket := db.supervisor.socket
	if len(socket) > maxSocketPath {
		t.Errorf("socket %s", socket)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder stays behind: %v", err)
	}
}

func TestWhatCannotStartSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"library not there":   {func(c *Config) { c.Library = "/nowhere/libchdb.so" }, []string{"/nowhere/libchdb.so", "make engine"}},
		"not a library":       {func(c *Config) { c.Library = file }, []string{file}},
		"folder is a file":    {func(c *Config) { c.DataDir = file }, []string{file}},
		"no folder":           {func(c *Config) { c.DataDir = "" }, []string{"--data"}},
		"cluster of nothing":  {func(c *Config) { c.Cluster = "c" }, []string{"--clickhouse"}},
		"DSN of another kind": {func(c *Config) { c.DSN = "mysql://root:hunter2@h/db" }, []string{"clickhouse://"}},
		"DSN nobody answers":  {func(c *Config) { c.DSN = "http://user:hunter2@127.0.0.1:1/db" }, []string{"127.0.0.1:1"}},
	} {
		cfg := testConfig(t, t.TempDir())
		c.change(&cfg)
		db, err := Open(t.Context(), cfg)
		if err == nil {
			_ = db.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q lacks %q", name, err, w)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
}
