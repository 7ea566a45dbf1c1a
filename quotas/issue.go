package quotas

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// statementLedger numbers statements. It is its own row, so that issuing does not queue behind changes of plans.
const statementLedger = "statements"

// Issue makes the statement of the account's period that holds at, for good. A period can be issued when it is over, its
// grace has passed and all its hours are sealed; before that the error is [ErrOpen]. Issuing again returns what was issued
// and does nothing.
func (s *Service) Issue(ctx context.Context, account string, at time.Time, actor string) (Statement, error) {
	line, err := s.timeline(ctx, s.store.db.Read(), account)
	if err != nil {
		return Statement{}, err
	}
	b, err := line.bill(at)
	if err != nil {
		return Statement{}, err
	}
	if old, err := s.store.issued(ctx, s.store.db.Read(), account, b.period.From); !errors.Is(err, ErrNotFound) {
		return old, err
	}
	if due := b.period.To.Add(s.cfg.Grace); s.cfg.Now().Before(due) {
		return Statement{}, fmt.Errorf("the period %s of %s can be issued from %s on: %w", b.period, clip(account), due.Format(time.RFC3339), ErrOpen)
	}
	st, err := s.compute(ctx, account, b)
	if err != nil {
		return Statement{}, err
	}
	if st.Basis.Provisional {
		return Statement{}, fmt.Errorf("use is sealed up to %s only, the period %s needs all of it: %w", st.Basis.SealedThrough.Format(time.RFC3339), b.period, ErrOpen)
	}
	st.Kind, st.IssuedBy = Issued, actor
	err = s.store.appendStatement(ctx, &st, func(tx *sql.Tx) (bool, error) {
		old, err := s.store.issued(ctx, tx, account, b.period.From)
		if err == nil {
			st = old
			return true, nil
		}
		if ignore(err, ErrNotFound) != nil {
			return false, err
		}
		// Whoever changes what the account is on does so behind this lock, so what is read now holds until the commit.
		now, err := s.timeline(ctx, tx, account)
		if err != nil {
			return false, err
		}
		if current, err := now.bill(at); err != nil || !current.same(b) {
			return false, cmp.Or(err, fmt.Errorf("the plan of %s was changed while its statement was made; try again: %w", clip(account), ErrConflict))
		}
		return false, nil
	})
	if err != nil {
		return Statement{}, err
	}
	return st, nil
}

// Correct compares a statement with what the ledger says now, and issues a correction when an amount has changed; changed
// is false, and nothing is issued, when none has. Plans are those of the statement, whatever was published since. Each
// correction starts from the one before it.
func (s *Service) Correct(ctx context.Context, statementID, actor string) (correction Statement, changed bool, err error) {
	original, err := s.Statement(ctx, statementID)
	if err != nil {
		return Statement{}, false, err
	}
	if original.Kind != Issued {
		return Statement{}, false, fmt.Errorf("%s is a correction itself; correct %s: %w", original.Number, original.Corrects, ErrConflict)
	}
	now, err := s.recompute(ctx, original)
	if err != nil {
		return Statement{}, false, err
	}
	if now.Basis.Provisional {
		return Statement{}, false, fmt.Errorf("hours of %s are open again: %w", original.Period, ErrOpen)
	}
	err = s.store.appendStatement(ctx, &correction, func(tx *sql.Tx) (bool, error) {
		changed = false // the transaction may run again
		before, asOf, err := s.store.effectiveLines(ctx, tx, original)
		if err != nil || asOf.After(now.Basis.ComputedAt) {
			return true, err // another process has corrected by newer use meanwhile
		}
		lines, amounts := differences(before, now.Lines)
		correction = Statement{
			Kind: Correction, AccountID: original.AccountID, Corrects: original.ID, Period: original.Period, Currency: original.Currency,
			Plans: original.Plans, Lines: lines, Restated: now.Lines, Basis: now.Basis, IssuedBy: actor,
		}
		correction.add()
		changed = amounts
		return !amounts, nil
	})
	if err != nil || !changed {
		return Statement{}, false, err
	}
	return correction, true, nil
}

// recompute rates the period of a statement again, with the plans that it was made with.
func (s *Service) recompute(ctx context.Context, st Statement) (Statement, error) {
	line, err := s.timeline(ctx, s.store.db.Read(), st.AccountID)
	if err != nil {
		return Statement{}, err
	}
	b, err := line.bill(st.Period.From)
	if err != nil {
		return Statement{}, err
	}
	b.period, b.segments = st.Period, nil
	for _, ps := range st.Plans {
		p, err := s.Plan(ctx, ps.PlanID, ps.Version)
		if err != nil {
			return Statement{}, err
		}
		b.segments = append(b.segments, segment{span: ps.Span, plan: p})
	}
	if len(b.segments) == 0 {
		return Statement{}, fmt.Errorf("statement %s names no plan", st.ID)
	}
	return s.compute(ctx, st.AccountID, b)
}

