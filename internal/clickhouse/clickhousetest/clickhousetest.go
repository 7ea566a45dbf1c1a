// Package clickhousetest gives tests the real embedded engine. A test binary serves the engine itself, in a child process,
// as the program does: its TestMain must begin with [ServeIfEngine].
package clickhousetest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// ServeIfEngine serves the engine and ends the process when it was started as `engine`; else it returns at once.
func ServeIfEngine() {
	if len(os.Args) < 2 || os.Args[1] != "engine" {
		return
	}
	var cfg clickhouse.EngineConfig
	flags := flag.NewFlagSet("engine", flag.ExitOnError)
	flags.StringVar(&cfg.Socket, "socket", "", "unix socket to listen on")
	flags.StringVar(&cfg.DataDir, "path", "", "data folder")
	flags.StringVar(&cfg.Library, "library", "", "path of libchdb")
	_ = flags.Parse(os.Args[2:]) // ends the process on an error
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := clickhouse.ServeEngine(ctx, cfg)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Open opens the engine on a new folder and closes it at the end of the test. It fails the test, and says what to run,
// where the engine is not installed.
func Open(t testing.TB) *clickhouse.DB {
	t.Helper()
	return OpenConfig(t, clickhouse.Config{DataDir: t.TempDir()})
}

// OpenConfig is Open with settings.
func OpenConfig(t testing.TB, cfg clickhouse.Config) *clickhouse.DB {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Executable = executable
	db, err := clickhouse.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
