package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

func (h *handlers) ListAlerts(ctx context.Context, q gen.ListAlertsRequestObject) (gen.ListAlertsResponseObject, error) {
	r, std := of(ctx)
	out := gen.ListAlerts200JSONResponse{Body: gen.AlertPage{Items: []gen.Alert{}}}
	account, ok := r.confine(q.Params.AccountId)
	if !ok || r.who.Role == gen.RoleCustomer && q.Params.Assignee != "" { // who looks at it is not shown to customers
		return out, nil
	}
	items, next, err := h.cfg.Alerts.ListAlerts(std, AlertFilter{
		AccountID: account, KeyID: q.Params.KeyId, Status: q.Params.Status, Severity: q.Params.Severity, Assignee: q.Params.Assignee, Query: q.Params.Q,
		Page: page(q.Params.Limit, q.Params.Cursor),
	})
	if err != nil {
		return nil, err
	}
	for i := range items {
		items[i] = r.shown(items[i])
	}
	out.Body.Items, out.Body.NextCursor = append(out.Body.Items, items...), next
	out.Headers.Link = nextLink(ctx, next)
	return out, nil
}

// readableAlert reads an alert that exists for the caller.
func (h *handlers) readableAlert(ctx context.Context, r *request, id string) (gen.Alert, error) {
	a, err := h.cfg.Alerts.GetAlert(ctx, id)
	if err != nil {
		return gen.Alert{}, err
	}
	if !r.mayRead(a.AccountId) {
		return gen.Alert{}, ErrNotFound
	}
	return r.shown(a), nil
}

// shown is an alert as the caller may see it: to customers, without who of the security team looks at it and judged it.
func (r *request) shown(a gen.Alert) gen.Alert {
	r.withoutStaff(&a.Assignee)
	r.withoutStaff(&a.FeedbackBy)
	return a
}

// withoutStaff blots out the name of somebody who works here where a customer would read it.
func (r *request) withoutStaff(name *string) {
	if r.who.Role == gen.RoleCustomer {
		*name = ""
	}
}

func (h *handlers) GetAlert(ctx context.Context, q gen.GetAlertRequestObject) (gen.GetAlertResponseObject, error) {
	r, std := of(ctx)
	a, err := h.readableAlert(std, r, q.AlertId)
	if err != nil {
		return nil, err
	}
	return gen.GetAlert200JSONResponse{AlertJSONResponse: gen.AlertJSONResponse(a)}, nil
}

func (h *handlers) GetAlertTimeline(ctx context.Context, q gen.GetAlertTimelineRequestObject) (gen.GetAlertTimelineResponseObject, error) {
	r, std := of(ctx)
	if _, err := h.readableAlert(std, r, q.AlertId); err != nil {
		return nil, err
	}
	entries, err := h.cfg.Alerts.AlertTimeline(std, q.AlertId)
	if err != nil {
		return nil, err
	}
	if r.who.Role == gen.RoleCustomer { // what the security team says among itself
		entries = slices.DeleteFunc(entries, func(e gen.TimelineEntry) bool { return e.Kind == "comment" || e.Kind == "assigned" })
	}
	for i := range entries {
		if e := &entries[i]; strings.HasPrefix(e.Actor, "user:") {
			r.withoutStaff(&e.Actor)
		}
	}
	return gen.GetAlertTimeline200JSONResponse{Items: append([]gen.TimelineEntry{}, entries...)}, nil
}

func (h *handlers) ListSimilarAlerts(ctx context.Context, q gen.ListSimilarAlertsRequestObject) (gen.ListSimilarAlertsResponseObject, error) {
	_, std := of(ctx)
	list, err := h.cfg.Alerts.SimilarAlerts(std, q.AlertId, cmp.Or(q.Params.Limit, 10))
	if err != nil {
		return nil, err
	}
	return gen.ListSimilarAlerts200JSONResponse{Items: append([]gen.SimilarAlert{}, list...)}, nil
}

func (h *handlers) AssignAlert(ctx context.Context, q gen.AssignAlertRequestObject) (gen.AssignAlertResponseObject, error) {
	r, std := of(ctx)
	a, err := h.cfg.Alerts.AssignAlert(std, r.change(q.Body.Reason), q.AlertId, q.Body.Assignee)
	if err != nil {
		return nil, err
	}
	return gen.AssignAlert200JSONResponse{AlertJSONResponse: gen.AlertJSONResponse(a)}, nil
}

