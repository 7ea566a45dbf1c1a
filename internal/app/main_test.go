package app

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

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" { // as the program does with its subcommand
		os.Exit(serveEngine())
	}
	os.Exit(m.Run())
}

func serveEngine() int {
	var cfg clickhouse.EngineConfig
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.StringVar(&cfg.Socket, "socket", "", "")
	flags.StringVar(&cfg.DataDir, "path", "", "")
	flags.StringVar(&cfg.Library, "library", "", "")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := clickhouse.ServeEngine(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
