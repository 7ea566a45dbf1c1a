package quotas

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// StatementKind tells what a statement is.
type StatementKind string

const (
	// Preview is computed on the spot and not kept.
	Preview StatementKind = "preview"
	// Issued is the statement of a period. It never changes.
	Issued StatementKind = "statement"
	// Correction holds what changed since the statement that it corrects, as debit (positive) and credit (negative) lines.
	Correction StatementKind = "correction"
)

// Statement is what an account owes for a billing period. Subtotal + Rounding = Total, the sum of the lines' amounts.
type Statement struct {
	ID        string          `json:"id,omitempty"`     // none for a preview
	Number    string          `json:"number,omitempty"` // gapless over all accounts
	Kind      StatementKind   `json:"kind"`
	AccountID string          `json:"account_id"`
	Corrects  string          `json:"corrects,omitempty"` // id of the statement that a correction is about
	Period    period.Period   `json:"period"`
	Currency  string          `json:"currency"`
	Plans     []PlanSpan      `json:"plans"`
	Lines     []StatementLine `json:"lines"`
	// Restated are all lines as they should have been, of a correction.
	Restated []StatementLine `json:"restated,omitempty"`
	Subtotal decimal.Decimal `json:"subtotal"` // the exact amounts
	Rounding decimal.Decimal `json:"rounding"` // what rounding each line added
	Total    decimal.Decimal `json:"total"`
	// Credits pay for some or all of the total; Due is what remains, negative when the customer gets money back.
	Credits  []CreditUse     `json:"credits,omitempty"`
	Due      decimal.Decimal `json:"due"`
	Basis    Basis           `json:"basis"`
	IssuedAt time.Time       `json:"issued_at,omitzero"`
	IssuedBy string          `json:"issued_by,omitempty"`

	// Hash covers all of the above and PreviousHash, that of the statement issued before, whoever it is for.
	PreviousHash string `json:"previous_hash,omitempty"`
	Hash         string `json:"hash,omitempty"`

	seq int64
}

// PlanSpan is a part of the period that was on one version of a plan.
type PlanSpan struct {
	PlanID  string        `json:"plan_id"`
	Version int           `json:"version"`
	Span    period.Period `json:"span"`
}

// Basis says on what use a statement rests.
type Basis struct {
	ComputedAt time.Time `json:"computed_at"`
	// SealedThrough is the time before which all hours were closed; later use was counted from the open tail.
	SealedThrough time.Time `json:"sealed_through"`
	// Provisional: the period, or an hour of it, was still open, so the amounts may grow.
	Provisional bool `json:"provisional"`
	Keys        int  `json:"keys"` // of the account
}

// StatementLine is a charge for the part of the period on its plan, with its arithmetic.
type StatementLine struct {
	ChargeID    string        `json:"charge_id"`
	Description string        `json:"description"`
	Meter       string        `json:"meter,omitempty"`
	Model       rating.Mode   `json:"model"`
	PlanID      string        `json:"plan_id"`
	PlanVersion int           `json:"plan_version"`
	Span        period.Period `json:"span"`
	rating.Line
}

// lineKey finds the same line in two computations of a period.
type lineKey struct {
	charge, plan string
	version      int
	from         int64
}

func (l *StatementLine) key() lineKey {
	return lineKey{l.ChargeID, l.PlanID, l.PlanVersion, l.Span.From.UnixMilli()}
}

// Preview computes the statement of the account's period that holds at (zero: now), as if the period ended now. Nothing
// is stored.
func (s *Service) Preview(ctx context.Context, account string, at time.Time) (Statement, error) {
	if at.IsZero() {
		at = s.cfg.Now()
	}
	line, err := s.timeline(ctx, s.store.db.Read(), account)
	if err != nil {
		return Statement{}, err
	}
	b, err := line.bill(at)
	if err != nil {
		return Statement{}, err
	}
	st, err := s.compute(ctx, account, b)
	if err != nil {
		return Statement{}, err
	}
	return st, s.store.credit(ctx, s.store.db.Read(), &st)
}

// PeriodIn returns the billing period of the account that starts in a month such as "2026-11" (the last, when plan changes
// cut the month into several). An instant in it, such as its From, is what Preview and Issue take.
func (s *Service) PeriodIn(ctx context.Context, account, month string) (period.Period, error) {
	line, err := s.timeline(ctx, s.store.db.Read(), account)
	if err != nil {
		return period.Period{}, err
	}
	m, err := period.ParseMonth(month)
	if err != nil {
		return period.Period{}, bad("period", "%s", err)
	}
	// The cycle in force in the middle of the month says when in zone and anchor the month ends.
	b, err := line.bill(m.From.Add(m.To.Sub(m.From) / 2))
	if err != nil {
		return period.Period{}, bad("period", "%s", err)
	}
	last, err := b.cycle.LastOf(month)
	if err != nil {
		return period.Period{}, bad("period", "%s", err)
	}
	if b, err = line.bill(last); err != nil {
		return period.Period{}, bad("period", "%s", err)
	}
	return b.period, nil
}

