package quotas

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package, for [sqlstore.Open].
func Migrations() sqlstore.Source { return sqlstore.Embedded("quotas", migrations) }

// ledgerName is the row that writers of plans and subscriptions queue behind, so that what they check stays true until
// they commit, on Postgres too.
const ledgerName = "quotas"

// store keeps plans, subscriptions, statements and notifications in SQL.
type store struct {
	db    *sqlstore.DB
	now   func() time.Time
	audit *audit.Log // nil: none
}

// record adds a row to the audit trail; it is the last thing a transaction does.
func (s *store) record(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	if s.audit == nil {
		return nil
	}
	e.At = s.clock()
	return s.audit.Append(ctx, tx, e)
}

// details makes the free part of an audit row.
func details(fields map[string]any) json.RawMessage {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err) // only texts and numbers are put in
	}
	return text
}

// write runs fn in a transaction while no other writer of this package does.
func (s *store) write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := sqlstore.NextSeq(ctx, tx, ledgerName, 1); err != nil {
			return err
		}
		return fn(tx)
	})
}

type scanner interface{ Scan(dest ...any) error }

// rows runs a query and scans every row.
func rows[T any](ctx context.Context, q sqlstore.Querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	r, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []T
	for r.Next() {
		one, err := scan(r)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, r.Err()
}

const planColumns = `id, version, status, body, created_by, created_at, published_at, archived_at`

func scanPlan(row scanner) (Plan, error) {
	var p Plan
	var head Plan // the columns are the truth, whatever the body says
	var body string
	var created, published, archived int64
	if err := row.Scan(&head.ID, &head.Version, &head.Status, &body, &head.CreatedBy, &created, &published, &archived); err != nil {
		return Plan{}, err
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		return Plan{}, fmt.Errorf("plan %s version %d: %w", head.ID, head.Version, err)
	}
	p.ID, p.Version, p.Status, p.CreatedBy = head.ID, head.Version, head.Status, head.CreatedBy
	p.CreatedAt, p.PublishedAt, p.ArchivedAt = sqlstore.Time(created), sqlstore.Time(published), sqlstore.Time(archived)
	return p, nil
}

// plan reads a version; 0 is the newest.
func (s *store) plan(ctx context.Context, q sqlstore.Querier, id string, version int) (Plan, error) {
	var w sqlstore.Where
	w.And("id = ?", id)
	if version != 0 {
		w.And("version = ?", version)
	}
	p, err := scanPlan(q.QueryRowContext(ctx, `SELECT `+planColumns+` FROM quota_plans`+w.String()+` ORDER BY version DESC LIMIT 1`, w.Args...))
	if errors.Is(err, sql.ErrNoRows) {
		if version != 0 {
			return Plan{}, fmt.Errorf("plan %s version %d: %w", clip(id), version, ErrNotFound)
		}
		return Plan{}, fmt.Errorf("plan %s: %w", clip(id), ErrNotFound)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("read plan %s: %w", clip(id), err)
	}
	return p, nil
}

// released reads the versions of a plan that were ever published, the oldest first.
func (s *store) released(ctx context.Context, q sqlstore.Querier, id string) ([]Plan, error) {
	plans, err := rows(ctx, q, scanPlan, `SELECT `+planColumns+` FROM quota_plans WHERE id = $1 AND published_at > 0 ORDER BY version`, id)
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", clip(id), err)
	}
	if len(plans) == 0 {
		return nil, fmt.Errorf("plan %s has no published version: %w", clip(id), ErrNotFound)
	}
	return plans, nil
}

