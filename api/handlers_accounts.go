package api

import (
	"context"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func (h *handlers) SuspendAccount(ctx context.Context, q gen.SuspendAccountRequestObject) (gen.SuspendAccountResponseObject, error) {
	r, std := of(ctx)
	out, err := h.cfg.Accounts.SuspendAccount(std, r.change(q.Body.Reason), q.AccountId, q.Body.DryRun)
	if err != nil {
		return nil, err
	}
	h.tellAccount("account.suspended", "suspended", &out, q.Body)
	return gen.SuspendAccount200JSONResponse(out), nil
}

func (h *handlers) ReinstateAccount(ctx context.Context, q gen.ReinstateAccountRequestObject) (gen.ReinstateAccountResponseObject, error) {
	r, std := of(ctx)
	out, err := h.cfg.Accounts.ReinstateAccount(std, r.change(q.Body.Reason), q.AccountId, q.Body.DryRun)
	if err != nil {
		return nil, err
	}
	h.tellAccount("account.reinstated", "reinstated", &out, q.Body)
	return gen.ReinstateAccount200JSONResponse(out), nil
}

// tellAccount tells whoever looks on what was done to an account, if anything was.
func (h *handlers) tellAccount(kind, done string, s *gen.AccountSwitched, why *gen.AccountSwitch) {
	if s.Changed && !why.DryRun {
		h.cfg.Events.Publish(gen.Event{Type: kind, AccountId: s.Account.Id, Text: "account " + s.Account.Id + " is " + done + ": " + why.Reason})
	}
}

func (h *handlers) GetAccountPlan(ctx context.Context, q gen.GetAccountPlanRequestObject) (gen.GetAccountPlanResponseObject, error) {
	r, std := of(ctx)
	if !r.mayRead(q.AccountId) {
		return nil, ErrNotFound
	}
	p, err := h.cfg.Billing.PlanOfAccount(std, q.AccountId)
	if err != nil {
		return nil, err
	}
	r.withoutStaff(&p.CreatedBy)
	return gen.GetAccountPlan200JSONResponse(p), nil
}

func (h *handlers) ListSubscriptions(ctx context.Context, q gen.ListSubscriptionsRequestObject) (gen.ListSubscriptionsResponseObject, error) {
	r, std := of(ctx)
	if !r.mayRead(q.AccountId) {
		return nil, ErrNotFound
	}
	list, err := h.cfg.Billing.ListSubscriptions(std, q.AccountId)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r.withoutStaff(&list[i].CreatedBy)
	}
	return gen.ListSubscriptions200JSONResponse{Items: append([]gen.Subscription{}, list...)}, nil
}

func (h *handlers) Subscribe(ctx context.Context, q gen.SubscribeRequestObject) (gen.SubscribeResponseObject, error) {
	r, std := of(ctx)
	s, err := h.cfg.Billing.Subscribe(std, r.change(""), q.AccountId, *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.Subscribe201JSONResponse(s), nil
}

func (h *handlers) EndSubscription(ctx context.Context, q gen.EndSubscriptionRequestObject) (gen.EndSubscriptionResponseObject, error) {
	r, std := of(ctx)
	s, err := h.cfg.Billing.EndSubscription(std, r.change(""), q.AccountId, q.Body.EndsAt)
	if err != nil {
		return nil, err
	}
	return gen.EndSubscription200JSONResponse(s), nil
}

func (h *handlers) ListCredits(ctx context.Context, q gen.ListCreditsRequestObject) (gen.ListCreditsResponseObject, error) {
	r, std := of(ctx)
	if !r.mayRead(q.AccountId) {
		return nil, ErrNotFound
	}
	list, err := h.cfg.Billing.ListCredits(std, q.AccountId)
	if err != nil {
		return nil, err
	}
	for i := range list {
		r.withoutStaff(&list[i].CreatedBy)
	}
	return gen.ListCredits200JSONResponse{Items: append([]gen.Credit{}, list...)}, nil
}

func (h *handlers) GiveCredit(ctx context.Context, q gen.GiveCreditRequestObject) (gen.GiveCreditResponseObject, error) {
	r, std := of(ctx)
	c, err := h.cfg.Billing.GiveCredit(std, r.change(q.Body.Note), q.AccountId, *q.Body)
	if err != nil {
		return nil, err
	}
	return gen.GiveCredit201JSONResponse(c), nil
}

func (h *handlers) VoidCredit(ctx context.Context, q gen.VoidCreditRequestObject) (gen.VoidCreditResponseObject, error) {
	r, std := of(ctx)
	c, err := h.cfg.Billing.VoidCredit(std, r.change(""), q.CreditId)
	if err != nil {
		return nil, err
	}
	return gen.VoidCredit200JSONResponse(c), nil
}

func (h *handlers) ListNotifications(ctx context.Context, q gen.ListNotificationsRequestObject) (gen.ListNotificationsResponseObject, error) {
	r, std := of(ctx)
	if !r.mayRead(q.AccountId) {
		return nil, ErrNotFound
	}
	list, err := h.cfg.Billing.ListNotifications(std, q.AccountId)
	if err != nil {
		return nil, err
	}
	return gen.ListNotifications200JSONResponse{Items: append([]gen.Notification{}, list...)}, nil
}
