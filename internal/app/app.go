// Package app joins the parts of Tollkeeper into one program that can be started and stopped, by cmd/tollkeeper and by tests
// alike. It is the only package that knows all others.
//
// [Start] opens everything in the order in which things depend on each other and returns when the API answers; [App.Wait]
// blocks until something fails for good or its context ends; [App.Stop] ends everything in reverse. No signal handling and
// no exit happens here. A database or ClickHouse of another machine is waited for; meanwhile the API's address says so.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/ingest"
	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/ingest/enrich"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/broker"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/folderlock"
	"github.com/tollkeeper/tollkeeper/internal/redisrate"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
	"github.com/tollkeeper/tollkeeper/quotas"
	"github.com/tollkeeper/tollkeeper/quotas/counter"
)

// Options are what Start needs.
type Options struct {
	Config   config.Config
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Now      func() time.Time
	Version  string
	// Tool leaves out everything that serves or runs in the background: for import and for the commands that look into the
	// stores.
	Tool bool
	// Simulated says that the traffic is the demo's; the dashboard shows it.
	Simulated bool
}

// App is the running program.
type App struct {
	Log      *slog.Logger
	Registry *prometheus.Registry

	SQL      *sqlstore.DB
	Keys     *keys.Store
	Verifier *keys.Verifier
	Tokens   *tokens.Store
	Alerts   *alerts.Store
	Events   *clickhouse.DB
	Quotas   *quotas.Service
	Counter  *counter.Counter
	Enricher *enrich.Enricher
	Ingester *ingest.Ingester
	API      *api.Server

	cfg        config.Config
	now        func() time.Time
	version    string
	tool       bool
	pepper     *keys.Pepper
	rates      *redisrate.Limiter // nil: this node counts for itself
	simulated  bool
	brokers    []string
	security   broker.Security // of an external Kafka
	listener   net.Listener
	server     *http.Server
	handler    atomic.Pointer[http.Handler] // nil while the program is starting
	waiting    waiting
	detection  *detection
	enforcer   *enforcer
	policies   *policyFile
	receivers  []Receiver
	observed   *observedKeys
	rekeyer    *ingest.Rekeyer // nil without topics to re-key
	replaying  sync.Mutex      // of dead letters, one page at a time
	liveEvents *api.Events
	failed     chan error
	cleanups   cleanups
}

// Start opens everything. When it fails, nothing is left running. Its errors are for the user: they name the setting or
// the file and say what to do.
func Start(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{Log: o.Logger, Registry: o.Registry, cfg: o.Config, now: o.Now, version: o.Version, tool: o.Tool, simulated: o.Simulated, failed: make(chan error, 1)}
	if a.now == nil {
		a.now = time.Now
	}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, a.Stop(stop))
		}
	}()
	a.liveEvents = api.NewEvents(0, a.now)
	steps := []func(context.Context) error{a.openFolder, a.openStores, a.openEvents, a.openQuotas}
	if !o.Tool {
		steps = append(slices.Insert(slices.Insert(steps, 1, a.listen), 0, a.readReceivers), a.openNotifications, a.openLog, a.openDetection, a.openIngest, a.openAPI, a.serve, a.admitClient)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) openFolder(ctx context.Context) error {
	unlock, err := folderlock.Acquire(ctx, a.cfg.Data, "lock", 0)
	if err != nil {
		return err
	}
	a.cleanups.add("data folder", func(context.Context) error { unlock(); return nil })
	return nil
}

