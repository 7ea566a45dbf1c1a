package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
)

// QueryTimeout bounds a query whose context has no deadline.
const QueryTimeout = 60 * time.Second

// embeddedDatabase is the database of the embedded engine.
const embeddedDatabase = "tollkeeper"

// Config says which ClickHouse to use and how.
type Config struct {
	// DSN of a server, see [ParseDSN]; empty for the embedded engine.
	DSN string
	// DataDir is the embedded engine's folder; one process may have it open.
	DataDir string
	// Library is the path of libchdb.so; empty searches, see [FindLibrary].
	Library string
	// Executable is the program that serves the engine when called with `engine`; empty means this program.
	Executable string
	// Cluster makes replicated and distributed tables on the named cluster of the DSN's servers.
	Cluster string
	// EventsTTLDays and DeadLettersTTLDays are how long rows are kept. 0 keeps events for ever, dead letters for 14 days.
	EventsTTLDays      int
	DeadLettersTTLDays int
	// NoFsync lets an insert return before it is on the disk: a power cut may then lose acknowledged rows.
	NoFsync bool

	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // nil means time.Now

	hungAfter time.Duration // for tests; 0 means engineHungAfter
}

// DB is an open event store. All of its methods are safe for concurrent use.
type DB struct {
	cfg        Config
	conn       driver.Conn
	options    *ch.Options
	supervisor *supervisor // nil with a server
	metrics    *metrics
	local      bool // on this machine: blocks are not compressed
	encoders   sync.Pool
	suspects   suspects
	tooOld     atomic.Int64 // hours that were too old to be sealed at the last look
	closeOnce  sync.Once
	closeErr   error
}

// Open connects to ClickHouse, starting the embedded engine when cfg has no DSN, and brings the tables up to date. It
// returns a [*LibraryError] when the engine is not installed and a [*folderlock.InUseError] when its folder is in use.
func Open(ctx context.Context, cfg Config) (_ *DB, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.DeadLettersTTLDays == 0 {
		cfg.DeadLettersTTLDays = 14
	}
	if cfg.EventsTTLDays < 0 || cfg.DeadLettersTTLDays < 0 {
		return nil, errors.New("days to keep rows must not be negative")
	}
	db := &DB{cfg: cfg}
	if cfg.DSN != "" {
		if db.options, err = ParseDSN(cfg.DSN); err != nil {
			return nil, err
		}
		packInserts(db.options)
	}
	if db.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("register ClickHouse metrics: %w", err)
	}
	defer func() {
		if err != nil { // so that it can be tried again
			db.metrics.unregister(cfg.Registerer)
		}
	}()
	if cfg.DSN == "" {
		if err := db.embed(ctx); err != nil {
			return nil, err
		}
	} else if cfg.Cluster != "" {
		cfg.Logger.Info("ClickHouse tables are replicated and distributed", "cluster", cfg.Cluster)
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if db.conn, err = ch.Open(db.options); err != nil {
		return nil, fmt.Errorf("the ClickHouse DSN: %w", err)
	}
	if err := db.Ping(ctx); err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, err
	}
	return db, db.bootCheck(ctx)
}

// embed starts the engine and prepares the options that lead to it.
func (db *DB) embed(ctx context.Context) error {
	if db.cfg.Cluster != "" {
		return errors.New("a cluster needs a DSN: the embedded engine is one machine; set --clickhouse or unset the cluster")
	}
	if db.cfg.DataDir == "" {
		return errors.New("the embedded ClickHouse engine needs a data folder; set --data")
	}
	if db.cfg.Executable == "" {
		executable, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program, to start the embedded ClickHouse engine: %w", err)
		}
		db.cfg.Executable = executable
	}
	supervisor, err := startSupervisor(ctx, db.cfg, db.metrics)
	if err != nil {
		return err
	}
	db.supervisor, db.local = supervisor, true
	db.options = &ch.Options{
		Protocol: ch.HTTP, Addr: []string{"engine:80"}, DialContext: supervisor.dial,
		Auth:        ch.Auth{Database: embeddedDatabase},
		Compression: &ch.Compression{Method: ch.CompressionNone},
		DialTimeout: 10 * time.Second, MaxOpenConns: 64, MaxIdleConns: 16,
		TransportFunc: func(t *http.Transport) (http.RoundTripper, error) {
			t.Proxy = nil // the socket is not behind one, whatever the environment says
			t.WriteBufferSize, t.ReadBufferSize = 1<<18, 1<<18
			return t, nil
		},
	}
	return nil
}

// Conn is the connection itself, for queries of other packages over the tables of this one.
func (db *DB) Conn() driver.Conn { return db.conn }

// EnginePID is the process of the embedded engine; 0 while it is down or when a server is used.
func (db *DB) EnginePID() int {
	if db.supervisor == nil {
		return 0
	}
	return int(db.supervisor.pid.Load())
}

// Ping says whether ClickHouse answers.
func (db *DB) Ping(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, 10*time.Second)
	defer cancel()
	return wrap("reach ClickHouse", db.conn.Ping(ctx))
}

// Close ends the connection and then the embedded engine, which first finishes what it is writing.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		if db.conn != nil {
			db.closeErr = db.conn.Close()
		}
		if db.supervisor != nil {
			db.supervisor.close()
		}
	})
	return db.closeErr
}

// withTimeout gives ctx a deadline unless it has one.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
