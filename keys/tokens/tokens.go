// Package tokens keeps the credentials of Tollkeeper's own REST API and dashboard: bearer tokens for programs, sessions for
// people, and one-time links that are exchanged for a session.
//
// Contract. Tokens are shown once and kept as HMAC-SHA-256. [Store.Authenticate] answers from memory. A token that is
// revoked is refused by this process before Revoke returns and by others within the poll interval plus the time of a poll:
// every change raises a number that [Store.Run] asks for, and all live tokens are read anew (there are few). While the
// database does not answer, the tokens known last go on working for GraceBound, so that operators can still look; then
// they are refused.
package tokens

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// Role says what the holder of a token may do; which operations a role has is the API's business.
type Role string

// The roles.
const (
	Admin    Role = "admin"    // everything
	Security Role = "security" // alerts, policies, suspend and reinstate
	Billing  Role = "billing"  // plans, usage, statements of all accounts
	Platform Role = "platform" // verify keys, push logs, read the key feed
	Customer Role = "customer" // usage, keys and statements of one account
	Viewer   Role = "viewer"   // read all, change nothing
)

// Roles lists all roles.
func Roles() []Role { return []Role{Admin, Security, Billing, Platform, Customer, Viewer} }

// Kind says what a credential is for.
type Kind string

// The kinds.
const (
	Token   Kind = "token"   // of a program; lives until its expiry, if any
	Session Kind = "session" // of a person's browser
	Link    Kind = "link"    // exchanged, once, for a session
)

// Record is what is kept of a credential.
type Record struct {
	ID        string
	Name      string
	Kind      Kind
	Role      Role
	AccountID string // only of a customer
	Last4     string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // of a link: when it was exchanged
	RevokedAt time.Time // zero: not revoked
}

// Actor is how the holder appears in the audit trail.
func (r *Record) Actor() string { return "user:" + r.Name }

// How long links and sessions live.
const (
	LinkLifetime    = 30 * time.Minute
	SessionLifetime = 12 * time.Hour
	DefaultPoll     = 500 * time.Millisecond
	GraceBound      = 5 * time.Minute
	maxNameBytes    = 128
	ledger          = "tokens"
	prefix          = "tkt_"
	secretBytes     = 20
)

// The errors that callers tell apart.
var (
	// ErrUnauthenticated: no such token, or it has expired, was revoked or was used. Which, is not told.
	ErrUnauthenticated = errors.New("the token is not valid: it is unknown, has expired or was revoked")
	// ErrNotFound: no token with that id.
	ErrNotFound = errors.New("no such token")
	// ErrInput: a value was refused.
	ErrInput = errors.New("invalid value")
)

// Config is what a Store needs beside its database.
type Config struct {
	Secret []byte           // for the HMAC; from keys.Pepper.Derive("tokens")
	Audit  *audit.Log       // required
	Now    func() time.Time // nil: time.Now
	Poll   time.Duration    // 0: DefaultPoll
	Logger *slog.Logger     // nil: none
}

// Store issues and checks credentials. It is safe for concurrent use.
type Store struct {
	db  *sqlstore.DB
	cfg Config

	mu    sync.RWMutex
	live  map[[sha256.Size]byte]*Record
	seq   int64
	fresh time.Time
}

// NewStore returns a store with all live credentials in memory.
func NewStore(ctx context.Context, db *sqlstore.DB, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Poll == 0 {
		cfg.Poll = DefaultPoll
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{db: db, cfg: cfg, seq: -1}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) digest(token string) (d [sha256.Size]byte) {
	h := hmac.New(sha256.New, s.cfg.Secret)
	h.Write([]byte(token))
	h.Sum(d[:0])
	return d
}

// New describes a credential to be made.
type New struct {
	Name      string
	Role      Role
	AccountID string // required for, and only for, a customer
	ExpiresAt time.Time
}

func (n *New) check(now time.Time) error {
	n.Name = strings.TrimSpace(n.Name)
	known := false
	for _, r := range Roles() {
		known = known || r == n.Role
	}
	switch {
	case n.Name == "" || len(n.Name) > maxNameBytes || strings.ContainsFunc(n.Name, unicode.IsControl):
		return fmt.Errorf("name: must be 1 to %d bytes of text: %w", maxNameBytes, ErrInput)
	case !known:
		return fmt.Errorf("role: %q is none of admin, security, billing, platform, customer, viewer: %w", n.Role, ErrInput)
	case (n.Role == Customer) != (n.AccountID != ""):
		return fmt.Errorf("account_id: is needed for, and only for, the role customer: %w", ErrInput)
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now):
		return fmt.Errorf("expires_at: must be in the future: %w", ErrInput)
	}
	return nil
}

// Create makes a bearer token for a program and returns it; it cannot be shown again.
func (s *Store) Create(ctx context.Context, n New, by, requestID string) (Record, string, error) {
	return s.make(ctx, Token, n, by, requestID)
}

// CreateLink makes the code of a one-time link that is good for LinkLifetime; see Exchange.
func (s *Store) CreateLink(ctx context.Context, n New, by string) (Record, string, error) {
	n.ExpiresAt = s.cfg.Now().Add(LinkLifetime)
	return s.make(ctx, Link, n, by, "")
}

