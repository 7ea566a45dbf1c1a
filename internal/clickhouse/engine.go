package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse/libchdb"
	"github.com/tollkeeper/tollkeeper/internal/folderlock"
)

// EngineConfig is what the engine's process is started with.
type EngineConfig struct {
	// Socket is the path of the unix socket to serve on, under 104 bytes. It is created with mode 0600.
	Socket string
	// DataDir holds the tables. One engine may have it open.
	DataDir string
	// Library is the path of libchdb.so; see [FindLibrary].
	Library string
	// Parent is read until it ends, which is when the process that started the engine is gone. Nil means standard input.
	Parent io.Reader
	// Connections is how many statements run at once; others wait. 0 means 16.
	Connections int
}

// Bounds of the engine's process.
const (
	defaultEngineConnections = 16
	engineLockWait           = 15 * time.Second // for a predecessor that is still writing its last part
	engineDrain              = 10 * time.Second // for running statements, at the end
	maxSQLBytes              = 16 << 20
	maxInsertBytes           = 1 << 30
)

// ServeEngine loads the engine and serves it as HTTP on a unix socket, in the dialect that clickhouse-go speaks. It is
// the body of the hidden subcommand `tollkeeper engine`, a process of its own so that a crash in C++ takes nothing else
// down. It returns when ctx ends or its parent has gone, after running statements have ended or ten seconds have passed.
func ServeEngine(ctx context.Context, cfg EngineConfig) error {
	if cfg.Connections <= 0 {
		cfg.Connections = defaultEngineConnections
	}
	if cfg.Parent == nil {
		cfg.Parent = os.Stdin
	}
	unlock, err := folderlock.Acquire(ctx, cfg.DataDir, "engine.lock", engineLockWait)
	if err != nil {
		return err
	}
	defer unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process at the latest: a read of standard input cannot be taken back
		_, _ = io.Copy(io.Discard, cfg.Parent)
		cancel()
	}()

	lib, err := libchdb.Load(cfg.Library)
	if err != nil {
		return err
	}
	pool, err := newEnginePool(lib, filepath.Join(cfg.DataDir, "store"), cfg.Connections)
	if err != nil {
		return fmt.Errorf("open %s: %w", cfg.DataDir, err)
	}
	defer func() { pool.close(); _ = lib.Shutdown() }()

	var yielding sync.WaitGroup
	defer func() { cancel(); yielding.Wait() }()
	yielding.Go(func() { yieldMerges(ctx) })

	listener, err := listenPrivate(cfg.Socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &engineHandler{pool: pool}, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the engine: %w", err)
	case <-ctx.Done():
	}
	drain, stop := context.WithTimeout(context.WithoutCancel(ctx), engineDrain)
	defer stop()
	if err := server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving the engine: %w", err)
	}
	return nil
}

// listenPrivate listens on a unix socket that only this user can reach, replacing what a killed predecessor left.
func listenPrivate(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the engine's socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the engine's socket: %w", err)
	}
	// The folder is private as well, so nobody slips in between the two calls.
	if err := os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("the engine's socket: %w", err)
	}
	return listener, nil
}