// run starts work that goes on until Stop comes to it, in reverse order of starting. An error of it ends Wait.
func (a *App) run(name string, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := work(ctx); err != nil && ctx.Err() == nil {
			a.fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
	a.cleanups.add(name, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// fail makes Wait return err; only the first failure counts.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Wait blocks until ctx ends, then returns nil, or until a part has failed for good.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

func (a *App) path(name string) string { return filepath.Join(a.cfg.Data, name) }

func (a *App) openStores(ctx context.Context) error {
	if err := a.openKeys(ctx); err != nil {
		return err
	}
	a.Alerts = alerts.NewStore(a.SQL, alerts.Config{Audit: a.Keys.Audit(), Now: a.now, Logger: a.Log})
	var err error
	a.Tokens, err = tokens.NewStore(ctx, a.SQL, tokens.Config{
		Secret: a.pepper.Derive("tokens"), Audit: a.Keys.Audit(), Now: a.now, Logger: a.Log,
	})
	if err != nil {
		return err
	}
	if !a.tool {
		a.run("token feed", a.Tokens.Run)
		a.run("alert feed", a.Alerts.Run)
		a.run("old alerts", a.settleOldAlerts)
		a.run("old audit entries", a.expireAudit)
	}
	return nil
}

func (a *App) verifierConfig() keys.VerifierConfig {
	c := keys.VerifierConfig{
		Bound: a.cfg.FeedBound, Poll: min(keys.DefaultPoll, a.cfg.FeedBound/4), FailOpen: a.cfg.FeedPolicy == "open",
		Quota: func(id string) (bool, string) {
			if a.Counter == nil {
				return true, ""
			}
			ok, reason, _ := a.Counter.Check(id)
			return ok, reason
		},
		ASN:   func(ip netip.Addr) uint32 { _, asn := a.Enricher.Lookup(ip); return asn },
		Agent: enrich.Family,
	}
	if a.rates != nil {
		c.Limiter = a.rates
	}
	if a.Registry != nil {
		c.Registerer = a.Registry
	}
	return c
}

// openEnricher takes the operator's address data, or what came with the engine. Without any, networks stay unknown.
func (a *App) openEnricher() error {
	countries, networks := AddressFiles(a.cfg.CountryFile, a.cfg.NetworkFile)
	if len(countries)+len(networks) == 0 {
		a.Log.Warn("no address data: countries and networks stay unknown; run 'make engine' or set country-file and network-file")
	}
	var err error
	if a.Enricher, err = enrich.New(enrich.Config{CountryFiles: countries, ASNFiles: networks, Logger: a.Log}); err != nil {
		return err
	}
	if a.tool {
		return nil
	}
	a.run("address data", func(ctx context.Context) error {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		a.Enricher.Watch(ctx, tick.C)
		return nil
	})
	return nil
}

// listen takes the API's address first, so that a busy port is found before anything else is started, and answers there that the
// program is starting.
func (a *App) listen(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; stop what uses it, or choose another address with --listen", a.cfg.Listen, errors.Unwrap(err))
	}
	a.listener = l
	a.server = newServer(a.Log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ready := a.handler.Load(); ready != nil {
			(*ready).ServeHTTP(w, r)
			return
		}
		a.waiting.ServeHTTP(w, r)
	}))
	go func() {
		if err := a.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("serve the API: %w", err))
		}
	}()
	a.cleanups.add("listener", func(context.Context) error { _ = a.server.Close(); return nil })
	return nil
}

// newServer bounds how long a client may take, with no role needed to take long: a body that never comes, or an answer that is
// never read, would hold a connection for ever, and there are only so many. The clock of reading stops when all of a request
// is there. That of writing also covers the handler's work, of which an audit's is the longest; the live stream sets its own.
func newServer(log *slog.Logger, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 11 * time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// serve starts answering.
func (a *App) serve(context.Context) error {
	handler := a.API.Handler()
	if !a.cfg.Answers() {
		handler = healthOnly(handler)
	}
	a.handler.Store(&handler)
	a.cleanups.add("API", func(ctx context.Context) error {
		a.API.Stopping()
		return a.server.Shutdown(ctx)
	})
	return nil
}

// Answers says that this process serves the API.
func (a *App) Answers() bool { return a.cfg.Answers() }

// URL is where the API answers.
func (a *App) URL() string {
	if a.cfg.PublicURL != "" {
		return a.cfg.PublicURL
	}
	return "http://" + a.listener.Addr().String()
}

// Brokers are the addresses of Kafka.
func (a *App) Brokers() []string { return a.brokers }

// Stop ends everything in reverse order of its start.
func (a *App) Stop(ctx context.Context) error {
	return a.cleanups.run(ctx, func(name string, took time.Duration) {
		a.Log.Debug("stopped", "part", name, "took", took)
	})
}

// Decoder makes a decoder for the settings' format. It is for one goroutine.
func (a *App) Decoder() (accesslog.Decoder, error) { return NewDecoder(a.cfg, a.Verifier) }

// NewDecoder makes a decoder for the settings' format, with keys told apart by resolver.
func NewDecoder(c config.Config, resolver accesslog.KeyResolver) (accesslog.Decoder, error) {
	o := accesslog.Options{Keys: resolver, TrustedHops: c.TrustedHops}
	if c.Mapping != "" {
		m, err := accesslog.LoadMapping(c.Mapping)
		if err != nil {
			return nil, err
		}
		o.Mapping = m
	}
	return accesslog.New(c.Format, o)
}
