package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Idempotency implements api.Idempotency in the relational database, so that a repeat may reach another process. What is
// too old is deleted now and then, by whoever comes.
type Idempotency struct {
	store  sqlstore.Idempotency
	purged *atomic.Int64 // Unix seconds
}

const purgeEvery = time.Hour

// NewIdempotency binds db.
func NewIdempotency(db *sqlstore.DB, now func() time.Time) Idempotency {
	return Idempotency{store: sqlstore.Idempotency{DB: db, Now: now}, purged: &atomic.Int64{}}
}

// Begin implements api.Idempotency.
func (b Idempotency) Begin(ctx context.Context, scope, key, hash string) (*api.StoredAnswer, error) {
	now, last := b.store.Now().Unix(), b.purged.Load()
	if now-last >= int64(purgeEvery/time.Second) && b.purged.CompareAndSwap(last, now) {
		if err := b.store.Purge(ctx); err != nil {
			return nil, err
		}
	}
	kept, err := b.store.Begin(ctx, scope, key, hash)
	switch {
	case errors.Is(err, sqlstore.ErrRequestDiffers):
		return nil, &api.Error{Code: api.CodeIdempotencyReused, Cause: err}
	case errors.Is(err, sqlstore.ErrRequestRuns):
		return nil, &api.Error{Code: api.CodeIdempotencyRunning, Cause: err}
	case err != nil || kept == nil:
		return nil, err
	}
	var a api.StoredAnswer
	if err := json.Unmarshal(kept.Body, &a); err != nil {
		return nil, fmt.Errorf("read the answer to an idempotent request: %w", err)
	}
	return &a, nil
}

// Finish implements api.Idempotency.
func (b Idempotency) Finish(ctx context.Context, scope, key string, a *api.StoredAnswer) error {
	if a == nil {
		return b.store.Abandon(ctx, scope, key)
	}
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("keep the answer to an idempotent request: %w", err)
	}
	return b.store.Finish(ctx, scope, key, sqlstore.Answer{Status: a.Status, Body: body})
}
