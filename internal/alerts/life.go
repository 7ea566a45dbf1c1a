package alerts

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// change alters one alert in a transaction. fn returns the event for the timeline, or one with an empty kind when there is
// nothing to do.
func (s *Store) change(ctx context.Context, id string, by By, fn func(a *Alert, now time.Time) (Event, error)) (Alert, error) {
	if by.Actor == "" {
		return Alert{}, fmt.Errorf("actor: is needed for the audit trail: %w", ErrInput)
	}
	by.Reason = text(by.Reason, maxTextBytes)
	var out Alert
	var kind string
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		now := s.clock()
		seq, err := s.next(ctx, tx)
		if err != nil {
			return err
		}
		a, err := one(ctx, tx, ` WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if by.IfVersion != 0 && by.IfVersion != a.Version {
			return fmt.Errorf("it has version %d, not %d: %w", a.Version, by.IfVersion, ErrVersion)
		}
		before := a.Status
		e, err := fn(&a, now)
		if err != nil {
			return err
		}
		if out, kind = a, e.Kind; kind == "" {
			return nil
		}
		e.At, e.Actor = now, by.Actor
		a.UpdatedAt, a.Version, a.Seq = now, a.Version+1, seq
		if err := save(ctx, tx, &a, false); err != nil {
			return err
		}
		if err := s.timeline(ctx, tx, &a, e, ""); err != nil {
			return err
		}
		out = a
		return s.cfg.Audit.Append(ctx, tx, entry("alert."+kind, &a, string(before), by, now))
	})
	if err != nil {
		return Alert{}, fmt.Errorf("alert %s: %w", id, err)
	}
	if kind != "" {
		s.hub.Publish(Change{Kind: kind, Alert: out})
	}
	return out, nil
}

// settle moves an alert to a status from one of some others. Being there already is no change.
func (s *Store) settle(ctx context.Context, id string, by By, to Status, from ...Status) (Alert, error) {
	return s.change(ctx, id, by, func(a *Alert, now time.Time) (Event, error) {
		if a.Status == to {
			return Event{}, nil
		}
		if !slices.Contains(from, a.Status) {
			return Event{}, fmt.Errorf("it is %s and cannot become %s: %w", a.Status, to, ErrState)
		}
		a.Status = to
		switch to {
		case Confirmed, Dismissed:
			a.Feedback, a.FeedbackBy, a.ClosedAt, a.Verdict = text(by.Reason, maxTextBytes), by.Actor, now, to
		case Closed:
			if a.ClosedAt.IsZero() {
				a.ClosedAt = now
			}
		case Open, Acknowledged:
		}
		return Event{Kind: string(to), Text: text(by.Reason, maxTextBytes)}, nil
	})
}

// Acknowledge says that somebody looks at an open alert.
func (s *Store) Acknowledge(ctx context.Context, id string, by By) (Alert, error) {
	return s.settle(ctx, id, by, Acknowledged, Open)
}

// Confirm says that it was abuse. A verdict may be changed to the other one.
func (s *Store) Confirm(ctx context.Context, id string, by By) (Alert, error) {
	return s.settle(ctx, id, by, Confirmed, Open, Acknowledged, Dismissed)
}

// Dismiss says that it was not abuse; whoever calls it reinstates the key, see keys.Store.Reinstate.
func (s *Store) Dismiss(ctx context.Context, id string, by By) (Alert, error) {
	return s.settle(ctx, id, by, Dismissed, Open, Acknowledged, Confirmed)
}

// Reopen takes back whatever was said about an alert, the verdict included. An episode that has another alert by now keeps
// that one: ErrState.
func (s *Store) Reopen(ctx context.Context, id string, by By) (Alert, error) {
	a, err := s.change(ctx, id, by, func(a *Alert, _ time.Time) (Event, error) {
		if a.Status == Open {
			return Event{}, nil
		}
		a.Status, a.ClosedAt, a.Feedback, a.FeedbackBy, a.Verdict = Open, time.Time{}, "", "", ""
		return Event{Kind: "reopened", Text: text(by.Reason, maxTextBytes)}, nil
	})
	if sqlstore.IsUnique(err) {
		return a, fmt.Errorf("alert %s: its episode has a newer alert, see the key's alerts: %w", id, ErrState)
	}
	return a, err
}

// Close ends an alert, with or without a verdict: the next finding opens a new one.
func (s *Store) Close(ctx context.Context, id string, by By) (Alert, error) {
	return s.settle(ctx, id, by, Closed, Open, Acknowledged, Confirmed, Dismissed)
}

// Assign gives an alert to somebody, or, with "", to nobody.
func (s *Store) Assign(ctx context.Context, id, assignee string, by By) (Alert, error) {
	return s.change(ctx, id, by, func(a *Alert, _ time.Time) (Event, error) {
		assignee = text(strings.TrimSpace(assignee), maxTitleBytes)
		if a.Assignee == assignee {
			return Event{}, nil
		}
		a.Assignee = assignee
		if assignee == "" {
			return Event{Kind: "assigned", Text: "to nobody"}, nil
		}
		return Event{Kind: "assigned", Text: "to " + assignee}, nil
	})
}

// Comment adds a remark to the timeline.
func (s *Store) Comment(ctx context.Context, id, remark string, by By) (Alert, error) {
	remark = text(strings.TrimSpace(remark), maxTextBytes)
	if remark == "" {
		return Alert{}, fmt.Errorf("text: must not be empty: %w", ErrInput)
	}
	return s.change(ctx, id, by, func(*Alert, time.Time) (Event, error) { return Event{Kind: "comment", Text: remark}, nil })
}

// RecordAction notes what was done about an alert, in words: "suspended until ...", "would have suspended: mode observe".
func (s *Store) RecordAction(ctx context.Context, id string, action Action, what string, details json.RawMessage, by By) (Alert, error) {
	at := slices.Index(ladder, action)
	if at < 0 || (len(details) > 0 && !json.Valid(details)) {
		return Alert{}, fmt.Errorf("action: %q is none of observe, flag, throttle, quarantine, suspend, revoke: %w", action, ErrInput)
	}
	return s.change(ctx, id, by, func(a *Alert, _ time.Time) (Event, error) {
		if at > slices.Index(ladder, a.Action) {
			a.Action = action
		}
		return Event{Kind: "action", Text: text(what, maxTextBytes), Details: details}, nil
	})
}

// CloseIdle closes up to limit unsettled alerts that have had no finding or change for the given time, and returns how many.
func (s *Store) CloseIdle(ctx context.Context, idle time.Duration, limit int) (int, error) {
	list, err := query(ctx, s.db.Read(), ` WHERE status IN ('open', 'acknowledged') AND updated_at < $1 ORDER BY updated_at LIMIT $2`,
		s.clock().Add(-idle).UnixMilli(), limit)
	if err != nil {
		return 0, err
	}
	for i := range list {
		by := By{Actor: "system:clock", Reason: "nothing new for " + idle.String()}
		if _, err := s.settle(ctx, list[i].ID, by, Closed, Open, Acknowledged); err != nil {
			return i, err
		}
	}
	return len(list), nil
}
