package sqlstore_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestManyRowsAreInsertedInOrderOrNone(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		db := open(t)
		count := func() (n int) {
			require.NoError(t, db.Read().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ledger").Scan(&n))
			return n
		}
		insert := func(n int, row func(i int) ([]any, error)) error {
			return db.WithTx(t.Context(), func(tx *sql.Tx) error {
				return sqlstore.InsertRows(t.Context(), tx, "ledger (name, seq)", 2, n, row)
			})
		}
		before := count()
		for _, n := range []int{0, 1, 7, 8, 9, 1000} {
			next := 0
			require.NoError(t, insert(n, func(i int) ([]any, error) {
				require.Equal(t, next, i)
				next++
				return []any{sqlstore.NewID("row", time.Now()), i}, nil
			}))
			require.Equal(t, n, next)
			before += n
			require.Equal(t, before, count(), "after %d rows", n)
		}
		broken := errors.New("broken")
		for at := range 20 { // in a full statement, and in the last
			require.ErrorIs(t, insert(20, func(i int) ([]any, error) {
				if i == at {
					return nil, broken
				}
				return []any{sqlstore.NewID("row", time.Now()), i}, nil
			}), broken)
			err := insert(20, func(i int) ([]any, error) {
				if i == at {
					return []any{"the same", i}, nil
				}
				return []any{map[bool]string{true: "the same", false: sqlstore.NewID("row", time.Now())}[i == (at+1)%20], i}, nil
			})
			require.True(t, sqlstore.IsUnique(err), "%v", err)
		}
		require.ErrorContains(t, insert(2, func(int) ([]any, error) { return []any{1}, nil }), "row 0 has 1 values")
		require.Equal(t, before, count())
	})
}
