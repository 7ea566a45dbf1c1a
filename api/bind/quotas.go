package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/quotas"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// Billing implements api.Usage, api.Billing and api.Accounts with the quota service and the key store.
type Billing struct {
	service *quotas.Service
	store   *keys.Store
	known   func(keyID string) bool
	now     func() time.Time
}

var (
	_ api.Usage    = Billing{}
	_ api.Billing  = Billing{}
	_ api.Accounts = Billing{}
)

// NewBilling binds both. verifier tells which keys exist, from memory.
func NewBilling(service *quotas.Service, store *keys.Store, verifier *keys.Verifier, now func() time.Time) Billing {
	return Billing{service: service, store: store, known: verifier.Knows, now: now}
}

// Usage implements api.Usage.
func (b Billing) Usage(ctx context.Context, q api.UsageQuery) (gen.Usage, error) {
	r, err := b.report(ctx, q)
	if err != nil {
		return gen.Usage{}, err
	}
	out := gen.Usage{
		KeyId: q.KeyID, AccountId: q.AccountID, From: r.From, To: r.To, Granularity: gen.Granularity(r.By), CompleteUntil: r.SealedThrough,
		Items: make([]gen.UsageRow, len(r.Buckets)), Total: toFigures(r.Total),
	}
	for i, u := range r.Buckets {
		out.Items[i] = gen.UsageRow{Start: u.Start, End: u.End, Sealed: u.Sealed, Figures: toFigures(u.Amounts)}
	}
	return out, nil
}

// UsageCSV implements api.Usage.
func (b Billing) UsageCSV(ctx context.Context, q api.UsageQuery, w io.Writer) error {
	r, err := b.report(ctx, q)
	if err != nil {
		return err
	}
	return quotas.WriteUsageCSV(w, r)
}

func (b Billing) report(ctx context.Context, q api.UsageQuery) (r quotas.UsageReport, err error) {
	if q.KeyID != "" {
		// A key that only the log knows has usage too, so an id without a record is no error.
		r, err = b.service.KeyUsage(ctx, q.KeyID, q.From, q.To, meter.Granularity(q.Granularity))
		return r, quotaError(err, "")
	}
	if _, err := b.store.GetAccount(ctx, q.AccountID); err != nil {
		return r, keyError(err)
	}
	r, err = b.service.AccountUsage(ctx, q.AccountID, q.From, q.To, meter.Granularity(q.Granularity))
	return r, quotaError(err, "")
}

func toFigures(a meter.Amounts) gen.UsageFigures {
	return gen.UsageFigures{
		Requests: a.Requests, Errors: a.Errors, RequestBytes: a.RequestBytes, ResponseBytes: a.ResponseBytes, Units: a.Units,
	}
}

// Quotas implements api.Usage.
func (b Billing) Quotas(ctx context.Context, keyID, accountID string) (gen.QuotaList, error) {
	var r quotas.QuotaReport
	var err error
	if keyID != "" {
		if !b.known(keyID) {
			return gen.QuotaList{}, api.ErrNotFound
		}
		r, err = b.service.KeyQuotas(ctx, keyID)
	} else {
		if _, err := b.store.GetAccount(ctx, accountID); err != nil {
			return gen.QuotaList{}, keyError(err)
		}
		r, err = b.service.AccountQuotas(ctx, accountID)
	}
	if err != nil {
		return gen.QuotaList{}, quotaError(err, "")
	}
	return convert[gen.QuotaList](r)
}

// ListPlans implements api.Billing.
func (b Billing) ListPlans(ctx context.Context, p api.Page) ([]gen.Plan, string, error) {
	list, next, err := b.service.Plans(ctx, p.Cursor, p.Limit)
	if err != nil {
		return nil, "", quotaError(err, "")
	}
	out, err := convert[[]gen.Plan](list)
	return out, next, err
}

// GetPlan implements api.Billing.
func (b Billing) GetPlan(ctx context.Context, id string, version int32) (gen.Plan, error) {
	p, err := b.service.Plan(ctx, id, int(version))
	if err != nil {
		return gen.Plan{}, quotaError(err, "")
	}
	return convert[gen.Plan](p)
}

// CreatePlanVersion implements api.Billing.
func (b Billing) CreatePlanVersion(ctx context.Context, by api.Change, id string, d gen.PlanDraft) (gen.Plan, error) {
	p, err := convert[quotas.Plan](d)
	if err != nil {
		// The description has let it through, so this is a number beyond what a decimal or an int64 holds.
		return gen.Plan{}, api.Invalid("", "a number is too large")
	}
	p.ID = id
	if p, err = b.service.CreateDraft(ctx, p, by.Actor); err != nil {
		return gen.Plan{}, quotaError(err, "#/")
	}
	return convert[gen.Plan](p)
}