// compute rates the use of a billing period as the ledger has it now.
func (s *Service) compute(ctx context.Context, account string, b billing) (Statement, error) {
	now := s.store.clock()
	st := Statement{
		Kind: Preview, AccountID: account, Period: b.period, Currency: b.segments[0].plan.Currency,
		Lines: []StatementLine{}, Basis: Basis{ComputedAt: now},
	}
	cur, err := rating.ParseCurrency(st.Currency)
	if err != nil {
		return Statement{}, err
	}
	sealed, err := s.cfg.Source.SealedThrough(ctx)
	if err != nil {
		return Statement{}, fmt.Errorf("read how far use is sealed: %w", err)
	}
	st.Basis.SealedThrough = sealed.UTC()
	st.Basis.Provisional = now.Before(b.period.To) || sealed.Before(b.period.To)
	keys, err := s.cfg.Accounts.KeysOfAccount(ctx, account)
	if err != nil {
		return Statement{}, fmt.Errorf("read the keys of %s: %w", clip(account), err)
	}
	st.Basis.Keys = len(keys)
	whole, err := period.Days(b.whole, b.cycle.Zone)
	if err != nil {
		return Statement{}, err
	}
	for _, seg := range b.segments {
		used, err := s.used(ctx, keys, seg.span)
		if err != nil {
			return Statement{}, err
		}
		days, err := period.Days(seg.span, b.cycle.Zone)
		if err != nil {
			return Statement{}, err
		}
		lines, err := rateSegment(seg, used, cur, days, whole)
		if err != nil {
			return Statement{}, err
		}
		st.Plans = append(st.Plans, PlanSpan{PlanID: seg.plan.ID, Version: seg.plan.Version, Span: seg.span})
		if seg.implicit && len(b.segments) > 1 && idle(lines) {
			continue // before the account's first subscription
		}
		st.Lines = append(st.Lines, lines...)
	}
	st.add()
	return st, nil
}

// used sums what the keys used in a span, up to now.
func (s *Service) used(ctx context.Context, keys []string, span period.Period) (sum meter.Amounts, err error) {
	to := span.To
	if next := s.cfg.Now().UTC().Truncate(time.Hour).Add(time.Hour); next.Before(to) {
		to = next
	}
	if !span.From.Before(to) || len(keys) == 0 {
		return sum, nil
	}
	rows, err := s.usageByKey(ctx, keys, span.From, to, meter.Total)
	if err != nil {
		return sum, err
	}
	for i := range rows {
		sum.Add(rows[i].Amounts)
	}
	return sum, nil
}

// rateSegment prices what was used in a segment. A flat fee is shared by days.
func rateSegment(seg segment, used meter.Amounts, cur rating.Currency, days, whole int64) ([]StatementLine, error) {
	lines := make([]StatementLine, 0, len(seg.plan.Charges))
	for _, ch := range seg.plan.Charges {
		r, err := rating.Compile(ch.Price, cur)
		if err != nil {
			return nil, fmt.Errorf("plan %s version %d, charge %s: %w", seg.plan.ID, seg.plan.Version, ch.ID, err)
		}
		l := StatementLine{
			ChargeID: ch.ID, Description: ch.Name, Meter: ch.Meter, Model: ch.Mode, PlanID: seg.plan.ID, PlanVersion: seg.plan.Version, Span: seg.span,
		}
		if ch.Mode == rating.ModeFlat {
			l.Line = r.Prorate(days, whole)
		} else {
			l.Line = r.Rate(decimal.NewFromInt(seg.plan.Meter(ch.Meter).Of(used)))
		}
		if l.Description == "" {
			l.Description = seg.plan.Meter(ch.Meter).Title()
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// idle says whether lines neither count nor cost anything.
func idle(lines []StatementLine) bool {
	for i := range lines {
		if !lines[i].Quantity.IsZero() || !lines[i].Exact.IsZero() {
			return false
		}
	}
	return true
}

// add computes the sums of the lines.
func (st *Statement) add() {
	st.Subtotal, st.Total = decimal.Zero, decimal.Zero
	for i := range st.Lines {
		st.Subtotal = st.Subtotal.Add(st.Lines[i].Exact)
		st.Total = st.Total.Add(st.Lines[i].Amount)
	}
	st.Rounding, st.Due = st.Total.Sub(st.Subtotal), st.Total
}
