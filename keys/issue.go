package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// IssuedKey is a new record together with the key itself, which nobody can ask for again. Secret is "" for an import.
type IssuedKey struct {
	Key    Key
	Secret string
}

// MaxBatch bounds how many keys one call issues.
const MaxBatch = 100_000

// Issue makes a key, or imports the one in n.Secret. Errors: [*InputError], [ErrDuplicate].
func (s *Store) Issue(ctx context.Context, n New, by By) (Key, string, error) {
	issued, err := s.IssueMany(ctx, []New{n}, by)
	if err != nil {
		return Key{}, "", err
	}
	return issued[0].Key, issued[0].Secret, nil
}

// IssueMany makes or imports up to MaxBatch keys in one transaction: all or none.
func (s *Store) IssueMany(ctx context.Context, list []New, by By) ([]IssuedKey, error) {
	if err := by.check(); err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > MaxBatch {
		return nil, &InputError{"keys", fmt.Sprintf("1 to %d at once, got %d", MaxBatch, len(list))}
	}
	now := s.clockMillis()
	issued := make([]IssuedKey, len(list))
	keys := make([]Key, len(list))
	seen := make(map[string]struct{}, len(list))
	for i := range list {
		n := list[i]
		if err := n.check(now); err != nil {
			if len(list) > 1 {
				return nil, fmt.Errorf("key %d of %d: %w", i+1, len(list), err)
			}
			return nil, err
		}
		k := s.newKey(&n, now, by)
		secret := n.Secret
		if secret == "" {
			secret = newSecret(n.Environment)
			issued[i].Secret = secret
		}
		s.seal(&k, secret)
		if _, dup := seen[string(k.hash)]; dup {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(list), ErrDuplicate)
		}
		seen[string(k.hash)] = struct{}{}
		keys[i] = k
	}
	action := "key.issue"
	if list[0].Secret != "" {
		action = "key.import"
	}
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		last, err := sqlstore.NextSeq(ctx, tx, keysLedger, len(keys))
		if err != nil {
			return err
		}
		if err := s.refuseKnown(ctx, tx, list); err != nil {
			return err
		}
		if err := ensureAccounts(ctx, tx, keys, now); err != nil {
			return err
		}
		entries := make([]audit.Entry, len(keys))
		for i := range keys {
			keys[i].Seq = last - int64(len(keys)) + 1 + int64(i)
			entries[i] = entry(action, &keys[i], "", by, now)
		}
		if err := insertKeys(ctx, tx, keys); err != nil {
			return err
		}
		return s.audit.Append(ctx, tx, entries...)
	})
	if err != nil {
		return nil, err
	}
	for i := range keys {
		issued[i].Key = keys[i]
	}
	s.publish(action, keys...)
	return issued, nil
}

func (s *Store) newKey(n *New, now time.Time, by By) Key {
	k := Key{
		ID: sqlstore.NewID("key_", now), Name: n.Name, AccountID: n.AccountID, PlanID: n.PlanID, Environment: n.Environment,
		Source: Issued, Status: Active, StatusAt: now, Actor: by.Actor, Reason: by.Reason, ExpiresAt: n.ExpiresAt, Tags: n.Tags,
		Scopes: n.Scopes, AllowedCIDRs: n.AllowedCIDRs, Metadata: n.Metadata, Version: 1, CreatedBy: by.Actor, CreatedAt: now, UpdatedAt: now,
	}
	if n.Secret != "" {
		k.Source = Imported
	}
	return k
}

// seal gives k what is kept of its secret.
func (s *Store) seal(k *Key, secret string) {
	v := s.pepper.newest()
	sum := v.sum([]byte(secret))
	k.hash, k.pepper, k.Last4 = sum[:], v.number, secret[len(secret)-4:]
	if k.Source == Issued {
		k.Prefix = secret[:prefixChars]
	}
}

// refuseKnown finds imports that the store already has under an older version of the pepper; those under the newest are
// found by the unique index.
func (s *Store) refuseKnown(ctx context.Context, tx *sql.Tx, list []New) error {
	secrets := make(map[string]int, len(list))
	for i := range list {
		if list[i].Secret != "" {
			secrets[list[i].Secret] = i
		}
	}
	older := s.pepper.versions[:len(s.pepper.versions)-1]
	return eachKnown(ctx, tx, older, secrets, func(int, string, Status) error { return ErrDuplicate })
}

