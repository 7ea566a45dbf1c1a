package api

import (
	"bytes"
	"context"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func (h *handlers) ListPlans(ctx context.Context, q gen.ListPlansRequestObject) (gen.ListPlansResponseObject, error) {
	_, std := of(ctx)
	items, next, err := h.cfg.Billing.ListPlans(std, page(q.Params.Limit, q.Params.Cursor))
	if err != nil {
		return nil, err
	}
	out := gen.ListPlans200JSONResponse{Body: gen.PlanPage{Items: append([]gen.Plan{}, items...), NextCursor: next}}
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) GetPlan(ctx context.Context, q gen.GetPlanRequestObject) (gen.GetPlanResponseObject, error) {
	_, std := of(ctx)
	p, err := h.cfg.Billing.GetPlan(std, q.PlanId, q.Params.Version)
	if err != nil {
		return nil, err
	}
	return gen.GetPlan200JSONResponse(p), nil
}

func (h *handlers) CreatePlanVersion(ctx context.Context, q gen.CreatePlanVersionRequestObject) (gen.CreatePlanVersionResponseObject, error) {
	r, std := of(ctx)
	p, err := h.cfg.Billing.CreatePlanVersion(std, r.change(""), q.PlanId, *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.CreatePlanVersion201JSONResponse(p), nil
}

func (h *handlers) PublishPlanVersion(ctx context.Context, q gen.PublishPlanVersionRequestObject) (gen.PublishPlanVersionResponseObject, error) {
	r, std := of(ctx)
	p, err := h.cfg.Billing.PublishPlanVersion(std, r.change(""), q.PlanId, q.Version)
	if err != nil {
		return nil, err
	}
	return gen.PublishPlanVersion200JSONResponse(p), nil
}

func (h *handlers) ListStatements(ctx context.Context, q gen.ListStatementsRequestObject) (gen.ListStatementsResponseObject, error) {
	r, std := of(ctx)
	out := gen.ListStatements200JSONResponse{Body: gen.StatementPage{Items: []gen.Statement{}}}
	account, ok := r.confine(q.Params.AccountId)
	if !ok {
		return out, nil
	}
	items, next, err := h.cfg.Billing.ListStatements(std, account, q.Params.Period, page(q.Params.Limit, q.Params.Cursor))
	if err != nil {
		return nil, err
	}
	for i := range items {
		r.withoutStaff(&items[i].IssuedBy)
	}
	out.Body.Items, out.Body.NextCursor = append(out.Body.Items, items...), next
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

func (h *handlers) PreviewStatement(ctx context.Context, q gen.PreviewStatementRequestObject) (gen.PreviewStatementResponseObject, error) {
	r, std := of(ctx)
	account, ok := r.confine(q.Params.AccountId)
	if !ok {
		return nil, ErrNotFound
	}
	if account == "" {
		return nil, InvalidParameter("account_id", "is missing")
	}
	period := q.Params.Period
	if period == "" {
		period = h.cfg.Now().UTC().Format("2006-01")
	}
	st, err := h.cfg.Billing.PreviewStatement(std, account, period)
	if err != nil {
		return nil, err
	}
	return gen.PreviewStatement200JSONResponse(st), nil
}

// readableStatement is a statement that the caller may read; one of another account is as good as none.
func (h *handlers) readableStatement(ctx context.Context, id string) (gen.Statement, error) {
	r, std := of(ctx)
	st, err := h.cfg.Billing.GetStatement(std, id)
	if err == nil && !r.mayRead(st.AccountId) {
		return gen.Statement{}, ErrNotFound
	}
	r.withoutStaff(&st.IssuedBy)
	return st, err
}

func (h *handlers) GetStatement(ctx context.Context, q gen.GetStatementRequestObject) (gen.GetStatementResponseObject, error) {
	st, err := h.readableStatement(ctx, q.StatementId)
	if err != nil {
		return nil, err
	}
	return gen.GetStatement200JSONResponse(st), nil
}

func (h *handlers) IssueStatement(ctx context.Context, q gen.IssueStatementRequestObject) (gen.IssueStatementResponseObject, error) {
	r, std := of(ctx)
	st, err := h.cfg.Billing.IssueStatement(std, r.change(""), q.Body.AccountId, q.Body.Period)
	if err != nil {
		return nil, err
	}
	return gen.IssueStatement200JSONResponse(st), nil
}

func (h *handlers) CorrectStatement(ctx context.Context, q gen.CorrectStatementRequestObject) (gen.CorrectStatementResponseObject, error) {
	r, std := of(ctx)
	c, err := h.cfg.Billing.CorrectStatement(std, r.change(""), q.StatementId)
	if err != nil {
		return nil, err
	}
	return gen.CorrectStatement200JSONResponse(c), nil
}

func (h *handlers) CheckStatements(ctx context.Context, _ gen.CheckStatementsRequestObject) (gen.CheckStatementsResponseObject, error) {
	_, std := of(ctx)
	res, err := h.cfg.Billing.CheckStatements(std)
	if err != nil {
		return nil, err
	}
	return gen.CheckStatements200JSONResponse(res), nil
}

func (h *handlers) ExportStatement(ctx context.Context, q gen.ExportStatementRequestObject) (gen.ExportStatementResponseObject, error) {
	if _, err := h.readableStatement(ctx, q.StatementId); err != nil {
		return nil, err
	}
	_, std := of(ctx)
	var table bytes.Buffer
	if err := h.cfg.Billing.StatementCSV(std, q.StatementId, &table); err != nil {
		return nil, err
	}
	return gen.ExportStatement200TextcsvResponse{Body: &table, ContentLength: int64(table.Len())}, nil
}