// differences lists the lines that lead from one set to another, and says whether an amount changed.
func differences(before, now []StatementLine) (lines []StatementLine, amounts bool) {
	old := make(map[lineKey]rating.Line, len(before))
	for i := range before {
		old[before[i].key()] = before[i].Line
	}
	for _, l := range now {
		l.Line = rating.Difference(old[l.key()], l.Line)
		if l.Quantity.IsZero() && l.Exact.IsZero() {
			continue
		}
		amounts = amounts || !l.Amount.IsZero()
		lines = append(lines, l)
	}
	return lines, amounts
}

// effectiveLines are those of the statement, or as its last correction restated them, and when they were computed.
func (s *store) effectiveLines(ctx context.Context, q sqlstore.Querier, st Statement) (lines []StatementLine, asOf time.Time, err error) {
	last, err := scanStatement(q.QueryRowContext(ctx, `SELECT `+statementColumns+` FROM quota_statements WHERE corrects = $1 ORDER BY seq DESC LIMIT 1`, st.ID))
	if errors.Is(err, sql.ErrNoRows) {
		return st.Lines, st.Basis.ComputedAt, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the corrections of %s: %w", st.ID, err)
	}
	return last.Restated, last.Basis.ComputedAt, nil
}

// appendStatement numbers, hashes and stores a statement, unless prepare, which runs in the same transaction after all
// other writers of statements, says that there is nothing to do.
func (s *store) appendStatement(ctx context.Context, st *Statement, prepare func(tx *sql.Tx) (done bool, err error)) error {
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if err := s.lockStatements(ctx, tx); err != nil {
			return err
		}
		done, err := prepare(tx)
		if done || err != nil {
			return err
		}
		if err := s.credit(ctx, tx, st); err != nil {
			return err
		}
		seq, err := sqlstore.NextSeq(ctx, tx, statementLedger, 1)
		if err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT hash FROM ledger WHERE name = $1`, statementLedger).Scan(&st.PreviousHash); err != nil {
			return fmt.Errorf("read the last statement's hash: %w", err)
		}
		st.IssuedAt = s.clock()
		st.ID = sqlstore.NewID("st_", st.IssuedAt)
		st.Number = fmt.Sprintf("TK-%06d", seq)
		body, err := json.Marshal(st)
		if err != nil {
			return fmt.Errorf("statement of %s: %w", clip(st.AccountID), err)
		}
		st.Hash, st.seq = chainHash(st.PreviousHash, body), seq
		_, err = tx.ExecContext(ctx, `INSERT INTO quota_statements (id, seq, number, kind, account_id, corrects, period_from, period_to, currency, total, body,
			previous_hash, hash, issued_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			st.ID, seq, st.Number, string(st.Kind), st.AccountID, st.Corrects, st.Period.From.UnixMilli(), st.Period.To.UnixMilli(), st.Currency,
			st.Total.String(), string(body), st.PreviousHash, st.Hash, st.IssuedAt.UnixMilli())
		if err != nil {
			return fmt.Errorf("save statement %s: %w", st.Number, err)
		}
		if err := s.saveCredits(ctx, tx, st); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `UPDATE ledger SET hash = $1 WHERE name = $2`, st.Hash, statementLedger); err != nil {
			return fmt.Errorf("save statement %s: %w", st.Number, err)
		}
		action := "statement.issue"
		if st.Kind == Correction {
			action = "statement.correct"
		}
		return s.record(ctx, tx, audit.Entry{
			Actor: st.IssuedBy, Action: action, TargetType: "statement", TargetID: st.ID, AccountID: st.AccountID, After: string(st.Kind),
			Details: details(map[string]any{"number": st.Number, "total": st.Total.String(), "currency": st.Currency, "period": st.Period.String()}),
		})
	})
}

// lockStatements makes the transaction the only one that issues, until it ends. It takes no number.
func (s *store) lockStatements(ctx context.Context, tx *sql.Tx) error {
	_, err := sqlstore.NextSeq(ctx, tx, statementLedger, 0)
	return err
}

// chainHash is SHA-256 over the hash of the statement before and the text of this one. It shows a change by hand or by a
// fault; it is not keyed, so whoever can rewrite every later statement can hide one.
func chainHash(previous string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(previous))
	h.Write([]byte{'\n'})
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
