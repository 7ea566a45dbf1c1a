package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// Account is a customer: who keys belong to, and who is billed.
type Account struct {
	ID        string
	Name      string
	Metadata  map[string]string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time

	Suspension *Suspension // nil: its keys are judged by their own state alone

	seq int64 // place of its last suspension or reinstatement among all changes of keys; 0: never
}

// ensureAccounts makes the accounts that keys name and that do not exist, named like their id.
func ensureAccounts(ctx context.Context, tx *sql.Tx, keys []Key, now time.Time) error {
	done := make(map[string]struct{})
	for i := range keys {
		id := keys[i].AccountID
		if _, ok := done[id]; ok || id == "" {
			continue
		}
		done[id] = struct{}{}
		if _, err := tx.ExecContext(ctx, `INSERT INTO accounts (id, name, created_at, updated_at) VALUES ($1, $1, $2, $2) ON CONFLICT (id) DO NOTHING`,
			id, now.UnixMilli()); err != nil {
			return fmt.Errorf("make account %s: %w", id, err)
		}
	}
	return nil
}

const accountColumns = `id, name, metadata, version, created_at, updated_at, suspension, seq`

func scanAccount(row scanner) (Account, error) {
	var a Account
	var metadata, suspension string
	var created, updated int64
	if err := row.Scan(&a.ID, &a.Name, &metadata, &a.Version, &created, &updated, &suspension, &a.seq); err != nil {
		return Account{}, err
	}
	a.CreatedAt, a.UpdatedAt = sqlstore.Time(created), sqlstore.Time(updated)
	if err := json.Unmarshal([]byte(metadata), &a.Metadata); err != nil {
		return Account{}, fmt.Errorf("account %s: metadata: %w", a.ID, err)
	}
	if err := json.Unmarshal([]byte(suspension), &a.Suspension); err != nil {
		return Account{}, fmt.Errorf("account %s: suspension: %w", a.ID, err)
	}
	return a, nil
}

// PutAccount makes an account or replaces its name and metadata. by.IfVersion guards a replacement.
func (s *Store) PutAccount(ctx context.Context, id, name string, metadata map[string]string, by By) (Account, error) {
	name = strings.TrimSpace(name)
	if len(id) > MaxNameBytes || !validID.MatchString(id) {
		return Account{}, &InputError{"id", "must be letters, digits and . _ : @ - and begin with a letter or digit"}
	}
	if err := errors.Join(by.check(), checkText("name", name, MaxNameBytes), checkMetadata(metadata)); err != nil {
		return Account{}, err
	}
	if name == "" {
		name = id
	}
	if metadata == nil {
		metadata = map[string]string{}
	}
	text, err := json.Marshal(metadata)
	if err != nil {
		return Account{}, fmt.Errorf("account %s: metadata: %w", id, err)
	}
	var a Account
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		now := s.clockMillis()
		a, err = scanAccount(tx.QueryRowContext(ctx, `INSERT INTO accounts (id, name, metadata, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, metadata = excluded.metadata, version = accounts.version + 1, updated_at = excluded.updated_at
			RETURNING `+accountColumns, id, name, string(text), now.UnixMilli()))
		if err != nil {
			return fmt.Errorf("save account %s: %w", id, err)
		}
		if by.IfVersion != 0 && a.Version != by.IfVersion+1 {
			return fmt.Errorf("account %s has not version %d: %w", id, by.IfVersion, ErrVersion)
		}
		action := "account.update"
		if a.Version == 1 {
			action = "account.create"
		}
		return s.audit.Append(ctx, tx, audit.Entry{
			At: now, Actor: by.Actor, Action: action, TargetType: "account", TargetID: id, AccountID: id, Reason: by.Reason, RequestID: by.RequestID,
		})
	})
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// GetAccount returns an account or ErrNotFound.
func (s *Store) GetAccount(ctx context.Context, id string) (Account, error) {
	return loadAccount(ctx, s.db.Read(), id)
}

func loadAccount(ctx context.Context, q sqlstore.Querier, id string) (Account, error) {
	a, err := scanAccount(q.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, fmt.Errorf("account %q: %w", printable(id), ErrNotFound)
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

// ListAccounts returns accounts whose name or id holds text, the newest first, and the cursor of the next page.
func (s *Store) ListAccounts(ctx context.Context, text, cursor string, limit int) ([]Account, string, error) {
	limit, err := sqlstore.PageSize(limit)
	if err != nil {
		return nil, "", &InputError{"limit", err.Error()}
	}
	after, err := sqlstore.ParseCursor(cursor)
	if err != nil {
		return nil, "", &InputError{"cursor", err.Error()}
	}
	var w sqlstore.Where
	if text != "" {
		p := sqlstore.Like(text)
		w.And(`LOWER(name) LIKE LOWER(?) ESCAPE '\' OR LOWER(id) LIKE LOWER(?) ESCAPE '\'`, p, p)
	}
	if after.ID != "" {
		w.And("(created_at, id) < (?, ?)", after.Millis, after.ID)
	}
	var out []Account
	err = eachRow(ctx, s.db.Read(), `SELECT `+accountColumns+` FROM accounts`+w.String()+` ORDER BY created_at DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args,
		func(row scanner) error {
			a, err := scanAccount(row)
			out = append(out, a)
			return err
		})
	if err != nil {
		return nil, "", fmt.Errorf("list accounts: %w", err)
	}
	if len(out) <= limit {
		return out, "", nil
	}
	last := out[limit-1]
	return out[:limit], sqlstore.Cursor{Millis: last.CreatedAt.UnixMilli(), ID: last.ID}.String(), nil
}
