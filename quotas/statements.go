package quotas

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

const statementColumns = `seq, body, previous_hash, hash`

func scanStatement(row scanner) (Statement, error) {
	var st Statement
	var seq int64
	var body, previous, hash string
	if err := row.Scan(&seq, &body, &previous, &hash); err != nil {
		return Statement{}, err
	}
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		return Statement{}, fmt.Errorf("read a statement: %w", err)
	}
	st.PreviousHash, st.Hash, st.seq = previous, hash, seq
	return st, nil
}

// issued finds the statement of a period, or ErrNotFound.
func (s *store) issued(ctx context.Context, q sqlstore.Querier, account string, from time.Time) (Statement, error) {
	st, err := scanStatement(q.QueryRowContext(ctx, `SELECT `+statementColumns+` FROM quota_statements WHERE account_id = $1 AND period_from = $2 AND kind = 'statement'`,
		account, from.UnixMilli()))
	if errors.Is(err, sql.ErrNoRows) {
		return Statement{}, fmt.Errorf("a statement of %s from %s: %w", clip(account), from.Format(time.DateOnly), ErrNotFound)
	}
	return st, err
}

// Statement returns an issued statement or correction by id or number.
func (s *Service) Statement(ctx context.Context, id string) (Statement, error) {
	st, err := scanStatement(s.store.db.Read().QueryRowContext(ctx, `SELECT `+statementColumns+` FROM quota_statements WHERE id = $1 OR number = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Statement{}, fmt.Errorf("statement %s: %w", clip(id), ErrNotFound)
	}
	if err != nil {
		return Statement{}, fmt.Errorf("read statement %s: %w", clip(id), err)
	}
	return st, nil
}

// StatementFilter selects statements; zero fields select all.
type StatementFilter struct {
	AccountID string
	Kind      StatementKind // Issued or Correction
	Within    period.Period // those whose period starts in it
	Corrects  string        // corrections of this statement
	Cursor    string
	Limit     int // 0: the default page size
}

// Statements lists issued statements and corrections, the newest first; next is "" on the last page.
func (s *Service) Statements(ctx context.Context, f StatementFilter) (list []Statement, next string, err error) {
	limit, err := sqlstore.PageSize(f.Limit)
	if err != nil {
		return nil, "", bad("limit", "%s", err)
	}
	after, err := sqlstore.ParseCursor(f.Cursor)
	if err != nil {
		return nil, "", bad("cursor", "%s", err)
	}
	var w sqlstore.Where
	if f.AccountID != "" {
		w.And("account_id = ?", f.AccountID)
	}
	if f.Kind != "" {
		w.And("kind = ?", string(f.Kind))
	}
	if f.Corrects != "" {
		w.And("corrects = ?", f.Corrects)
	}
	if !f.Within.IsZero() {
		w.And("period_from >= ? AND period_from < ?", f.Within.From.UnixMilli(), f.Within.To.UnixMilli())
	}
	if after.ID != "" {
		w.And("seq < ?", after.Millis)
	}
	list, err = rows(ctx, s.store.db.Read(), scanStatement,
		`SELECT `+statementColumns+` FROM quota_statements`+w.String()+` ORDER BY seq DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
	if err != nil {
		return nil, "", fmt.Errorf("list statements: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		next = sqlstore.Cursor{Millis: last.seq, ID: last.ID}.String()
	}
	return list, next, nil
}

// billed returns the start of the first and the end of the last period of the account that has a statement; zero when none
// has.
func (s *store) billed(ctx context.Context, q sqlstore.Querier, account string) (from, until time.Time, err error) {
	var first, last sql.NullInt64
	err = q.QueryRowContext(ctx, `SELECT MIN(period_from), MAX(period_to) FROM quota_statements WHERE account_id = $1`, account).Scan(&first, &last)
	if err != nil {
		return from, until, fmt.Errorf("read the statements of %s: %w", clip(account), err)
	}
	return sqlstore.Time(first.Int64), sqlstore.Time(last.Int64), nil
}

// CheckStatements recomputes the chain of hashes over all statements and returns how many are what was issued, counted from the
// first. An error that wraps [ErrBroken] names the first that is not. Those that are issued meanwhile are not looked at.
func (s *Service) CheckStatements(ctx context.Context) (int64, error) {
	q := s.store.db.Read()
	var end int64
	var head string
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM ledger WHERE name = $1`, statementLedger).Scan(&end, &head)
	if err = ignore(err, sql.ErrNoRows); err != nil {
		return 0, fmt.Errorf("read the last statement's hash: %w", err)
	}
	r, err := q.QueryContext(ctx, `SELECT seq, number, body, previous_hash, hash FROM quota_statements WHERE seq <= $1 ORDER BY seq`, end)
	if err != nil {
		return 0, fmt.Errorf("read the statements: %w", err)
	}
	defer r.Close()
	var n int64
	last := ""
	for r.Next() {
		var seq int64
		var number, body, previous, hash string
		if err := r.Scan(&seq, &number, &body, &previous, &hash); err != nil {
			return n, fmt.Errorf("read the statements: %w", err)
		}
		if seq != n+1 || previous != last || chainHash(previous, []byte(body)) != hash {
			return n, fmt.Errorf("%w: statement %s (number %d in order) is not what was issued, or one before it is missing", ErrBroken, number, n+1)
		}
		n, last = seq, hash
	}
	if err := r.Err(); err != nil {
		return n, fmt.Errorf("read the statements: %w", err)
	}
	if n != end || head != last {
		return n, fmt.Errorf("%w: statements at the end are missing", ErrBroken)
	}
	return n, nil
}
