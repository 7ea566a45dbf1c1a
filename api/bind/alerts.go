package bind

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Alerts implements api.Alerts.
type Alerts struct{ store *alerts.Store }

var _ api.Alerts = Alerts{}

// NewAlerts binds store.
func NewAlerts(store *alerts.Store) Alerts { return Alerts{store} }

// ListAlerts implements api.Alerts.
func (b Alerts) ListAlerts(ctx context.Context, f api.AlertFilter) ([]gen.Alert, string, error) {
	filter := alerts.Filter{
		AccountID: f.AccountID, KeyID: f.KeyID, MinSeverity: alerts.Severity(f.Severity), Assignee: f.Assignee,
		Text: f.Query, Cursor: f.Cursor, Limit: f.Limit,
	}
	if f.Status != "" {
		filter.Statuses = []alerts.Status{alerts.Status(f.Status)}
	}
	list, next, err := b.store.List(ctx, filter)
	if err != nil {
		return nil, "", alertError(err)
	}
	out := make([]gen.Alert, len(list))
	for i := range list {
		out[i] = ToAlert(&list[i])
	}
	return out, next, nil
}

// GetAlert implements api.Alerts.
func (b Alerts) GetAlert(ctx context.Context, id string) (gen.Alert, error) {
	a, err := b.store.Get(ctx, id)
	if err != nil {
		return gen.Alert{}, alertError(err)
	}
	return ToAlert(&a), nil
}

// AlertTimeline implements api.Alerts.
func (b Alerts) AlertTimeline(ctx context.Context, id string) ([]gen.TimelineEntry, error) {
	list, err := b.store.Timeline(ctx, id)
	if err != nil {
		return nil, alertError(err)
	}
	out := make([]gen.TimelineEntry, len(list))
	for i, e := range list {
		out[i] = gen.TimelineEntry{At: e.At, EventTime: e.EventTime, Kind: e.Kind, Actor: e.Actor, Text: e.Text}
		if len(e.Details) > 0 && string(e.Details) != "null" {
			out[i].Details = e.Details
		}
	}
	return out, nil
}

// SetAlertStatus implements api.Alerts.
func (b Alerts) SetAlertStatus(ctx context.Context, by api.Change, id string, to gen.AlertStatus) (gen.Alert, error) {
	who := toAlertBy(by)
	var a alerts.Alert
	var err error
	switch to {
	case gen.AlertStatusAcknowledged:
		a, err = b.store.Acknowledge(ctx, id, who)
	case gen.AlertStatusConfirmed:
		a, err = b.store.Confirm(ctx, id, who)
	case gen.AlertStatusDismissed:
		a, err = b.store.Dismiss(ctx, id, who)
	case gen.AlertStatusClosed:
		a, err = b.store.Close(ctx, id, who)
	case gen.AlertStatusOpen:
		a, err = b.store.Reopen(ctx, id, who)
	default:
		return gen.Alert{}, api.Conflict("There is no such state.")
	}
	if err != nil {
		return gen.Alert{}, alertError(err)
	}
	return ToAlert(&a), nil
}

// SimilarAlerts implements api.Alerts.
func (b Alerts) SimilarAlerts(ctx context.Context, id string, limit int) ([]gen.SimilarAlert, error) {
	list, err := b.store.Similar(ctx, id, limit)
	if err != nil {
		return nil, alertError(err)
	}
	out := make([]gen.SimilarAlert, len(list))
	for i := range list {
		out[i] = gen.SimilarAlert{Alert: ToAlert(&list[i].Alert), Score: int32(list[i].Score), Because: list[i].Because}
	}
	return out, nil
}

// AssignAlert implements api.Alerts.
func (b Alerts) AssignAlert(ctx context.Context, by api.Change, id, assignee string) (gen.Alert, error) {
	a, err := b.store.Assign(ctx, id, assignee, toAlertBy(by))
	return ToAlert(&a), alertError(err)
}

// CommentAlert implements api.Alerts.
func (b Alerts) CommentAlert(ctx context.Context, by api.Change, id, text string) (gen.Alert, error) {
	a, err := b.store.Comment(ctx, id, text, toAlertBy(by))
	return ToAlert(&a), alertError(err)
}

