package budget_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/budget"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

type clock struct{ ms atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// each runs a test on both engines; open makes a further process on the same database.
func each(t *testing.T, test func(t *testing.T, open func() *budget.Store, c *clock)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		c := &clock{}
		c.ms.Store(1_700_000_000_000)
		test(t, func() *budget.Store { return budget.New(open(t), c.Now) }, c)
	}, budget.Migrations())
}

func TestProcessesThatAskAtOnceStayInsideTheCap(t *testing.T) {
	each(t, func(t *testing.T, open func() *budget.Store, c *clock) {
		ctx, caps := context.Background(), detect.Caps{SuspensionsPerHour: 7, SuspensionsPerDay: 100, ShareOfKeys: 1}
		processes := []*budget.Store{open(), open(), open()}
		var permitted, refused atomic.Int64
		var wg sync.WaitGroup
		for p, s := range processes {
			for worker := range 4 {
				wg.Go(func() {
					for i := range 5 {
						id := fmt.Sprint(p, worker, i)
						held, err := s.Suspend(ctx, id, "key_"+id, caps, 1000)
						switch {
						case err != nil:
							t.Error(err)
						case held == "":
							permitted.Add(1)
						case held != "7 suspensions in an hour are the cap":
							t.Errorf("held: %q", held)
						default:
							refused.Add(1)
						}
					}
				})
			}
		}
		wg.Wait()
		require.EqualValues(t, 7, permitted.Load())
		require.EqualValues(t, 60-7, refused.Load())

		restarted := open()
		held, err := restarted.Suspend(ctx, "after", "key_after", caps, 1000)
		require.NoError(t, err)
		require.NotEmpty(t, held, "a restart gives nothing back")
		c.Advance(time.Hour)
		held, err = restarted.Suspend(ctx, "after", "key_after", caps, 1000)
		require.NoError(t, err)
		require.Empty(t, held, "an hour later")
	})
}

func TestEachCapHoldsAndSaysWhichItIs(t *testing.T) {
	each(t, func(t *testing.T, open func() *budget.Store, c *clock) {
		ctx, s := context.Background(), open()
		n := 0
		next := func(caps detect.Caps, keys int) string {
			n++
			held, err := s.Suspend(ctx, fmt.Sprint("d", n), fmt.Sprint("key_", n), caps, keys)
			require.NoError(t, err)
			return held
		}
		day := detect.Caps{SuspensionsPerHour: 100, SuspensionsPerDay: 3, SuspensionsPerMonth: 5, ShareOfKeys: 1}
		require.Empty(t, next(day, 100))
		require.Empty(t, next(day, 100))
		share := day
		share.ShareOfKeys = 0.02
		require.Equal(t, "2 suspensions in a day are the cap for 100 keys", next(share, 100))
		require.Equal(t, "2 suspensions in a day are the cap for 3 keys", next(share, 3), "two are always allowed")
		require.Empty(t, next(day, 100))
		require.Equal(t, "3 suspensions in a day are the cap", next(day, 100))
		held, err := s.Suspend(ctx, "again", "key_1", day, 100)
		require.NoError(t, err)
		require.Empty(t, held, "the same key is no further one")
		held, err = s.Suspend(ctx, "d1", "key_1", day, 100)
		require.NoError(t, err)
		require.Empty(t, held, "told twice")
		c.Advance(25 * time.Hour)
		require.Empty(t, next(day, 100))
		require.Empty(t, next(day, 100))
		require.Equal(t, "5 suspensions in 30 days are the cap", next(day, 100))
		c.Advance(30 * 24 * time.Hour)
		require.Empty(t, next(day, 100))
	})
}

func TestAlertsHaveABudgetOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, open func() *budget.Store, c *clock) {
		ctx, s, caps := context.Background(), open(), detect.Caps{FlagsPerDay: 2}
		for i, want := range []string{"", "", "2 alerts in a day are the cap"} {
			held, err := s.Flag(ctx, fmt.Sprint(i), "key_1", caps)
			require.NoError(t, err)
			require.Equal(t, want, held)
		}
		held, err := s.Flag(ctx, "3", "key_1", detect.Caps{})
		require.NoError(t, err)
		require.Empty(t, held, "no cap")
		c.Advance(24 * time.Hour)
		held, err = s.Flag(ctx, "4", "key_1", caps)
		require.NoError(t, err)
		require.Empty(t, held)
	})
}
