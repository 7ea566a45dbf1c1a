package app

import (
	"context"
	"encoding/hex"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/internal/redisrate"
)

// openRates makes all nodes count the rates of keys together, where the settings name a Redis. One that is not there does not hold up the
// start.
func (a *App) openRates(ctx context.Context) (err error) {
	if a.cfg.Redis == "" || a.tool || !a.cfg.Answers() {
		return nil
	}
	// The nodes of one deployment, and no others, share a pepper.
	a.rates, err = redisrate.Open(ctx, redisrate.Config{
		URL: a.cfg.Redis, SentinelPassword: a.cfg.RedisSentinelPassword, CAFile: a.cfg.RedisCAFile, Timeout: a.cfg.RedisTimeout, Namespace: hex.EncodeToString(a.pepper.Derive("rates")[:8]),
		Logger: a.Log, Registerer: a.Registry,
	})
	if err != nil {
		return err
	}
	a.cleanups.add("redis", func(context.Context) error { return a.rates.Close() })
	a.run("rates", a.rates.Run)
	return nil
}

// checks are the parts of readiness.
func (a *App) checks() []api.Check {
	checks := []api.Check{
		{Name: "database", Run: a.SQL.Ping},
		{Name: "clickhouse", Run: a.Events.Ping},
		{Name: "key-feed", Run: func(context.Context) error { return a.Verifier.Ready() }},
	}
	if a.cfg.Ingests() {
		checks = append(checks, api.Check{Name: "ingest", Run: a.ingestReady})
	}
	if a.rates != nil {
		checks = append(checks, api.Check{Name: "rate-limits", Run: a.rates.Ready, Optional: true})
	}
	return checks
}