// PublishPlanVersion implements api.Billing.
func (b Billing) PublishPlanVersion(ctx context.Context, by api.Change, id string, version int32) (gen.Plan, error) {
	p, err := b.service.PublishPlan(ctx, id, int(version), by.Actor)
	if err != nil {
		return gen.Plan{}, quotaError(err, "")
	}
	return convert[gen.Plan](p)
}

// ListStatements implements api.Billing.
func (b Billing) ListStatements(ctx context.Context, accountID, month string, p api.Page) ([]gen.Statement, string, error) {
	f := quotas.StatementFilter{AccountID: accountID, Cursor: p.Cursor, Limit: p.Limit}
	if month != "" {
		var err error
		if f.Within, err = period.ParseMonth(month); err != nil {
			return nil, "", api.InvalidParameter("period", "must be a month such as 2026-11")
		}
	}
	list, next, err := b.service.Statements(ctx, f)
	if err != nil {
		return nil, "", quotaError(err, "")
	}
	out, err := convert[[]gen.Statement](list)
	return out, next, err
}

// GetStatement implements api.Billing.
func (b Billing) GetStatement(ctx context.Context, id string) (gen.Statement, error) {
	st, err := b.service.Statement(ctx, id)
	if err != nil {
		return gen.Statement{}, quotaError(err, "")
	}
	return convert[gen.Statement](st)
}

// PreviewStatement implements api.Billing.
func (b Billing) PreviewStatement(ctx context.Context, accountID, month string) (gen.Statement, error) {
	return b.statement(ctx, accountID, month, b.service.Preview)
}

// IssueStatement implements api.Billing.
func (b Billing) IssueStatement(ctx context.Context, by api.Change, accountID, month string) (gen.Statement, error) {
	return b.statement(ctx, accountID, month, func(ctx context.Context, account string, at time.Time) (quotas.Statement, error) {
		return b.service.Issue(ctx, account, at, by.Actor)
	})
}

// statement makes the one of an account's period that starts in a month.
func (b Billing) statement(ctx context.Context, accountID, month string, make func(context.Context, string, time.Time) (quotas.Statement, error)) (gen.Statement, error) {
	if _, err := b.store.GetAccount(ctx, accountID); err != nil {
		return gen.Statement{}, keyError(err)
	}
	span, err := b.service.PeriodIn(ctx, accountID, month)
	if err != nil {
		return gen.Statement{}, quotaError(err, "")
	}
	st, err := make(ctx, accountID, span.From)
	if err != nil {
		return gen.Statement{}, quotaError(err, "")
	}
	return convert[gen.Statement](st)
}

// CorrectStatement implements api.Billing.
func (b Billing) CorrectStatement(ctx context.Context, by api.Change, id string) (gen.StatementCorrection, error) {
	st, changed, err := b.service.Correct(ctx, id, by.Actor)
	if err != nil || !changed {
		return gen.StatementCorrection{}, quotaError(err, "")
	}
	out, err := convert[gen.Statement](st)
	return gen.StatementCorrection{Changed: true, Correction: out}, err
}

// CheckStatements implements api.Billing.
func (b Billing) CheckStatements(ctx context.Context) (gen.StatementsCheck, error) {
	n, err := b.service.CheckStatements(ctx)
	if errors.Is(err, quotas.ErrBroken) {
		return gen.StatementsCheck{Statements: n, Problem: err.Error()}, nil
	}
	return gen.StatementsCheck{Intact: err == nil, Statements: n}, err
}

// StatementCSV implements api.Billing.
func (b Billing) StatementCSV(ctx context.Context, id string, w io.Writer) error {
	st, err := b.service.Statement(ctx, id)
	if err != nil {
		return quotaError(err, "")
	}
	return quotas.WriteCSV(w, st)
}

// ListAccounts implements api.Accounts.
func (b Billing) ListAccounts(ctx context.Context, p api.Page) ([]gen.Account, string, error) {
	list, next, err := b.store.ListAccounts(ctx, "", p.Cursor, p.Limit)
	if err != nil {
		return nil, "", keyError(err)
	}
	out := make([]gen.Account, len(list))
	for i := range list {
		if out[i], err = b.account(ctx, &list[i]); err != nil {
			return nil, "", err
		}
	}
	return out, next, nil
}

// GetAccount implements api.Accounts.
func (b Billing) GetAccount(ctx context.Context, id string) (gen.Account, error) {
	a, err := b.store.GetAccount(ctx, id)
	if err != nil {
		return gen.Account{}, keyError(err)
	}
	return b.account(ctx, &a)
}