func (s *store) insertPlan(ctx context.Context, tx *sql.Tx, p Plan) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("plan %s: %w", p.ID, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO quota_plans (`+planColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		p.ID, p.Version, string(p.Status), string(body), p.CreatedBy, sqlstore.Millis(p.CreatedAt), sqlstore.Millis(p.PublishedAt), sqlstore.Millis(p.ArchivedAt))
	if err != nil {
		return fmt.Errorf("save plan %s version %d: %w", p.ID, p.Version, err)
	}
	return nil
}

// draft stores the next version of a plan, or replaces the one that is a draft already.
func (s *store) draft(ctx context.Context, p Plan) (Plan, error) {
	err := s.write(ctx, func(tx *sql.Tx) error {
		p.Status, p.CreatedAt, p.PublishedAt, p.ArchivedAt, p.Version = Draft, s.clock(), time.Time{}, time.Time{}, 1
		last, err := s.plan(ctx, tx, p.ID, 0)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		case last.Status == Draft:
			p.Version = last.Version
			if _, err := tx.ExecContext(ctx, `DELETE FROM quota_plans WHERE id = $1 AND version = $2 AND status = 'draft'`, p.ID, p.Version); err != nil {
				return fmt.Errorf("replace the draft of plan %s: %w", p.ID, err)
			}
		default:
			p.Version = last.Version + 1
		}
		if err := s.insertPlan(ctx, tx, p); err != nil {
			return err
		}
		return s.recordPlan(ctx, tx, "plan.draft", p, p.CreatedBy)
	})
	return p, err
}

// publish makes a draft the version in effect from now on.
func (s *store) publish(ctx context.Context, id string, version int, actor string) (p Plan, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		if p, err = s.plan(ctx, tx, id, version); err != nil {
			return err
		}
		if p.Status != Draft {
			return fmt.Errorf("plan %s version %d is %s already; draft the next version: %w", id, version, p.Status, ErrConflict)
		}
		released, err := s.released(ctx, tx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		for _, r := range released {
			if r.Currency != p.Currency {
				return fmt.Errorf("plan %s is in %s; a plan keeps its currency, make another for %s: %w", id, r.Currency, p.Currency, ErrConflict)
			}
		}
		p.Status, p.PublishedAt = Published, s.clock()
		if err := s.setStatus(ctx, tx, p); err != nil {
			return err
		}
		return s.recordPlan(ctx, tx, "plan.publish", p, actor)
	})
	return p, err
}

// archive closes a plan, all its versions, to new subscriptions.
func (s *store) archive(ctx context.Context, id, actor string) (p Plan, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		if id == DefaultPlanID {
			return fmt.Errorf("plan %s is what accounts without a subscription are on; publish a next version instead: %w", id, ErrConflict)
		}
		plans, err := rows(ctx, tx, scanPlan, `SELECT `+planColumns+` FROM quota_plans WHERE id = $1 ORDER BY version`, id)
		if err != nil {
			return fmt.Errorf("read plan %s: %w", clip(id), err)
		}
		if len(plans) == 0 {
			return fmt.Errorf("plan %s: %w", clip(id), ErrNotFound)
		}
		for _, one := range plans {
			if p = one; p.Status == Archived {
				continue
			}
			p.Status, p.ArchivedAt = Archived, s.clock()
			if err := s.setStatus(ctx, tx, p); err != nil {
				return err
			}
		}
		return s.recordPlan(ctx, tx, "plan.archive", p, actor)
	})
	return p, err
}

func (s *store) recordPlan(ctx context.Context, tx *sql.Tx, action string, p Plan, actor string) error {
	return s.record(ctx, tx, audit.Entry{
		Actor: actor, Action: action, TargetType: "plan", TargetID: p.ID, After: string(p.Status), Details: details(map[string]any{"version": p.Version}),
	})
}

func (s *store) setStatus(ctx context.Context, tx *sql.Tx, p Plan) error {
	_, err := tx.ExecContext(ctx, `UPDATE quota_plans SET status = $1, published_at = $2, archived_at = $3 WHERE id = $4 AND version = $5`,
		string(p.Status), sqlstore.Millis(p.PublishedAt), sqlstore.Millis(p.ArchivedAt), p.ID, p.Version)
	if err != nil {
		return fmt.Errorf("save plan %s version %d: %w", p.ID, p.Version, err)
	}
	return nil
}

// seed makes the plan of accounts without a subscription when there is none.
func (s *store) seed(ctx context.Context, p Plan) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := s.plan(ctx, tx, DefaultPlanID, 0); !errors.Is(err, ErrNotFound) {
			return err
		}
		p.Version, p.Status, p.CreatedBy, p.CreatedAt, p.PublishedAt = 1, Published, "system:quotas", s.clock(), s.clock()
		return s.insertPlan(ctx, tx, p)
	})
}

// listPlans returns the newest version of each plan, by id, and the cursor of the next page.
func (s *store) listPlans(ctx context.Context, cursor string, limit int) ([]Plan, string, error) {
	limit, err := sqlstore.PageSize(limit)
	if err != nil {
		return nil, "", bad("limit", "%s", err)
	}
	after, err := sqlstore.ParseCursor(cursor)
	if err != nil {
		return nil, "", bad("cursor", "%s", err)
	}
	plans, err := rows(ctx, s.db.Read(), scanPlan, `SELECT `+planColumns+` FROM quota_plans AS p
		WHERE id > $1 AND version = (SELECT MAX(version) FROM quota_plans AS q WHERE q.id = p.id) ORDER BY id LIMIT `+strconv.Itoa(limit+1), after.ID)
	if err != nil {
		return nil, "", fmt.Errorf("list plans: %w", err)
	}
	if len(plans) <= limit {
		return plans, "", nil
	}
	plans = slices.Clip(plans[:limit])
	return plans, sqlstore.Cursor{Millis: 1, ID: plans[limit-1].ID}.String(), nil
}

// clock is now as the columns keep it.
func (s *store) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }
