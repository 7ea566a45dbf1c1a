package quotas

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/quotas/period"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// Grant is credit of an account: money paid in advance, or given. Statements use it up before anything is due.
type Grant struct {
	ID        string          `json:"id"`
	AccountID string          `json:"account_id"`
	Currency  string          `json:"currency"`
	Amount    decimal.Decimal `json:"amount"`   // more than 0, in whole minor units
	Priority  int             `json:"priority"` // the lowest is used first
	Note      string          `json:"note,omitempty"`
	// A grant pays for periods that have an instant in [StartsAt, ExpiresAt). Zero: from now on; never.
	StartsAt  time.Time `json:"starts_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	VoidedAt  time.Time `json:"voided_at,omitzero"` // zero: not voided. What was used stays used.
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at"`

	Used      decimal.Decimal `json:"used"`
	Remaining decimal.Decimal `json:"remaining"` // 0 when voided or expired
}

// CreditUse is what a statement took from a grant, or a correction gave back (negative).
type CreditUse struct {
	GrantID string          `json:"grant_id"`
	Note    string          `json:"note,omitempty"`
	Amount  decimal.Decimal `json:"amount"`
}

// GiveCredit grants credit to an account.
func (s *Service) GiveCredit(ctx context.Context, g Grant, actor string) (Grant, error) {
	var c checker
	if g.AccountID == "" {
		c.add("account_id", "is missing")
	}
	cur, err := rating.ParseCurrency(g.Currency)
	if err != nil {
		c.add("currency", "%s", err)
	}
	switch {
	case !rating.Sane(g.Amount) || !g.Amount.IsPositive():
		c.add("amount", "give more than 0, with at most 30 digits")
	case err == nil && !cur.Round(g.Amount).Equal(g.Amount):
		c.add("amount", "is %s; %s has %d decimal places", g.Amount, cur.Code, cur.Decimals)
	}
	if len(g.Note) > maxName {
		c.add("note", "has more than %d bytes", maxName)
	}
	g.CreatedAt, g.CreatedBy, g.VoidedAt = s.store.clock(), actor, time.Time{}
	if g.StartsAt.IsZero() {
		g.StartsAt = g.CreatedAt
	}
	g.StartsAt, g.ExpiresAt = g.StartsAt.UTC().Truncate(time.Millisecond), sqlstore.Time(sqlstore.Millis(g.ExpiresAt))
	if !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(g.StartsAt) {
		c.add("expires_at", "is not after starts_at")
	}
	if err := c.err(); err != nil {
		return Grant{}, err
	}
	g.ID, g.Used, g.Remaining = sqlstore.NewID("grant_", g.CreatedAt), decimal.Zero, g.Amount
	err = s.store.db.WithTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO quota_grants (`+grantColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			g.ID, g.AccountID, g.Currency, g.Amount.String(), g.Priority, g.Note, g.StartsAt.UnixMilli(), sqlstore.Millis(g.ExpiresAt), 0, g.CreatedBy, g.CreatedAt.UnixMilli())
		if err != nil {
			return fmt.Errorf("save the credit of %s: %w", clip(g.AccountID), err)
		}
		return s.store.record(ctx, tx, audit.Entry{
			Actor: actor, Action: "credit.give", TargetType: "credit", TargetID: g.ID, AccountID: g.AccountID, Reason: g.Note,
			Details: details(map[string]any{"amount": g.Amount.String(), "currency": g.Currency}),
		})
	})
	return g, err
}

// VoidCredit takes back what is left of a grant.
func (s *Service) VoidCredit(ctx context.Context, id, actor string) (Grant, error) {
	var account string
	err := s.store.db.WithTx(ctx, func(tx *sql.Tx) error {
		// Behind the statements, so that none is using it right now.
		if err := s.store.lockStatements(ctx, tx); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `UPDATE quota_grants SET voided_at = $1 WHERE id = $2 AND voided_at = 0 RETURNING account_id`, s.store.clock().UnixMilli(), id).Scan(&account)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("credit %s that is not voided: %w", clip(id), ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("void credit %s: %w", clip(id), err)
		}
		return s.store.record(ctx, tx, audit.Entry{Actor: actor, Action: "credit.void", TargetType: "credit", TargetID: id, AccountID: account})
	})
	if err != nil {
		return Grant{}, err
	}
	grants, err := s.Credits(ctx, account)
	if err != nil {
		return Grant{}, err
	}
	return grants[slices.IndexFunc(grants, func(g Grant) bool { return g.ID == id })], nil
}

// Credits returns the grants of an account in the order in which they are used, with what is left of each now.
func (s *Service) Credits(ctx context.Context, account string) ([]Grant, error) {
	grants, err := s.store.grants(ctx, s.store.db.Read(), account)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	for i := range grants {
		if g := &grants[i]; !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt) {
			g.Remaining = decimal.Zero
		}
	}
	return grants, nil
}

const grantColumns = `id, account_id, currency, amount, priority, note, starts_at, expires_at, voided_at, created_by, created_at`

func scanGrant(row scanner) (Grant, error) {
	var g Grant
	var starts, expires, voided, created int64
	err := row.Scan(&g.ID, &g.AccountID, &g.Currency, &g.Amount, &g.Priority, &g.Note, &starts, &expires, &voided, &g.CreatedBy, &created)
	g.StartsAt, g.ExpiresAt, g.VoidedAt, g.CreatedAt = sqlstore.Time(starts), sqlstore.Time(expires), sqlstore.Time(voided), sqlstore.Time(created)
	return g, err
}

type grantUse struct {
	grant  string
	amount decimal.Decimal
}

func scanUse(row scanner) (u grantUse, err error) {
	err = row.Scan(&u.grant, &u.amount)
	return u, err
}

// grants reads the grants of an account with their balances, in order of use: priority, then the earliest expiry, then
// the earliest made (OpenMeter's order).
func (s *store) grants(ctx context.Context, q sqlstore.Querier, account string) ([]Grant, error) {
	grants, err := rows(ctx, q, scanGrant, `SELECT `+grantColumns+` FROM quota_grants WHERE account_id = $1 ORDER BY created_at, id`, account)
	if err != nil {
		return nil, fmt.Errorf("read the credits of %s: %w", clip(account), err)
	}
	// Summed here and not by the database, whose sums of text would be floats.
	uses, err := rows(ctx, q, scanUse, `SELECT u.grant_id, u.amount FROM quota_grant_uses AS u JOIN quota_grants AS g ON g.id = u.grant_id WHERE g.account_id = $1`, account)
	if err != nil {
		return nil, fmt.Errorf("read the credits of %s: %w", clip(account), err)
	}
	used := make(map[string]decimal.Decimal, len(grants))
	for _, u := range uses {
		used[u.grant] = used[u.grant].Add(u.amount)
	}
	for i := range grants {
		g := &grants[i]
		g.Used = used[g.ID]
		if g.VoidedAt.IsZero() {
			g.Remaining = g.Amount.Sub(g.Used)
		}
	}
	slices.SortStableFunc(grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), expiryOrder(a).Compare(expiryOrder(b)))
	})
	return grants, nil
}

func expiryOrder(g Grant) time.Time {
	if g.ExpiresAt.IsZero() {
		return dusk
	}
	return g.ExpiresAt
}

// credit fills in what the statement takes from the account's grants, and what is due then. A correction in the
// customer's favour first gives back what the statement and its corrections took, the last used first.
func (s *store) credit(ctx context.Context, q sqlstore.Querier, st *Statement) error {
	st.Credits, st.Due = nil, st.Total
	if st.Total.IsZero() {
		return nil
	}
	grants, err := s.grants(ctx, q, st.AccountID)
	if err != nil {
		return err
	}
	if st.Total.IsPositive() {
		st.useCredit(grants)
		return nil
	}
	taken := make(map[string]decimal.Decimal)
	uses, err := rows(ctx, q, scanUse, `SELECT u.grant_id, u.amount FROM quota_grant_uses AS u JOIN quota_statements AS s ON s.id = u.statement_id
		WHERE s.id = $1 OR s.corrects = $1`, st.Corrects)
	if err != nil {
		return fmt.Errorf("read the credits of %s: %w", clip(st.AccountID), err)
	}
	for _, u := range uses {
		taken[u.grant] = taken[u.grant].Add(u.amount)
	}
	for _, g := range slices.Backward(grants) {
		if back := decimal.Min(taken[g.ID], st.Due.Neg()); back.IsPositive() {
			st.takeCredit(g, back.Neg())
		}
	}
	return nil
}

// useCredit pays what is due from the grants, in their order.
func (st *Statement) useCredit(grants []Grant) {
	for _, g := range grants {
		valid := period.Period{From: g.StartsAt, To: expiryOrder(g)}
		if _, ok := valid.Intersect(st.Period); !ok || g.Currency != st.Currency {
			continue
		}
		if pay := decimal.Min(g.Remaining, st.Due); pay.IsPositive() {
			st.takeCredit(g, pay)
		}
	}
}

func (st *Statement) takeCredit(g Grant, amount decimal.Decimal) {
	st.Credits = append(st.Credits, CreditUse{GrantID: g.ID, Note: g.Note, Amount: amount})
	st.Due = st.Due.Sub(amount)
}

// saveCredits notes what an issued statement took.
func (s *store) saveCredits(ctx context.Context, tx *sql.Tx, st *Statement) error {
	for _, u := range st.Credits {
		if _, err := tx.ExecContext(ctx, `INSERT INTO quota_grant_uses (grant_id, statement_id, amount) VALUES ($1, $2, $3)`, u.GrantID, st.ID, u.Amount.String()); err != nil {
			return fmt.Errorf("save the credits of statement %s: %w", st.Number, err)
		}
	}
	return nil
}