// NoteAction implements api.Alerts.
func (b Alerts) NoteAction(ctx context.Context, by api.Change, id, what string) error {
	_, err := b.store.RecordAction(ctx, id, alerts.Observe, what, nil, toAlertBy(by))
	return alertError(err)
}

func toAlertBy(by api.Change) alerts.By {
	return alerts.By{Actor: by.Actor, Reason: by.Reason, RequestID: by.RequestID, IfVersion: by.IfVersion}
}

// findings is what detection stores as evidence: a list, or an object that holds it together with example records and what is usual for the key.
type findings struct {
	Evidence []gen.Evidence `json:"evidence"`
	Examples []struct {
		TimeMillis int64  `json:"time_millis"`
		Method     string `json:"method"`
		Path       string `json:"path"`
		Status     int32  `json:"status"`
		ClientIP   string `json:"client_ip"`
		Country    string `json:"country"`
		ASN        int64  `json:"asn"`
		Agent      string `json:"agent"`
	} `json:"examples"`
	Usual *struct {
		gen.Usual
		SinceMillis int64 `json:"since_millis"`
	} `json:"usual"`
}

func (f *findings) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), "[") {
		return json.Unmarshal(b, &f.Evidence)
	}
	type plain findings // without this method
	return json.Unmarshal(b, (*plain)(f))
}

// ToAlert translates an alert. Evidence that does not have the known form is left out: the sentence still says why.
func ToAlert(a *alerts.Alert) gen.Alert {
	out := gen.Alert{
		Id: a.ID, KeyId: a.KeyID, AccountId: a.AccountID, Episode: a.Episode, Status: gen.AlertStatus(a.Status),
		Severity: gen.Severity(a.Severity), Action: gen.AlertAction(a.Action), Title: a.Title, Sentence: a.Sentence, PolicyId: a.PolicyID, PolicyRevision: a.PolicyRevision,
		Evidence: []gen.Evidence{}, Count: a.Findings, Assignee: a.Assignee, Feedback: a.Feedback, FeedbackBy: a.FeedbackBy,
		Version: a.Version, OpenedAt: a.OpenedAt, UpdatedAt: a.UpdatedAt, ClosedAt: a.ClosedAt, EventTime: a.EventTime,
		EndedAt: a.EndedAt, Verdict: gen.AlertStatus(a.Verdict),
	}
	var f findings
	if len(a.Evidence) > 0 && json.Unmarshal(a.Evidence, &f) == nil {
		out.Evidence = append(out.Evidence, f.Evidence...)
		for _, e := range f.Examples {
			out.Examples = append(out.Examples, gen.Example{
				At: time.UnixMilli(e.TimeMillis).UTC(), Method: e.Method, Path: e.Path, Status: e.Status, ClientIp: e.ClientIP,
				Country: e.Country, Asn: e.ASN, Agent: e.Agent,
			})
		}
		if u := f.Usual; u != nil {
			out.Usual = u.Usual
			if u.SinceMillis > 0 {
				out.Usual.Since = time.UnixMilli(u.SinceMillis).UTC()
			}
		}
	}
	var client struct {
		gen.Client
		SinceMillis int64 `json:"since_millis"`
	}
	if len(a.Actor) > 0 && json.Unmarshal(a.Actor, &client) == nil {
		out.Client = client.Client
		if client.SinceMillis > 0 {
			out.Client.Since = time.UnixMilli(client.SinceMillis).UTC()
		}
	}
	return out
}

func alertError(err error) error {
	switch {
	case errors.Is(err, alerts.ErrNotFound):
		return errors.Join(api.ErrNotFound, err)
	case errors.Is(err, alerts.ErrVersion):
		return errors.Join(api.ErrVersion, err)
	case errors.Is(err, alerts.ErrState):
		return &api.Error{Code: api.CodeConflict, Detail: "The alert's state does not allow this; read it again.", Cause: err}
	case errors.Is(err, sqlstore.ErrCursor):
		return badCursor
	case errors.Is(err, alerts.ErrInput):
		return &api.Error{Code: api.CodeInvalidRequest, Cause: err}
	}
	return err
}

var badCursor = api.InvalidParameter("cursor", "is not one that this list returned: ask for the first page again")
