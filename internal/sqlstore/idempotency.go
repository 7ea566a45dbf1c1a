package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// IdempotentTTL is how long an answer is kept for a client that repeats its request.
const IdempotentTTL = 24 * time.Hour

// idempotentLease is how long a request may run before another with the same name may take its place: longer than any
// request, so that only a crash lets it run out.
const idempotentLease = 2 * time.Minute

// The errors of Idempotency.Begin.
var (
	// ErrRequestDiffers: the name was used for another request.
	ErrRequestDiffers = errors.New("this Idempotency-Key was used for a different request: use a new one")
	// ErrRequestRuns: the first request has not been answered yet.
	ErrRequestRuns = errors.New("a request with this Idempotency-Key is still running: repeat it later")
)

// Idempotency remembers the answers of requests that must not be carried out twice, by the name that the client gave them
// (the header Idempotency-Key), on every process that shares the database. It is safe for concurrent use.
type Idempotency struct {
	DB  *DB
	Now func() time.Time
}

// Answer is what a repeated request gets again.
type Answer struct {
	Status int
	Body   []byte
}

// Begin claims a name. It returns nil, nil for whoever is first and must then call Finish or Abandon, the stored answer for
// a repetition, or ErrRequestDiffers or ErrRequestRuns. scope is the caller and the operation; hash identifies the request's
// content. An answer that holds a secret must not be stored: see Finish.
func (i *Idempotency) Begin(ctx context.Context, scope, name, hash string) (*Answer, error) {
	now := i.Now()
	var out *Answer
	err := i.DB.WithTx(ctx, func(tx *sql.Tx) error {
		out = nil
		claimed, err := tx.ExecContext(ctx, `INSERT INTO idempotency_keys (scope, name, request_hash, status, created_at, expires_at)
			VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (scope, name) DO UPDATE SET request_hash = excluded.request_hash, status = 0,
			answer = NULL, created_at = excluded.created_at, expires_at = excluded.expires_at WHERE idempotency_keys.expires_at <= $4`,
			scope, name, hash, now.UnixMilli(), now.Add(idempotentLease).UnixMilli())
		if err != nil {
			return fmt.Errorf("claim Idempotency-Key: %w", err)
		}
		if n, err := claimed.RowsAffected(); err != nil || n == 1 {
			return err
		}
		var a Answer
		var of string
		if err := tx.QueryRowContext(ctx, `SELECT request_hash, status, answer FROM idempotency_keys WHERE scope = $1 AND name = $2`,
			scope, name).Scan(&of, &a.Status, &a.Body); err != nil {
			return fmt.Errorf("read Idempotency-Key: %w", err)
		}
		switch {
		case of != hash:
			return ErrRequestDiffers
		case a.Status == 0:
			return ErrRequestRuns
		}
		out = &a
		return nil
	})
	return out, err
}

// Finish stores the answer. Of an answer that shows a secret once, pass a body without it: whoever repeats the request
// learns that it was carried out and under which id, but not the secret.
func (i *Idempotency) Finish(ctx context.Context, scope, name string, a Answer) error {
	return i.exec(ctx, `UPDATE idempotency_keys SET status = $3, answer = $4, expires_at = $5 WHERE scope = $1 AND name = $2`,
		scope, name, a.Status, a.Body, i.Now().Add(IdempotentTTL).UnixMilli())
}

// Abandon gives a name free again after a failure that a repetition may mend.
func (i *Idempotency) Abandon(ctx context.Context, scope, name string) error {
	return i.exec(ctx, `DELETE FROM idempotency_keys WHERE scope = $1 AND name = $2 AND status = 0`, scope, name)
}

// Purge removes what has expired.
func (i *Idempotency) Purge(ctx context.Context) error {
	return i.exec(ctx, `DELETE FROM idempotency_keys WHERE expires_at <= $1`, i.Now().UnixMilli())
}

func (i *Idempotency) exec(ctx context.Context, stmt string, args ...any) error {
	return i.DB.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, stmt, args...); err != nil {
			return fmt.Errorf("store Idempotency-Key: %w", err)
		}
		return nil
	})
}
