// Package sqltest gives tests a fresh, migrated database on each of the engines: an SQLite file, and a schema of a real
// Postgres server that is started once per test process and stopped at its end.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }
//
// and tests of the form
//
//	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) { db := open(t) ... })
//
// where calling open twice gives two independent connections to the same database, as two processes would have. Without
// Postgres the tests fail and say what to install; they never skip.
package sqltest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// OpenFunc connects to the database of one test; the connection is closed when the test ends.
type OpenFunc func(t testing.TB) *sqlstore.DB

// Each runs test once per engine, as sub-tests "sqlite" and "postgres".
func Each(t *testing.T, test func(t *testing.T, open OpenFunc), sources ...sqlstore.Source) {
	t.Helper()
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(dialect), func(t *testing.T) { test(t, New(t, dialect, sources...)) })
	}
}

// New makes an empty database on the given engine.
func New(t testing.TB, dialect sqlstore.Dialect, sources ...sqlstore.Source) OpenFunc {
	t.Helper()
	dsn := DSN(t, dialect)
	return func(t testing.TB) *sqlstore.DB {
		t.Helper()
		db, err := sqlstore.Open(context.Background(), dsn, sources...)
		if err != nil {
			t.Fatalf("open the test database: %v", err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close the test database: %v", err)
			}
		})
		return db
	}
}

// DSN makes an empty database and returns its address, for tests that run the whole program.
func DSN(t testing.TB, dialect sqlstore.Dialect) string {
	t.Helper()
	if dialect == sqlstore.SQLite {
		// Tests make thousands of transactions; what a power cut would do is not what they ask.
		return "sqlite:" + filepath.Join(t.TempDir(), "test.db") + "?_pragma=synchronous(OFF)"
	}
	server, err := theCluster()
	if err != nil {
		t.Fatalf("the tests of the key store need a real Postgres server: %v", err)
	}
	name, err := server.createSchema()
	if err != nil {
		t.Fatalf("create a place for the test: %v", err)
	}
	return fmt.Sprintf("postgres:///postgres?host=%s&user=postgres&search_path=%s", server.folder, name)
}