// entry is the audit row for a change that has been made to k.
func entry(action string, k *Key, before Status, by By, now time.Time) audit.Entry {
	e := audit.Entry{
		At: now, Actor: by.Actor, Action: action, TargetType: "key", TargetID: k.ID, AccountID: k.AccountID, Before: string(before),
		After: string(k.Status), Reason: by.Reason, RequestID: by.RequestID,
	}
	if by.AlertID != "" {
		e.Details = details("alert_id", by.AlertID)
	}
	return e
}

// details builds the object of an audit row from names and values; times as RFC 3339, zero values left out.
func details(pairs ...any) json.RawMessage {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case string:
			if v != "" {
				m[name] = v
			}
		case time.Time:
			if !v.IsZero() {
				m[name] = v
			}
		default:
			m[name] = v
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

// observedPrefix marks ids that a decoder derived from the HMAC of a key that no store knows. They come from whoever sends
// requests, so no record is ever made for them: a guesser could fill the store.
const observedPrefix = "unk_"

// EnsureExternal makes a record, with source Observed, for each id that the access log names and the store does not have,
// so that the key can be listed and suspended. It returns the ids that were new. Ids that cannot be a gateway's name for a
// key, and those of unknown keys (unk_...), are passed over: see [Observable]. One transaction and one audit row per id;
// thousands at once are fine.
func (s *Store) EnsureExternal(ctx context.Context, ids []string, by By) ([]string, error) {
	if err := by.check(); err != nil {
		return nil, err
	}
	now := s.clockMillis()
	candidates := make([]Key, 0, len(ids))
	seen := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		if _, dup := seen[id]; dup || !Observable(id) {
			continue
		}
		seen[id] = struct{}{}
		candidates = append(candidates, Key{
			ID: id, Name: id, Environment: Live, Source: Observed, Status: Active, StatusAt: now, Actor: by.Actor, Reason: by.Reason,
			Version: 1, CreatedBy: by.Actor, CreatedAt: now, UpdatedAt: now,
		})
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	var added []Key
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		last, err := sqlstore.NextSeq(ctx, tx, keysLedger, len(candidates))
		if err != nil {
			return err
		}
		for i := range candidates {
			candidates[i].Seq = last - int64(len(candidates)) + 1 + int64(i)
		}
		// The ledger's row is held, so nobody adds the same ids between this look and the insert.
		if added, err = missing(ctx, tx, candidates); err != nil || len(added) == 0 {
			return err
		}
		if err := insertKeys(ctx, tx, added); err != nil {
			return err
		}
		entries := make([]audit.Entry, len(added))
		for i := range added {
			entries[i] = entry("key.observe", &added[i], "", by, now)
		}
		return s.audit.Append(ctx, tx, entries...)
	})
	if err != nil || len(added) == 0 {
		return nil, err
	}
	s.publish("key.observe", added...)
	out := make([]string, len(added))
	for i := range added {
		out[i] = added[i].ID
	}
	return out, nil
}

// Observable reports whether a record may be made for an id of the access log.
func Observable(id string) bool {
	return len(id) <= maxExternalIDBytes && validExternal(id) && !strings.HasPrefix(id, observedPrefix) &&
		shapeOf([]byte(id)) == shapeForeign
}

// validExternal accepts a gateway's consumer names: printable ASCII without quotes or blanks at the ends.
func validExternal(id string) bool {
	for i := range len(id) {
		if c := id[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return id != "" && strings.TrimSpace(id) == id
}

func missing(ctx context.Context, tx *sql.Tx, candidates []Key) ([]Key, error) {
	have := make(map[string]struct{})
	for from := 0; from < len(candidates); from += lookupChunk {
		part := candidates[from:min(from+lookupChunk, len(candidates))]
		ids := make([]string, len(part))
		for i := range part {
			ids[i] = part[i].ID
		}
		var w sqlstore.Where
		w.AnyOf("id", ids)
		if err := eachRow(ctx, tx, `SELECT id FROM keys`+w.String(), w.Args, func(row scanner) error {
			var id string
			if err := row.Scan(&id); err != nil {
				return err
			}
			have[id] = struct{}{}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("look for known ids: %w", err)
		}
	}
	var out []Key
	for _, k := range candidates {
		if _, ok := have[k.ID]; !ok {
			out = append(out, k)
		}
	}
	return out, nil
}