// Exchange turns the code of a link into a session token that is good for SessionLifetime. A code works once: of several
// that try at the same time, one gets the session and the others ErrUnauthenticated.
func (s *Store) Exchange(ctx context.Context, code, requestID string) (Record, string, error) {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	sum := s.digest(code)
	var session Record
	var token string
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		link, err := scan(tx.QueryRowContext(ctx, `UPDATE api_tokens SET used_at = $1 WHERE hash = $2 AND kind = 'link' AND used_at = 0
			AND revoked_at = 0 AND expires_at > $1 RETURNING `+columns, now.UnixMilli(), sum[:]))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnauthenticated
		}
		if err != nil {
			return fmt.Errorf("use link: %w", err)
		}
		session, token, err = s.insert(ctx, tx, Session, New{
			Name: link.Name, Role: link.Role, AccountID: link.AccountID, ExpiresAt: now.Add(SessionLifetime),
		}, link.Actor(), requestID, now)
		return err
	})
	if err != nil {
		return Record{}, "", err
	}
	return session, token, s.refresh(ctx)
}

func (s *Store) make(ctx context.Context, kind Kind, n New, by, requestID string) (Record, string, error) {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	if err := n.check(now); err != nil {
		return Record{}, "", err
	}
	var r Record
	var token string
	err := s.db.WithTx(ctx, func(tx *sql.Tx) (err error) {
		r, token, err = s.insert(ctx, tx, kind, n, by, requestID, now)
		return err
	})
	if err != nil {
		return Record{}, "", err
	}
	return r, token, s.refresh(ctx)
}

func (s *Store) insert(ctx context.Context, tx *sql.Tx, kind Kind, n New, by, requestID string, now time.Time) (Record, string, error) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails, see crypto/rand
	token := prefix + hex.EncodeToString(secret)
	r := Record{
		ID: sqlstore.NewID("tok_", now), Name: n.Name, Kind: kind, Role: n.Role, AccountID: n.AccountID, Last4: token[len(token)-4:],
		CreatedBy: by, CreatedAt: now, ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Millisecond),
	}
	if _, err := sqlstore.NextSeq(ctx, tx, ledger, 1); err != nil {
		return Record{}, "", err
	}
	sum := s.digest(token)
	if _, err := tx.ExecContext(ctx, `INSERT INTO api_tokens (id, name, kind, role, account_id, hash, last4, created_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, r.ID, r.Name, string(r.Kind), string(r.Role), r.AccountID, sum[:], r.Last4, r.CreatedBy,
		sqlstore.Millis(r.CreatedAt), sqlstore.Millis(r.ExpiresAt)); err != nil {
		return Record{}, "", fmt.Errorf("save token: %w", err)
	}
	return r, token, s.record(ctx, tx, "token.create", &r, by, requestID, now)
}

func (s *Store) record(ctx context.Context, tx *sql.Tx, action string, r *Record, by, requestID string, now time.Time) error {
	return s.cfg.Audit.Append(ctx, tx, audit.Entry{
		At: now, Actor: by, Action: action, TargetType: "token", TargetID: r.ID, AccountID: r.AccountID, Reason: string(r.Kind) + " for " + string(r.Role),
		RequestID: requestID,
	})
}

// Revoke makes a credential refused. Revoking it again changes nothing.
func (s *Store) Revoke(ctx context.Context, id, by, requestID string) error {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := sqlstore.NextSeq(ctx, tx, ledger, 1); err != nil {
			return err
		}
		r, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM api_tokens WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read token: %w", err)
		}
		if !r.RevokedAt.IsZero() {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE api_tokens SET revoked_at = $1 WHERE id = $2`, now.UnixMilli(), id); err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		return s.record(ctx, tx, "token.revoke", &r, by, requestID, now)
	})
	if err != nil {
		return err
	}
	return s.refresh(ctx)
}

// List returns credentials, the newest first, and the cursor of the next page. kind "" means all kinds.
func (s *Store) List(ctx context.Context, kind Kind, cursor string, limit int) ([]Record, string, error) {
	limit, err := sqlstore.PageSize(limit)
	if err != nil {
		return nil, "", fmt.Errorf("limit: %w: %w", err, ErrInput)
	}
	after, err := sqlstore.ParseCursor(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("cursor: %w: %w", err, ErrInput)
	}
	var w sqlstore.Where
	if kind != "" {
		w.And("kind = ?", string(kind))
	}
	if after.ID != "" {
		w.And("(created_at, id) < (?, ?)", after.Millis, after.ID)
	}
	list, err := s.query(ctx, `SELECT `+columns+` FROM api_tokens`+w.String()+` ORDER BY created_at DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	last := list[limit-1]
	return list[:limit], sqlstore.Cursor{Millis: last.CreatedAt.UnixMilli(), ID: last.ID}.String(), nil
}

const columns = `id, name, kind, role, account_id, last4, created_by, created_at, expires_at, used_at, revoked_at`

func scan(row interface{ Scan(...any) error }) (Record, error) {
	var r Record
	var created, expires, used, revoked int64
	err := row.Scan(&r.ID, &r.Name, &r.Kind, &r.Role, &r.AccountID, &r.Last4, &r.CreatedBy, &created, &expires, &used, &revoked)
	r.CreatedAt, r.ExpiresAt, r.UsedAt, r.RevokedAt = sqlstore.Time(created), sqlstore.Time(expires), sqlstore.Time(used), sqlstore.Time(revoked)
	return r, err
}

func (s *Store) query(ctx context.Context, query string, args ...any) ([]Record, error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	defer rows.Close()
	var list []Record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}
