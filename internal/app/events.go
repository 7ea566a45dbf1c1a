package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/enrich"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

func (a *App) openEvents(ctx context.Context) error {
	err := a.awaitPart(ctx, "clickhouse", func() (err error) {
		a.Events, err = clickhouse.Open(ctx, clickhouse.Config{
			DSN: a.cfg.ClickHouse, DataDir: a.path("clickhouse"), Library: a.cfg.ClickHouseLibrary, Cluster: a.cfg.ClickHouseCluster,
			EventsTTLDays: a.cfg.EventsDays, Logger: a.Log, Registerer: a.Registry, Now: a.now,
		})
		return a.clickHouseAway(err)
	}, func(err error) bool { return a.cfg.ClickHouse != "" && errors.Is(err, clickhouse.ErrUnavailable) })
	if err != nil {
		return err
	}
	a.cleanups.add("ClickHouse", func(context.Context) error { return a.Events.Close() })
	return nil
}

// clickHouseAway says which server could not be reached and what to look at. The driver's own text is a chain of what it was
// doing, with a whole request in it.
func (a *App) clickHouseAway(err error) error {
	if a.cfg.ClickHouse == "" || !errors.Is(err, clickhouse.ErrUnavailable) {
		return err
	}
	where := "the server of --clickhouse"
	if o, e := clickhouse.ParseDSN(a.cfg.ClickHouse); e == nil {
		where = strings.Join(o.Addr, ", ")
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		err = dial
	}
	return &awayError{fmt.Errorf("cannot reach ClickHouse at %s (check that it runs, that it lets this host in, and --clickhouse): %w", where, err)}
}

// awayError is ErrUnavailable under a text for people.
type awayError struct{ error }

func (e *awayError) Unwrap() []error { return []error{e.error, clickhouse.ErrUnavailable} }

// AddressFiles are the operator's address data, as far as they are named, and what came with the engine.
func AddressFiles(countryFile, networkFile string) (countries, networks []string) {
	if dir, ok := addressData(); ok {
		countries, networks = enrich.DefaultFiles(dir)
	}
	if countryFile != "" {
		countries = []string{countryFile}
	}
	if networkFile != "" {
		networks = []string{networkFile}
	}
	return countries, networks
}

// addressData finds the address data that was fetched with the engine.
func addressData() (nodeModules string, ok bool) {
	var roots []string
	if exe, err := os.Executable(); err == nil {
		roots = append(roots, filepath.Dir(exe), filepath.Dir(filepath.Dir(exe)))
	}
	if wd, err := os.Getwd(); err == nil {
		for dir := wd; ; dir = filepath.Dir(dir) {
			roots = append(roots, dir)
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	for _, root := range roots {
		dir := filepath.Join(root, ".cache", "engine", "node_modules")
		if _, err := os.Stat(filepath.Join(dir, "@ip-location-db")); err == nil {
			return dir, true
		}
	}
	return "", false
}

// usageSource answers the quotas' questions from ClickHouse.
type usageSource struct {
	db *clickhouse.DB
	a  *App
}

var steps = map[meter.Granularity]clickhouse.Granularity{
	meter.Total: clickhouse.Total, meter.Hour: clickhouse.Hourly, meter.Day: clickhouse.Daily, meter.Month: clickhouse.Monthly,
}

// UsageByKey implements meter.Source.
func (s usageSource) UsageByKey(ctx context.Context, keyIDs []string, from, to time.Time, by meter.Granularity) ([]meter.KeyUsage, error) {
	rows, err := s.db.UsageByKey(ctx, keyIDs, from, to, steps[by])
	if err != nil {
		return nil, err
	}
	out := make([]meter.KeyUsage, len(rows))
	for i := range rows {
		out[i] = toKeyUsage(&rows[i])
	}
	return out, nil
}

// EachKey implements meter.Source.
func (s usageSource) EachKey(ctx context.Context, from, to time.Time, each func(meter.KeyUsage) error) error {
	return s.db.EachKeyUsage(ctx, from, to, func(u clickhouse.KeyUsage) error { return each(toKeyUsage(&u)) })
}

// SealedThrough implements meter.Source: the time before which every hour is over for the grace time and has its seal, if it
// had any calls. The last sealed hour alone would say nothing of an older one that late records reopened, and a month whose
// last hour was quiet would stay open.
func (s usageSource) SealedThrough(ctx context.Context) (time.Time, error) {
	due := s.a.sealDue()
	unsealed, err := s.db.UnsealedHours(ctx, due, 1)
	if err != nil {
		return time.Time{}, err
	}
	late, err := s.db.LateHours(ctx, s.a.lateSince())
	if err != nil {
		return time.Time{}, err
	}
	return earliest(due, append(unsealed, late...)), nil
}

// earliest is the first of all these times.
func earliest(t time.Time, others []time.Time) time.Time {
	for _, o := range others {
		if o.Before(t) {
			t = o
		}
	}
	return t
}

func toKeyUsage(u *clickhouse.KeyUsage) meter.KeyUsage {
	k := meter.KeyUsage{KeyID: u.KeyID, Bucket: u.Start, Amounts: meter.Amounts{
		Requests: count(u.Requests), Errors: count(u.Errors), RequestBytes: count(u.RequestBytes), ResponseBytes: count(u.ResponseBytes),
	}}
	if len(u.Units) > 0 {
		k.Units = make(map[string]int64, len(u.Units))
		for name, n := range u.Units {
			k.Units[name] = count(n)
		}
	}
	return k
}

// count keeps a sum inside int64, as all counts of the program are.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// allAccounts lists the accounts to bill.
func (a *App) allAccounts(ctx context.Context) ([]string, error) {
	var ids []string
	for cursor := ""; ; {
		page, next, err := a.Keys.ListAccounts(ctx, "", cursor, 200)
		if err != nil {
			return nil, err
		}
		for i := range page {
			ids = append(ids, page[i].ID)
		}
		if cursor = next; next == "" {
			return ids, nil
		}
	}
}

// keyAccounts says which keys belong to which account.
type keyAccounts struct{ a *App }

// KeysOfAccount implements quotas.Accounts.
func (k keyAccounts) KeysOfAccount(ctx context.Context, accountID string) ([]string, error) {
	var ids []string
	for cursor := ""; ; {
		page, next, err := k.a.Keys.List(ctx, keys.Filter{AccountID: accountID, IncludeDeleted: true, Cursor: cursor, Limit: 200})
		if err != nil {
			return nil, err
		}
		for i := range page {
			ids = append(ids, page[i].ID)
		}
		if cursor = next; next == "" {
			return ids, nil
		}
	}
}

// AccountOfKey implements quotas.Accounts.
func (k keyAccounts) AccountOfKey(keyID string) string {
	info, _ := k.a.Verifier.KeyInfo(keyID)
	return info.AccountID
}
