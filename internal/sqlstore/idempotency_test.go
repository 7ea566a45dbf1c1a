package sqlstore_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, now := context.Background(), time.UnixMilli(1_700_000_000_000)
		i := sqlstore.Idempotency{DB: open(t), Now: func() time.Time { return now }}
		begin := func(name, hash string) *sqlstore.Answer {
			t.Helper()
			a, err := i.Begin(ctx, "acme POST /v1/keys", name, hash)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := begin("n", "h"); a != nil {
			t.Fatalf("the first got %+v", a)
		}
		if _, err := i.Begin(ctx, "acme POST /v1/keys", "n", "h"); !errors.Is(err, sqlstore.ErrRequestRuns) {
			t.Errorf("while it runs: %v", err)
		}
		if err := i.Finish(ctx, "acme POST /v1/keys", "n", sqlstore.Answer{Status: 201, Body: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
		if a := begin("n", "h"); a == nil || a.Status != 201 || string(a.Body) != "{}" {
			t.Errorf("the second got %+v", a)
		}
		if _, err := i.Begin(ctx, "acme POST /v1/keys", "n", "other"); !errors.Is(err, sqlstore.ErrRequestDiffers) {
			t.Errorf("another request: %v", err)
		}
		if a, err := i.Begin(ctx, "globex POST /v1/keys", "n", "other"); a != nil || err != nil {
			t.Errorf("another caller: %+v, %v", a, err)
		}
		begin("failed", "h")
		if err := i.Abandon(ctx, "acme POST /v1/keys", "failed"); err != nil {
			t.Fatal(err)
		}
		if a := begin("failed", "h2"); a != nil {
			t.Errorf("after a failure: %+v", a)
		}
		now = now.Add(sqlstore.IdempotentTTL)
		if err := i.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		if a := begin("n", "other"); a != nil {
			t.Errorf("a day later: %+v", a)
		}
	})
}

func TestOfManyEqualRequestsOneIsCarriedOut(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		var first atomic.Int64
		var running sync.WaitGroup
		for range 4 {
			i := sqlstore.Idempotency{DB: open(t), Now: time.Now}
			running.Go(func() {
				a, err := i.Begin(context.Background(), "s", "n", "h")
				switch {
				case errors.Is(err, sqlstore.ErrRequestRuns):
				case err != nil:
					t.Error(err)
				case a == nil:
					first.Add(1)
				}
			})
		}
		running.Wait()
		if first.Load() != 1 {
			t.Errorf("%d were carried out", first.Load())
		}
	})
}
