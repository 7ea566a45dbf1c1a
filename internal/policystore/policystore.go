// Package policystore keeps every policy file that was in force, by the revision that decisions name, so that an alert of
// last month can be read beside the policies of last month, and an earlier file can be had back.
//
// Contract. [Store.Loaded] is called whenever a process puts a file into force; the same content counts once, with its
// latest time. A change from one revision to another is in the audit trail. Nothing here changes the policies in force:
// the file that the setting names does.
package policystore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package, for [sqlstore.Open].
func Migrations() sqlstore.Source { return sqlstore.Embedded("policies", migrations) }

// ErrNotFound says that no such revision was ever in force.
var ErrNotFound = errors.New("no such revision of the policies")

const ledger = "policies"

// Revision is a policy file that was in force.
type Revision struct {
	Revision string
	Content  string // "" in lists
	FirstAt  time.Time
	LastAt   time.Time
	Host     string
}

// Store keeps revisions. It is safe for concurrent use.
type Store struct {
	db    *sqlstore.DB
	audit *audit.Log
	now   func() time.Time
}

// New returns a store on db, which has the tables of [Migrations].
func New(db *sqlstore.DB, log *audit.Log, now func() time.Time) *Store {
	return &Store{db: db, audit: log, now: now}
}

// Loaded notes that a file came into force on a host.
func (s *Store) Loaded(ctx context.Context, revision, content, host string) error {
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := sqlstore.NextSeq(ctx, tx, ledger, 1); err != nil {
			return err
		}
		now := s.now().UTC()
		var before string
		err := tx.QueryRowContext(ctx, `SELECT revision FROM policy_revisions ORDER BY last_at DESC, revision LIMIT 1`).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO policy_revisions (revision, content, first_at, last_at, host) VALUES ($1, $2, $3, $3, $4)
			ON CONFLICT (revision) DO UPDATE SET last_at = excluded.last_at, host = excluded.host`, revision, content, now.UnixMilli(), host); err != nil {
			return err
		}
		if before == revision {
			return nil
		}
		return s.audit.Append(ctx, tx, audit.Entry{
			At: now, Actor: "system:policies", Action: "policy.load", TargetType: "policy", TargetID: revision, Before: before, After: revision, Reason: "the policy file on " + host,
		})
	})
	if err != nil {
		return fmt.Errorf("keep revision %s of the policies: %w", revision, err)
	}
	return nil
}

// List returns the newest revisions first, without their content, at most limit.
func (s *Store) List(ctx context.Context, limit int) ([]Revision, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT revision, first_at, last_at, host FROM policy_revisions ORDER BY last_at DESC, revision LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	defer rows.Close()
	var out []Revision
	for rows.Next() {
		var r Revision
		var first, last int64
		if err := rows.Scan(&r.Revision, &first, &last, &r.Host); err != nil {
			return nil, fmt.Errorf("list policies: %w", err)
		}
		r.FirstAt, r.LastAt = sqlstore.Time(first), sqlstore.Time(last)
		out = append(out, r)
	}
	return out, rows.Err()
}

// Get returns a revision with its content.
func (s *Store) Get(ctx context.Context, revision string) (Revision, error) {
	r := Revision{Revision: revision}
	var first, last int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT content, first_at, last_at, host FROM policy_revisions WHERE revision = $1`, revision).
		Scan(&r.Content, &first, &last, &r.Host)
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("read policies: %w", err)
	}
	r.FirstAt, r.LastAt = sqlstore.Time(first), sqlstore.Time(last)
	return r, nil
}
