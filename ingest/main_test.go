package ingest

import (
	"context"
	"encoding/json"
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

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
)

// The test binary is also the processes that the fault tests kill: the engine, started like the program starts it, and
// an ingester.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "engine":
		os.Exit(serveEngine(os.Args[2:]))
	case os.Getenv(ingestEnv) != "":
		os.Exit(serveIngest(os.Getenv(ingestEnv)))
	}
	goleak.VerifyTestMain(m)
}

const ingestEnv = "TOLLKEEPER_TEST_INGEST"

func serveEngine(args []string) int {
	var cfg clickhouse.EngineConfig
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	flags.StringVar(&cfg.Socket, "socket", "", "")
	flags.StringVar(&cfg.DataDir, "path", "", "")
	flags.StringVar(&cfg.Library, "library", "", "")
	if flags.Parse(args) != nil {
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

// ingestProcess says what an ingester in a process of its own does.
type ingestProcess struct {
	Brokers  []string
	Topic    string
	Instance string
	DSN      string
	Session  time.Duration
	Target   string // set: Topic is re-keyed into it
	Rekeyed  bool   // Topic is one that was re-keyed
	NoWindow bool   // the same request id counts each time
}

func serveIngest(config string) int {
	var p ingestProcess
	if err := json.Unmarshal([]byte(config), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	db, err := openWhenUp(ctx, clickhouse.Config{DSN: p.DSN, Logger: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer db.Close()
	err = p.run(ctx, db, log)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (p ingestProcess) run(ctx context.Context, db *clickhouse.DB, log *slog.Logger) error {
	if p.Target != "" {
		r, err := NewRekeyer(RekeyConfig{
			Brokers: p.Brokers, Topics: []string{p.Topic}, Target: p.Target, Group: p.Topic, Instance: p.Instance, Store: db, NewDecoder: newTestDecoder,
			SessionTimeout: p.Session, InsertTimeout: p.Session * 3 / 4, Logger: log,
		})
		if err != nil {
			return err
		}
		return r.Run(ctx)
	}
	cfg := Config{
		Brokers: p.Brokers, Topics: []string{p.Topic}, Group: p.Topic, Instance: p.Instance, Store: db, NewDecoder: newTestDecoder,
		SessionTimeout: p.Session, InsertTimeout: p.Session * 3 / 4, HeartbeatInterval: p.Session / 10, FlushInterval: 100 * time.Millisecond,
		StallAfter: 20 * time.Second, Logger: log,
	}
	if p.Rekeyed {
		cfg.Rekeyed, cfg.NewDecoder = cfg.Topics, newRekeyedDecoder
	}
	if p.NoWindow {
		cfg.DedupWindow = -1
	}
	in, err := New(cfg)
	if err != nil {
		return err
	}
	return in.Run(ctx)
}

func newTestDecoder(string) (Decoder, error) {
	keys, err := accesslog.NewHMACResolver([]byte("a pepper for tests only"))
	if err != nil {
		return nil, err
	}
	return accesslog.New("tollkeeper", accesslog.Options{Keys: keys})
}

// newRekeyedDecoder believes what lines say of their origin.
func newRekeyedDecoder(string) (Decoder, error) {
	keys, err := accesslog.NewHMACResolver([]byte("a pepper for tests only"))
	if err != nil {
		return nil, err
	}
	return accesslog.New("tollkeeper", accesslog.Options{Keys: keys, Origins: true})
}

// openWhenUp opens the store, waiting while the engine restarts.
func openWhenUp(ctx context.Context, cfg clickhouse.Config) (*clickhouse.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	var last error
	for {
		db, err := clickhouse.Open(ctx, cfg)
		if err == nil {
			return db, nil
		}
		if ctx.Err() != nil {
			return nil, errors.Join(err, last)
		}
		last = err
		cfg.Logger.Info("waiting for the engine", "error", err)
		sleep(ctx, 100*time.Millisecond)
	}
}
