package keys

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/feed"
)

// StoreConfig is what a Store needs beside its database.
type StoreConfig struct {
	Pepper *Pepper          // required
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

// Change is what subscribers are told after a commit.
type Change struct {
	Action string // key.issue, key.suspend, ...; "" when another process made the change
	Key    Key
}

// Store reads and changes the records of keys and accounts. It is safe for concurrent use; see the package comment.
type Store struct {
	db     *sqlstore.DB
	pepper *Pepper
	audit  *audit.Log
	now    func() time.Time
	logger *slog.Logger
	hub    feed.Hub[Change]

	mu       sync.RWMutex
	appliers []func([]Key) // told before a change returns to its caller

	accountAppliers []func([]Account) // the same for suspensions of accounts
}

// keysLedger numbers all changes of keys.
const keysLedger = "keys"

// NewStore returns a store on db. It refuses a database that was filled under another pepper, whose keys it could never find.
func NewStore(ctx context.Context, db *sqlstore.DB, cfg StoreConfig) (*Store, error) {
	s := &Store{db: db, pepper: cfg.Pepper, now: cfg.Now, logger: cfg.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	s.audit = audit.New(s.pepper.Derive("audit"))
	if err := s.checkPepper(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// checkPepper compares, per version, a fingerprint of the pepper with the one the database was first used with.
func (s *Store) checkPepper(ctx context.Context) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		for i := range s.pepper.versions {
			v := &s.pepper.versions[i]
			sum := v.sum([]byte("tollkeeper/fingerprint"))
			want := hex.EncodeToString(sum[:8])
			name := fmt.Sprintf("pepper.%d", v.number)
			if _, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`,
				name, want, s.now().UnixMilli()); err != nil {
				return fmt.Errorf("remember the pepper: %w", err)
			}
			var have string
			if err := tx.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&have); err != nil {
				return fmt.Errorf("check the pepper: %w", err)
			}
			if have != want {
				return fmt.Errorf("the keys in %s were hashed under another pepper (version %d) than this data folder's: copy the file named pepper from the data folder that the database was first used with", s.db, v.number)
			}
		}
		var versions int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM settings WHERE name LIKE 'pepper.%'`).Scan(&versions); err != nil {
			return fmt.Errorf("check the pepper: %w", err)
		}
		if versions > len(s.pepper.versions) {
			return fmt.Errorf("the pepper of %s has %d versions, this data folder's has %d: copy the file named pepper from where it was extended", s.db, versions, len(s.pepper.versions))
		}
		return nil
	})
}

// Audit returns the audit trail, shared by all that is kept in the database.
func (s *Store) Audit() *audit.Log { return s.audit }

// noteAuditHead logs where the audit trail ends, so that logs kept elsewhere are witnesses of it: see audit.Log.Verify.
func (s *Store) noteAuditHead(ctx context.Context) error {
	head, err := s.audit.Head(ctx, s.db.Read())
	if err != nil {
		return err
	}
	if head.Seq > 0 {
		s.logger.Info("audit trail", "head", head.String())
	}
	return nil
}

// DB returns the database.
func (s *Store) DB() *sqlstore.DB { return s.db }

// Subscribe returns the changes of keys from now on, those of other processes included while a Verifier runs. See
// package feed for what a slow subscriber gets.
func (s *Store) Subscribe(buffer int) *feed.Subscription[Change] { return s.hub.Subscribe(buffer) }

// onCommit makes both hear of every commit before the change returns to its caller.
func (s *Store) onCommit(ofKeys func([]Key), ofAccounts func([]Account)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.appliers, s.accountAppliers = append(s.appliers, ofKeys), append(s.accountAppliers, ofAccounts)
}

// publish tells first the verifiers, then the subscribers.
func (s *Store) publish(action string, keys ...Key) {
	s.mu.RLock()
	appliers := s.appliers
	s.mu.RUnlock()
	for _, apply := range appliers {
		apply(keys)
	}
	changes := make([]Change, len(keys))
	for i := range keys {
		changes[i] = Change{Action: action, Key: keys[i]}
	}
	s.hub.Publish(changes...)
}

const keyColumns = `id, name, account_id, plan_id, environment, source, hash, pepper, prefix, last4, status, reason, actor, alert_id,
	status_at, suspended_until, expires_at, grace_until, rotated_from, rotated_to, tags, scopes, allowed_cidrs, quarantine, metadata,
	version, seq, created_by, created_at, updated_at, deleted_at, throttle`

const keyColumnCount = 32

type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (Key, error) {
	var k Key
	var statusAt, suspended, expires, grace, created, updated, deleted int64
	var tags, scopes, cidrs, quarantine, metadata, throttle string
	err := row.Scan(&k.ID, &k.Name, &k.AccountID, &k.PlanID, &k.Environment, &k.Source, &k.hash, &k.pepper, &k.Prefix, &k.Last4,
		&k.Status, &k.Reason, &k.Actor, &k.AlertID, &statusAt, &suspended, &expires, &grace, &k.RotatedFrom, &k.RotatedTo, &tags,
		&scopes, &cidrs, &quarantine, &metadata, &k.Version, &k.Seq, &k.CreatedBy, &created, &updated, &deleted, &throttle)
	if err != nil {
		return Key{}, err
	}
	k.StatusAt, k.SuspendedUntil, k.ExpiresAt, k.GraceUntil = sqlstore.Time(statusAt), sqlstore.Time(suspended), sqlstore.Time(expires), sqlstore.Time(grace)
	k.CreatedAt, k.UpdatedAt, k.DeletedAt = sqlstore.Time(created), sqlstore.Time(updated), sqlstore.Time(deleted)
	for _, f := range []struct {
		name, text string
		into       any
	}{{"tags", tags, &k.Tags}, {"scopes", scopes, &k.Scopes}, {"allowed_cidrs", cidrs, &k.AllowedCIDRs}, {"quarantine", quarantine, &k.Quarantine}, {"metadata", metadata, &k.Metadata}, {"throttle", throttle, &k.Throttle}} {
		if len(f.text) <= 2 || f.text == "null" { // [] and {} are most of them
			continue
		}
		if err := json.Unmarshal([]byte(f.text), f.into); err != nil {
			return Key{}, fmt.Errorf("key %s: column %s: %w", k.ID, f.name, err)
		}
	}
	return k, nil
}

// values returns the columns of k in the order of keyColumns.
func (k *Key) values() ([]any, error) {
	text := func(v any, empty string) string {
		b, err := json.Marshal(v) // strings, prefixes, times: cannot fail
		if err != nil || string(b) == "null" {
			return empty
		}
		return string(b)
	}
	quarantine, err := json.Marshal(k.Quarantine)
	if err != nil { // a year beyond 9999
		return nil, fmt.Errorf("quarantine of key %s: %w", k.ID, err)
	}
	if k.Quarantine == nil {
		quarantine = []byte("[]")
	}
	throttle, err := json.Marshal(k.Throttle)
	if err != nil {
		return nil, fmt.Errorf("throttle of key %s: %w", k.ID, err)
	}
	return []any{
		k.ID, k.Name, k.AccountID, k.PlanID, string(k.Environment), string(k.Source), k.hash, k.pepper, k.Prefix, k.Last4, string(k.Status),
		k.Reason, k.Actor, k.AlertID, sqlstore.Millis(k.StatusAt), sqlstore.Millis(k.SuspendedUntil), sqlstore.Millis(k.ExpiresAt),
		sqlstore.Millis(k.GraceUntil), k.RotatedFrom, k.RotatedTo, text(k.Tags, "[]"), text(k.Scopes, "[]"), text(k.AllowedCIDRs, "[]"),
		string(quarantine), text(k.Metadata, "{}"), k.Version, k.Seq, k.CreatedBy, sqlstore.Millis(k.CreatedAt), sqlstore.Millis(k.UpdatedAt),
		sqlstore.Millis(k.DeletedAt), string(throttle),
	}, nil
}

// lookupChunk is the number of ids per SELECT: SQLite's time for a statement grows with the square of its parameters.
const lookupChunk = 200

func insertKeys(ctx context.Context, tx *sql.Tx, keys []Key) error {
	err := sqlstore.InsertRows(ctx, tx, "keys ("+keyColumns+")", keyColumnCount, len(keys), func(i int) ([]any, error) { return keys[i].values() })
	switch {
	case sqlstore.IsUnique(err):
		return ErrDuplicate
	case err != nil:
		return fmt.Errorf("insert keys: %w", err)
	}
	return nil
}

// updateSQL sets every column of the row with the id $1.
var updateSQL = func() string {
	var b strings.Builder
	b.WriteString("UPDATE keys SET ")
	for i, c := range strings.Split(keyColumns, ",")[1:] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s = $%d", strings.TrimSpace(c), i+2)
	}
	return b.String() + " WHERE id = $1"
}()

func saveKey(ctx context.Context, tx *sql.Tx, k *Key) error {
	v, err := k.values()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, updateSQL, v...); err != nil {
		return fmt.Errorf("save key %s: %w", k.ID, err)
	}
	return nil
}

// loadKey reads one record as it is stored, deleted ones included.
func loadKey(ctx context.Context, q sqlstore.Querier, id string) (Key, error) {
	k, err := scanKey(q.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM keys WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fmt.Errorf("key %q: %w", printable(id), ErrNotFound)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	return k, nil
}

// printable guards messages against ids that are a presented key by mistake: only what could be an id is shown.
func printable(id string) string {
	if len(id) > 64 || strings.HasPrefix(id, livePrefix) || strings.HasPrefix(id, testPrefix) {
		return "(not an id)"
	}
	return id
}

// clockMillis is the store's time at the precision of its columns.
func (s *Store) clockMillis() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// contains reports whether a lies in one of the networks; none means no restriction is met.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
