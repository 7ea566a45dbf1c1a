package bind

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Idempotency implements api.Idempotency in the relational database, so that a repeat may reach another process. A claim
// whose process died is free again after claimLifetime. Answers that are too old are deleted now and then, by whoever
// comes.
type Idempotency struct {
	db  *sqlstore.DB
	now func() time.Time
}

// claimLifetime is well above the time that a handler may take.
const claimLifetime = 2 * time.Minute

// NewIdempotency binds db.
func NewIdempotency(db *sqlstore.DB, now func() time.Time) Idempotency { return Idempotency{db, now} }

// Begin implements api.Idempotency.
func (b Idempotency) Begin(ctx context.Context, scope, key, hash string) (*api.StoredAnswer, error) {
	now := b.now()
	var status int
	var have string
	var raw []byte
	claimed := false
	err := b.db.WithTx(ctx, func(tx *sql.Tx) error {
		claimed = false
		if _, err := tx.ExecContext(ctx, `DELETE FROM idempotency_keys WHERE expires_at <= $1`, now.UnixMilli()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO idempotency_keys (scope, name, request_hash, status, created_at, expires_at)
			VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (scope, name) DO NOTHING`, scope, key, hash, now.UnixMilli(), now.Add(claimLifetime).UnixMilli())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			claimed = true
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT request_hash, status, answer FROM idempotency_keys WHERE scope = $1 AND name = $2`, scope, key).
			Scan(&have, &status, &raw)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("claim an idempotency key: %w", err)
	case claimed:
		return nil, nil
	case have != hash:
		return nil, &api.Error{Code: api.CodeIdempotencyReused}
	case status == 0:
		return nil, &api.Error{Code: api.CodeIdempotencyRunning}
	}
	var a api.StoredAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("read the answer to an idempotent request: %w", err)
	}
	return &a, nil
}

// Finish implements api.Idempotency.
func (b Idempotency) Finish(ctx context.Context, scope, key string, a *api.StoredAnswer) error {
	if a == nil {
		return b.exec(ctx, `DELETE FROM idempotency_keys WHERE scope = $1 AND name = $2 AND status = 0`, scope, key)
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return errors.Join(errors.New("keep the answer to an idempotent request"), err)
	}
	return b.exec(ctx, `UPDATE idempotency_keys SET status = $1, answer = $2, expires_at = $3 WHERE scope = $4 AND name = $5`,
		a.Status, raw, b.now().Add(api.IdempotencyTTL).UnixMilli(), scope, key)
}

func (b Idempotency) exec(ctx context.Context, query string, args ...any) error {
	return b.db.WithTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}
