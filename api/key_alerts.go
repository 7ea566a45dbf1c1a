package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// noteIn bounds in how many alerts of a key a change is noted, the newest.
const noteIn = 50

// switchKey does something to a key for a person and notes it in the alerts that it is about, so that their timelines do not
// end with what detection did, and whoever is told of alerts hears of it. Those are the one that by names, or else all of the
// key that nobody has settled. The key comes first, and is what the caller is answered about: what cannot be noted is logged.
func (h *handlers) switchKey(ctx context.Context, by Change, id, what string, do func(context.Context, Change) (gen.Key, error)) (gen.Key, error) {
	before, err := h.cfg.Keys.GetKey(ctx, id)
	if err != nil {
		return gen.Key{}, err
	}
	after, err := do(ctx, by)
	if err != nil || after.Version == before.Version {
		return after, err
	}
	if by.Reason != "" {
		what += ": " + by.Reason
	}
	// It is noted also when the caller does not wait for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := h.note(ctx, by, id, what); err != nil {
		h.cfg.Logger.Warn("what was done to a key is missing in the timelines of its alerts", "key", id, "done", what, "request_id", by.RequestID, "err", err)
	}
	return after, nil
}

func (h *handlers) note(ctx context.Context, by Change, keyID, what string) error {
	ids := []string{by.AlertID}
	if by.AlertID == "" {
		list, _, err := h.cfg.Alerts.ListAlerts(ctx, AlertFilter{KeyID: keyID, Page: Page{Limit: noteIn}})
		if errors.Is(err, errAbsent) {
			return nil // another process keeps the alerts
		}
		if err != nil {
			return err
		}
		ids = ids[:0]
		for i := range list {
			if list[i].Status == gen.AlertStatusOpen || list[i].Status == gen.AlertStatusAcknowledged {
				ids = append(ids, list[i].Id)
			}
		}
	}
	for _, id := range ids {
		if err := h.cfg.Alerts.NoteAction(ctx, Change{Actor: by.Actor, RequestID: by.RequestID}, id, what); err != nil {
			return fmt.Errorf("alert %s: %w", id, err)
		}
	}
	return nil
}

// until says how long something lasts.
func until(what string, end time.Time) string {
	if end.IsZero() {
		return what
	}
	return what + " until " + end.UTC().Format(time.RFC3339)
}

// clients names who is refused, such as "curl of AS64500".
func (d Denied) clients() string {
	who := d.Value
	switch {
	case d.Value == "":
		return "all clients"
	case d.Kind == gen.QuarantineKindAsn:
		who = "AS" + strings.TrimPrefix(strings.ToUpper(d.Value), "AS")
	}
	if d.Agent != "" {
		who = d.Agent + " of " + who
	}
	return who
}