// CreateAccount implements api.Accounts. What can fail comes before the account is made.
func (b Billing) CreateAccount(ctx context.Context, by api.Change, n gen.AccountCreate) (gen.Account, error) {
	if n.Id == "" {
		n.Id = sqlstore.NewID("acc_", b.now())
	}
	switch _, err := b.store.GetAccount(ctx, n.Id); {
	case err == nil:
		return gen.Account{}, api.Exists("There is an account with this id.")
	case !errors.Is(err, keys.ErrNotFound):
		return gen.Account{}, keyError(err)
	}
	if n.PlanId != "" {
		if err := b.service.Subscribable(ctx, n.PlanId); err != nil {
			if errors.Is(err, quotas.ErrNotFound) {
				return gen.Account{}, api.Invalid("/plan_id", "is no plan that exists and has a published version")
			}
			return gen.Account{}, quotaError(err, "#/")
		}
	}
	a, err := b.store.PutAccount(ctx, n.Id, n.Name, n.Metadata, toBy(by))
	if err != nil {
		return gen.Account{}, keyError(err)
	}
	if n.PlanId != "" {
		if _, err := b.service.Subscribe(ctx, quotas.Subscription{AccountID: n.Id, PlanID: n.PlanId}, by.Actor); err != nil {
			return gen.Account{}, quotaError(err, "#/")
		}
	}
	return b.account(ctx, &a)
}

func (b Billing) account(ctx context.Context, a *keys.Account) (gen.Account, error) {
	plan, err := b.service.PlanOf(ctx, a.ID, b.now())
	if err != nil {
		return gen.Account{}, quotaError(err, "")
	}
	out := gen.Account{Id: a.ID, Name: a.Name, PlanId: plan.ID, Metadata: a.Metadata, CreatedAt: a.CreatedAt}
	if a.Suspension != nil {
		out.Suspension = toSuspension(a.Suspension)
	}
	return out, nil
}

// SuspendAccount implements api.Accounts.
func (b Billing) SuspendAccount(ctx context.Context, by api.Change, id string, dryRun bool) (gen.AccountSwitched, error) {
	return b.switchAccount(ctx, by, id, dryRun, true, b.store.SuspendAccount)
}

// ReinstateAccount implements api.Accounts.
func (b Billing) ReinstateAccount(ctx context.Context, by api.Change, id string, dryRun bool) (gen.AccountSwitched, error) {
	return b.switchAccount(ctx, by, id, dryRun, false, b.store.ReinstateAccount)
}

func (b Billing) switchAccount(ctx context.Context, by api.Change, id string, dryRun, suspend bool,
	do func(context.Context, string, keys.By) (keys.Account, bool, error),
) (out gen.AccountSwitched, err error) {
	if out.Keys, err = b.store.CountPassing(ctx, id); err != nil {
		return out, keyError(err)
	}
	var a keys.Account
	if dryRun {
		a, err = b.store.GetAccount(ctx, id)
		out.Changed = suspend == (a.Suspension == nil)
	} else {
		a, out.Changed, err = do(ctx, id, toBy(by))
	}
	if err != nil {
		return out, keyError(err)
	}
	out.Account, err = b.account(ctx, &a)
	return out, err
}

func toSuspension(s *keys.Suspension) gen.AccountSuspension {
	return gen.AccountSuspension{Reason: s.Reason, Actor: s.Actor, At: s.At}
}

// convert copies by JSON: the description takes its names for plans, quotas and statements from the domain, and decimals
// are strings in both.
func convert[T any](from any) (T, error) {
	var to T
	raw, err := json.Marshal(from)
	if err != nil {
		return to, fmt.Errorf("convert %T: %w", from, err)
	}
	if err := json.Unmarshal(raw, &to); err != nil {
		return to, fmt.Errorf("convert %T: %w", from, err)
	}
	return to, nil
}

// quotaError translates the errors of the quota service. Fields are parameters when prefix is "", else in the body.
func quotaError(err error, prefix string) error {
	if list, ok := errors.AsType[quotas.Problems](err); ok {
		e := &api.Error{Code: api.CodeInvalidRequest, Cause: err}
		for _, p := range list {
			if prefix == "" {
				e.Fields = append(e.Fields, gen.FieldProblem{Parameter: p.Field, Detail: p.Message})
				continue
			}
			e.Fields = append(e.Fields, gen.FieldProblem{Pointer: prefix + toPointer(p.Field), Detail: p.Message})
		}
		return e
	}
	switch {
	case errors.Is(err, quotas.ErrNotFound):
		return errors.Join(api.ErrNotFound, err)
	case errors.Is(err, quotas.ErrConflict), errors.Is(err, quotas.ErrOpen):
		return &api.Error{Code: api.CodeConflict, Detail: sentence(strings.TrimSuffix(err.Error(), ": "+quotas.ErrConflict.Error())), Cause: err}
	case errors.Is(err, sqlstore.ErrCursor):
		return badCursor
	}
	return err
}
