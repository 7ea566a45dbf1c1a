package policystore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/policystore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

func TestRevisionsAreKeptOnceAndTheNewestIsInForce(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, log, now := context.Background(), open(t), audit.New([]byte("for tests")), time.UnixMilli(1_700_000_000_000).UTC()
		s := policystore.New(db, log, func() time.Time { return now })
		for i, r := range []string{"a", "a", "b", "a"} {
			now = now.Add(time.Minute)
			require.NoError(t, s.Loaded(ctx, r, "content of "+r, []string{"one", "two"}[i%2]))
		}
		list, err := s.List(ctx, 10)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, policystore.Revision{Revision: "a", FirstAt: now.Add(-3 * time.Minute), LastAt: now, Host: "two"}, list[0])
		b, err := s.Get(ctx, "b")
		require.NoError(t, err)
		require.Equal(t, "content of b", b.Content)
		_, err = s.Get(ctx, "c")
		require.ErrorIs(t, err, policystore.ErrNotFound)
		trail, _, err := log.List(ctx, db.Read(), audit.Filter{Action: "policy.load", Limit: 10})
		require.NoError(t, err)
		require.Len(t, trail, 3, "a, b, a: loading the same again is no change")
	}, policystore.Migrations())
}
