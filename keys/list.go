package keys

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Filter selects keys; zero fields select all.
type Filter struct {
	AccountID      string
	PlanID         string
	Statuses       []Status
	Environment    Environment
	Source         Source
	Tag            string
	Text           string // part of the name or id, in any case, or the last four characters
	Quarantined    bool   // only keys with denied actors
	IncludeDeleted bool
	CreatedSince   time.Time // inclusive
	CreatedUntil   time.Time // exclusive
	Cursor         string
	Limit          int // 0: sqlstore.DefaultPage; at most sqlstore.MaxPage
}

// Get returns a key's record; ErrNotFound also for a deleted one.
func (s *Store) Get(ctx context.Context, id string) (Key, error) {
	k, err := loadKey(ctx, s.db.Read(), id)
	if err != nil {
		return Key{}, err
	}
	if !k.DeletedAt.IsZero() {
		return Key{}, fmt.Errorf("key %s was deleted: %w", id, ErrNotFound)
	}
	k.settle(s.now())
	return k, nil
}

// List returns matching keys, the newest first, and the cursor of the next page, "" at the end. Keys that are made while a
// client pages through do not disturb the order. The status is that of now, whether or not [Store.Sweep] has run.
func (s *Store) List(ctx context.Context, f Filter) ([]Key, string, error) {
	limit, err := sqlstore.PageSize(f.Limit)
	if err != nil {
		return nil, "", &InputError{"limit", err.Error()}
	}
	cursor, err := sqlstore.ParseCursor(f.Cursor)
	if err != nil {
		return nil, "", &InputError{"cursor", err.Error()}
	}
	now := s.now()
	w, err := f.where(now)
	if err != nil {
		return nil, "", err
	}
	if cursor.ID != "" {
		w.And("(created_at, id) < (?, ?)", cursor.Millis, cursor.ID)
	}
	var keys []Key
	err = eachRow(ctx, s.db.Read(), `SELECT `+keyColumns+` FROM keys`+w.String()+` ORDER BY created_at DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args,
		func(row scanner) error {
			k, err := scanKey(row)
			if err != nil {
				return err
			}
			k.settle(now)
			keys = append(keys, k)
			return nil
		})
	if err != nil {
		return nil, "", fmt.Errorf("list keys: %w", err)
	}
	if len(keys) <= limit {
		return keys, "", nil
	}
	last := keys[limit-1]
	return keys[:limit], sqlstore.Cursor{Millis: last.CreatedAt.UnixMilli(), ID: last.ID}.String(), nil
}

func (f *Filter) where(now time.Time) (sqlstore.Where, error) {
	var w sqlstore.Where
	if !f.IncludeDeleted {
		w.And("deleted_at = 0")
	}
	for _, c := range []struct{ column, value string }{
		{"account_id", f.AccountID}, {"plan_id", f.PlanID}, {"environment", string(f.Environment)}, {"source", string(f.Source)},
	} {
		if c.value != "" {
			w.And(c.column+" = ?", c.value)
		}
	}
	if f.Tag != "" {
		w.And(`tags LIKE ? ESCAPE '\'`, sqlstore.Like(`"`+f.Tag+`"`))
	}
	if f.Text != "" {
		p := sqlstore.Like(f.Text)
		w.And(`LOWER(name) LIKE LOWER(?) ESCAPE '\' OR LOWER(id) LIKE LOWER(?) ESCAPE '\' OR last4 = ?`, p, p, f.Text)
	}
	if f.Quarantined {
		w.And("quarantine <> '[]'")
	}
	if !f.CreatedSince.IsZero() {
		w.And("created_at >= ?", sqlstore.Millis(f.CreatedSince))
	}
	if !f.CreatedUntil.IsZero() {
		w.And("created_at < ?", sqlstore.Millis(f.CreatedUntil))
	}
	return w, f.statuses(&w, now)
}

// effectiveStatus is Key.due in SQL; ? is the time, three times.
const effectiveStatus = `CASE WHEN status IN ('revoked', 'expired') THEN status
	WHEN (expires_at > 0 AND expires_at <= ?) OR (grace_until > 0 AND grace_until <= ?) THEN 'expired'
	WHEN status = 'suspended' AND suspended_until > 0 AND suspended_until <= ? THEN 'active' ELSE status END`

func (f *Filter) statuses(w *sqlstore.Where, now time.Time) error {
	if len(f.Statuses) == 0 {
		return nil
	}
	ms := now.UnixMilli()
	args, marks := []any{ms, ms, ms}, ""
	stored := true // the status asked for is the stored one, up to time, and an index finds it
	var names []string
	for i, st := range f.Statuses {
		switch st {
		case Active, Suspended, Revoked, Expired:
		default:
			return &InputError{"status", fmt.Sprintf("%q is none of active, suspended, revoked, expired", st)}
		}
		if i > 0 {
			marks += ", "
		}
		marks, args = marks+"?", append(args, string(st))
		stored, names = stored && (st == Suspended || st == Revoked), append(names, string(st))
	}
	if stored {
		w.AnyOf("status", names)
	}
	w.And(effectiveStatus+" IN ("+marks+")", args...)
	return nil
}

// Counts is how many keys there are of each status, deleted ones left out.
func (s *Store) Counts(ctx context.Context) (map[Status]int64, error) {
	var w sqlstore.Where
	ms := s.now().UnixMilli()
	w.And(effectiveStatus, ms, ms, ms)
	counts := map[Status]int64{Active: 0, Suspended: 0, Revoked: 0, Expired: 0}
	// Where numbers the arguments; its text, without the leading " WHERE ", is the expression.
	expr := w.String()[len(" WHERE "):]
	err := eachRow(ctx, s.db.Read(), `SELECT st, COUNT(*) FROM (SELECT `+expr+` AS st FROM keys WHERE deleted_at = 0) AS k GROUP BY st`, w.Args,
		func(row scanner) error {
			var st Status
			var n int64
			if err := row.Scan(&st, &n); err != nil {
				return err
			}
			counts[st] = n
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("count keys: %w", err)
	}
	return counts, nil
}

// Changes returns up to limit records that changed after the change numbered after, in the order of their last change,
// deleted ones included, and the number to go on from. A record that changed twice comes once, as it is now.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]Key, int64, error) {
	return s.changesOf(ctx, "", after, limit)
}

// changed is Changes without new keys that nothing has happened to.
func (s *Store) changed(ctx context.Context, after int64, limit int) ([]Key, int64, error) {
	return s.changesOf(ctx, " AND version > 1", after, limit)
}

func (s *Store) changesOf(ctx context.Context, which string, after int64, limit int) ([]Key, int64, error) {
	var keys []Key
	err := eachRow(ctx, s.db.Read(), `SELECT `+keyColumns+` FROM keys WHERE seq > $1`+which+` ORDER BY seq LIMIT $2`, []any{after, limit}, func(row scanner) error {
		k, err := scanKey(row)
		if err != nil {
			return err
		}
		keys, after = append(keys, k), k.Seq
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read changes of keys: %w", err)
	}
	return keys, after, nil
}

// eachRow calls f for every row of a query.
func eachRow(ctx context.Context, q sqlstore.Querier, query string, args []any, f func(scanner) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
