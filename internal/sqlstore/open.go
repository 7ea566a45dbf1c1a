package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Connections per process. SQLite reads scale little beyond the cores of a small machine; a Postgres server is shared.
const (
	sqliteReaders    = 4
	postgresConns    = 16
	busyMillis       = 5000
	connectTimeout   = 15 * time.Second
	sqliteFolderHint = "create the folder, or set --database to another path or to postgres://user:password@host/name"
)

// Open connects to dsn and brings its tables up to date with this package's migrations, then with those of sources.
//
// dsn is a file path, "sqlite:PATH" (both take SQLite URI parameters after a ?), or "postgres://...". The file is made
// readable by its owner alone. Errors name the database and what to do, and never hold a password.
func Open(ctx context.Context, dsn string, sources ...Source) (*DB, error) {
	var d *DB
	var err error
	switch scheme, rest, _ := strings.Cut(dsn, ":"); {
	case dsn == "":
		return nil, errors.New("the database setting is empty: give a file path or postgres://user:password@host/name")
	case scheme == "postgres" || scheme == "postgresql":
		d, err = openPostgres(ctx, dsn)
	case scheme == "sqlite" || scheme == "file":
		d, err = openSQLite(strings.TrimPrefix(rest, "//"))
	case strings.Contains(dsn, "://"):
		return nil, fmt.Errorf("the database setting has the unknown scheme %q: use a file path, sqlite:PATH or postgres://", scheme)
	default:
		d, err = openSQLite(dsn)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range append([]Source{Embedded("core", migrations)}, sources...) {
		if err := d.migrate(ctx, s); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

func openSQLite(path string) (*DB, error) {
	path, params, _ := strings.Cut(path, "?")
	if path == "" || strings.Contains(path, ":memory:") || strings.Contains(params, "mode=memory") {
		return nil, errors.New("the database setting needs a file: an SQLite database in memory would lose every key with the process")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database file (%s): %w", sqliteFolderHint, err)
	}
	// The log and shared-memory files take their mode from the database file.
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	base := (&url.URL{Scheme: "file", Path: path}).String() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=synchronous(FULL)", busyMillis)
	if params != "" {
		base += "&" + params // after ours: the last one of a pragma wins
	}
	d := &DB{dialect: SQLite, where: "sqlite:" + path}
	if d.writer, err = sql.Open("sqlite", base+"&_txlock=immediate"); err != nil {
		return nil, fmt.Errorf("open %s: %w", d.where, err)
	}
	d.writer.SetMaxOpenConns(1)
	if d.reader, err = sql.Open("sqlite", base+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", d.where, err), d.writer.Close())
	}
	d.reader.SetMaxOpenConns(sqliteReaders)
	d.reader.SetMaxIdleConns(sqliteReaders)
	return d, nil
}

func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	// The text of a parse error may quote the DSN, so it is not passed on; the usual causes are named instead.
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the database setting %s is no valid Postgres address: expected postgres://user:password@host:port/name?sslmode=require, "+
			"with special characters of the password percent-encoded", hidePassword(dsn))
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "tollkeeper"
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns / 2)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	d := &DB{dialect: Postgres, where: fmt.Sprintf("postgres://%s@%s:%d/%s", cfg.User, cfg.Host, cfg.Port, cfg.Database), writer: pool, reader: pool}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot reach the database %s (check that it runs, that it lets this host in, and the password): %w", d.where, err), pool.Close())
	}
	return d, nil
}

var password = regexp.MustCompile(`(://[^:@/]*):.*@`)

// hidePassword returns dsn fit for a message. It must cope with one that net/url rejects.
func hidePassword(dsn string) string {
	dsn, _, _ = strings.Cut(dsn, "?") // parameters may hold a password too
	return password.ReplaceAllString(dsn, "$1:xxxxx@")
}

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// migrate runs what is missing of s. Several processes may do so at once: on Postgres an advisory lock queues them, on
// SQLite the loser of the race finds, on its next try, nothing left to do.
func (d *DB) migrate(ctx context.Context, s Source) error {
	if !sourceName.MatchString(s.Name) {
		return fmt.Errorf("migration source %q: the name must be lower-case letters, digits and _", s.Name)
	}
	dialect := goose.DialectSQLite3
	opts := []goose.ProviderOption{goose.WithTableName("goose_" + s.Name), goose.WithDisableGlobalRegistry(true)}
	if d.dialect == Postgres {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return fmt.Errorf("migrate %s: %w", d.where, err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, d.writer, s.FS, opts...)
	if err != nil {
		return fmt.Errorf("migrations %s: %w", s.Name, err)
	}
	for attempt := 1; ; attempt++ {
		_, err = p.Up(ctx)
		if err == nil {
			return d.checkVersion(ctx, p, s)
		}
		if ctx.Err() != nil { // what goose says then is a matter of luck, down to a transaction that has been rolled back already
			return fmt.Errorf("migrate %s (%s): %w", d.where, s.Name, ctx.Err())
		}
		if d.dialect == Postgres || attempt == 3 {
			return fmt.Errorf("migrate %s (%s): %w", d.where, s.Name, err)
		}
	}
}

// checkVersion refuses a database that a newer program has migrated: running on would write rows the newer one misreads.
func (d *DB) checkVersion(ctx context.Context, p *goose.Provider, s Source) error {
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of %s: %w", d.where, err)
	}
	if have > want {
		return fmt.Errorf("database %s has version %d of the tables %q, this program knows %d: use the newer tollkeeper that wrote it", d.where, have, s.Name, want)
	}
	return nil
}