func (h *handlers) CommentAlert(ctx context.Context, q gen.CommentAlertRequestObject) (gen.CommentAlertResponseObject, error) {
	r, std := of(ctx)
	a, err := h.cfg.Alerts.CommentAlert(std, r.change(""), q.AlertId, q.Body.Text)
	if err != nil {
		return nil, err
	}
	return gen.CommentAlert200JSONResponse{AlertJSONResponse: gen.AlertJSONResponse(a)}, nil
}

func (h *handlers) ReopenAlert(ctx context.Context, q gen.ReopenAlertRequestObject) (gen.ReopenAlertResponseObject, error) {
	a, err := h.setStatus(ctx, q.AlertId, q.Body.Reason, gen.AlertStatusOpen)
	if err != nil {
		return nil, err
	}
	return gen.ReopenAlert200JSONResponse{AlertJSONResponse: a}, nil
}

func (h *handlers) setStatus(ctx context.Context, id, reason string, to gen.AlertStatus) (gen.AlertJSONResponse, error) {
	r, std := of(ctx)
	by := r.change(reason)
	by.AlertID = id
	a, err := h.cfg.Alerts.SetAlertStatus(std, by, id, to)
	return gen.AlertJSONResponse(a), err
}

func (h *handlers) AcknowledgeAlert(ctx context.Context, q gen.AcknowledgeAlertRequestObject) (gen.AcknowledgeAlertResponseObject, error) {
	a, err := h.setStatus(ctx, q.AlertId, q.Body.Reason, gen.AlertStatusAcknowledged)
	if err != nil {
		return nil, err
	}
	return gen.AcknowledgeAlert200JSONResponse{AlertJSONResponse: a}, nil
}

func (h *handlers) ConfirmAlert(ctx context.Context, q gen.ConfirmAlertRequestObject) (gen.ConfirmAlertResponseObject, error) {
	a, err := h.setStatus(ctx, q.AlertId, q.Body.Reason, gen.AlertStatusConfirmed)
	if err != nil {
		return nil, err
	}
	return gen.ConfirmAlert200JSONResponse{AlertJSONResponse: a}, nil
}

func (h *handlers) CloseAlert(ctx context.Context, q gen.CloseAlertRequestObject) (gen.CloseAlertResponseObject, error) {
	a, err := h.setStatus(ctx, q.AlertId, q.Body.Reason, gen.AlertStatusClosed)
	if err != nil {
		return nil, err
	}
	return gen.CloseAlert200JSONResponse{AlertJSONResponse: a}, nil
}

// DismissAlert says that the finding was wrong and, unless told otherwise, lets the key pass again. The key comes first:
// when it cannot be reinstated the alert stays open, so that nobody takes the matter for settled. An alert that is closed
// cannot be dismissed any more, and its key is left alone.
func (h *handlers) DismissAlert(ctx context.Context, q gen.DismissAlertRequestObject) (gen.DismissAlertResponseObject, error) {
	r, std := of(ctx)
	if q.Body.Reinstate == nil || *q.Body.Reinstate {
		a, err := h.cfg.Alerts.GetAlert(std, q.AlertId)
		if err != nil {
			return nil, err
		}
		if a.Status != gen.AlertStatusClosed {
			if err := h.undo(std, r, a, q.Body.Reason); err != nil {
				return nil, err
			}
		}
	}
	a, err := h.setStatus(ctx, q.AlertId, q.Body.Reason, gen.AlertStatusDismissed)
	if err != nil {
		return nil, err
	}
	return gen.DismissAlert200JSONResponse{AlertJSONResponse: a}, nil
}

// undo takes back what a led to, and only that: a key that another alert or a person stopped has its own reason.
func (h *handlers) undo(ctx context.Context, r *request, a gen.Alert, reason string) error {
	if a.KeyId == "" {
		return nil // somebody guessed keys
	}
	by := r.change(reason)
	by.AlertID = a.Id
	before, err := h.cfg.Keys.GetKey(ctx, a.KeyId)
	if errors.Is(err, ErrNotFound) {
		return nil // a key that only its gateway knows
	}
	if err != nil {
		return err
	}
	after, err := h.cfg.Keys.ReinstateKey(ctx, by, a.KeyId)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeConflict {
		return nil // it was revoked or has expired meanwhile: final, whatever this alert was worth
	}
	if err != nil || after.Version == before.Version {
		return err
	}
	return h.cfg.Alerts.NoteAction(ctx, r.change(""), a.Id, "what this alert did to the key is undone")
}
