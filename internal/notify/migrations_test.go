package notify_test

import (
	"database/sql"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// An installation that told one receiver goes on where it was: nothing is told twice, and what waits is sent.
func TestWhatOneReceiverWasToldIsKeptWhenThereMayBeSeveral(t *testing.T) {
	first, err := os.ReadFile("migrations/00001_notify.sql")
	require.NoError(t, err)
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLite, sqlstore.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			dsn := sqltest.DSN(t, dialect)
			old, err := sqlstore.Open(t.Context(), dsn, sqlstore.Source{Name: notify.Migrations().Name, FS: fstest.MapFS{"00001_notify.sql": {Data: first}}})
			require.NoError(t, err)
			require.NoError(t, old.WithTx(t.Context(), func(tx *sql.Tx) error {
				for _, insert := range []string{
					`INSERT INTO notify_state (name, cursor, began_at, holder, held_until) VALUES ('alerts', 42, 1700000000000, 'node-1', 1700000009000)`,
					`INSERT INTO notify_told (alert_id, n) VALUES ('alrt_1', 3), ('alrt_2', 1)`,
					`INSERT INTO notify_waiting (n, id, at, message, tries, refused) VALUES (7, 'msg_7', 1700000001000, '{"type":"alert.opened"}', 2, 1)`,
				} {
					if _, err := tx.ExecContext(t.Context(), insert); err != nil {
						return err
					}
				}
				return nil
			}))
			require.NoError(t, old.Close())

			db, err := sqlstore.Open(t.Context(), dsn, notify.Migrations())
			require.NoError(t, err)
			defer func() { require.NoError(t, db.Close()) }()
			text := func(query string) (s string) {
				t.Helper()
				require.NoError(t, db.Read().QueryRowContext(t.Context(), query).Scan(&s))
				return s
			}
			require.Equal(t, "alerts 42 1700000000000 node-1 0", text(`SELECT name || ' ' || cursor || ' ' || began_at || ' ' || holder || ' ' || delivered FROM notify_state`))
			require.Equal(t, "2 4", text(`SELECT COUNT(*) || ' ' || SUM(n) FROM notify_told WHERE receiver = 'alerts'`))
			require.Equal(t, `alerts 7 msg_7 1700000001000 {"type":"alert.opened"} 2 1`,
				text(`SELECT receiver || ' ' || n || ' ' || id || ' ' || at || ' ' || message || ' ' || tries || ' ' || refused FROM notify_waiting`))
		})
	}
}
