package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/accesslog"
	"github.com/tollkeeper/tollkeeper/internal/budget"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/policystore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/quotas"
)

// KeyResolver opens the key store beside a running server, to turn keys in clear into their ids. It follows changes until
// closed.
func KeyResolver(ctx context.Context, c config.Config, log *slog.Logger) (_ accesslog.KeyResolver, closed func(), err error) {
	a := &App{Log: log, cfg: c, now: time.Now, tool: true, failed: make(chan error, 1)}
	end := func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := a.Stop(stop); err != nil {
			log.Warn("the key store did not close in order", "err", err)
		}
	}
	if err := a.openKeys(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return a.Verifier, end, nil
}

// loadPepper takes the setting rather than the file in the data folder, which every container would make anew for itself.
func loadPepper(c config.Config) (*keys.Pepper, error) {
	if c.Pepper == "" {
		return keys.LoadPepper(filepath.Join(c.Data, "pepper"))
	}
	p, err := keys.ParsePepper([]byte(c.Pepper))
	if err != nil {
		return nil, fmt.Errorf("pepper: %w", err)
	}
	return p, nil
}

// openKeys opens the database and the keys in it.
func (a *App) openKeys(ctx context.Context) error {
	pepper, err := loadPepper(a.cfg)
	if err != nil {
		return err
	}
	dsn := a.cfg.Database
	if dsn == "" {
		dsn = filepath.Join(a.cfg.Data, "tollkeeper.db")
	}
	err = a.awaitPart(ctx, "database", func() (err error) {
		a.SQL, err = sqlstore.Open(ctx, dsn, quotas.Migrations(), budget.Migrations(), policystore.Migrations(), notify.Migrations())
		return err
	}, sqlstore.Away)
	if err != nil {
		return err
	}
	a.cleanups.add("database", func(context.Context) error { return a.SQL.Close() })
	if a.Keys, err = keys.NewStore(ctx, a.SQL, keys.StoreConfig{Pepper: pepper, Now: a.now, Logger: a.Log}); err != nil {
		return err
	}
	a.pepper = pepper
	if err := a.openEnricher(); err != nil {
		return err
	}
	if err := a.openRates(ctx); err != nil {
		return err
	}
	if a.Verifier, err = keys.NewVerifier(a.Keys, a.verifierConfig()); err != nil {
		return err
	}
	if err := a.Verifier.Load(ctx); err != nil {
		return err
	}
	a.run("key feed", a.Verifier.Run)
	return nil
}
