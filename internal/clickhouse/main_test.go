package clickhouse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" { // as the program does with its subcommand
		os.Exit(serveEngineForTests())
	}
	if len(os.Args) > 2 && os.Args[1] == "parent" {
		os.Exit(openAndWait(os.Args[2]))
	}
	if err := flag.Set("rapid.checks", "30"); err != nil { // each talks to the engine; a command line may ask for more
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func serveEngineForTests() int {
	var cfg EngineConfig
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.StringVar(&cfg.Socket, "socket", "", "")
	flags.StringVar(&cfg.DataDir, "path", "", "")
	flags.StringVar(&cfg.Library, "library", "", "")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := ServeEngine(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// openAndWait is a process that has the engine and is killed by a test.
func openAndWait(dir string) int {
	db, err := Open(context.Background(), Config{DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := db.InsertEvents(context.Background(), testSpan(0, 10), testBatch(10, 0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := fmt.Fprintln(os.Stdout, db.EnginePID()); err != nil {
		return 1
	}
	time.Sleep(time.Minute)
	return 0
}

// testConfig starts the real engine in a folder of the test's. A missing library fails the test and says what to run.
func testConfig(t testing.TB, dir string) Config {
	t.Helper()
	if _, err := FindLibrary("", ""); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{DataDir: dir, Executable: executable, Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
}

// openTest opens the engine in a new folder and closes it at the end of the test.
func openTest(t testing.TB) *DB {
	t.Helper()
	db, err := Open(t.Context(), testConfig(t, t.TempDir()))
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

// eventually repeats f until it succeeds, for calls that may meet a dead engine.
func eventually(t testing.TB, f func(ctx context.Context) error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still failing: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) { w.t.Log(string(b)); return len(b), nil }

var errTest = errors.New("test")

func testSpan(from, to int64) usage.Span {
	return usage.Span{Topic: "logs", Partition: 3, From: from, To: to, Day: 20780, Epoch: "e1"}
}
