package alerts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

func TestClosedAlertsWithoutAVerdictAreDeletedWhenTheyAreOld(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		type change = func(context.Context, string, alerts.By) (alerts.Alert, error)
		made := map[string]string{}
		for name, changes := range map[string][]change{
			"open": nil, "looked at": {s.Acknowledge}, "abuse": {s.Confirm, s.Close}, "no abuse": {s.Dismiss}, "over": {s.Close}, "over too": {s.Close},
			"over and reopened": {s.Close, s.Reopen},
		} {
			made[name] = raise(t, s, finding(name)).Alert.ID
			for _, do := range changes {
				if _, err := do(ctx, made[name], ada); err != nil {
					t.Fatal(name, err)
				}
			}
		}
		c.Advance(89 * 24 * time.Hour)
		young := raise(t, s, finding("young")).Alert.ID
		if _, err := s.Close(ctx, young, ada); err != nil {
			t.Fatal(err)
		}
		expire := func(limit, want int) {
			t.Helper()
			if n, err := s.Expire(ctx, 90*24*time.Hour, limit); n != want || err != nil {
				t.Errorf("deleted %d, %v; want %d", n, err, want)
			}
		}
		expire(100, 0)
		c.Advance(2 * 24 * time.Hour)
		last, err := s.Last(ctx)
		if err != nil {
			t.Fatal(err)
		}
		expire(1, 1)
		expire(100, 1)
		expire(100, 0)
		for name, id := range made {
			gone := name == "over" || name == "over too"
			if _, err := s.Get(ctx, id); errors.Is(err, alerts.ErrNotFound) != gone {
				t.Errorf("%s: %v", name, err)
			}
			if events, err := s.Timeline(ctx, id); (len(events) == 0) != gone || err != nil && !gone {
				t.Errorf("%s: timeline %v, %v", name, events, err)
			}
		}
		if _, err := s.Get(ctx, young); err != nil {
			t.Error(err)
		}
		if now, err := s.Last(ctx); now != last || err != nil {
			t.Errorf("followers were told: %d after %d, %v", now, last, err)
		}
		// The key may be found again, by the same finding too: what was deleted is not in the way.
		if r := raise(t, s, finding("over")); !r.Opened {
			t.Errorf("found again: %+v", r)
		}
		var entries int
		err = db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_log WHERE action = 'alert.expire' AND actor = 'system:clock'`).Scan(&entries)
		if err != nil || entries != 2 {
			t.Errorf("%d entries of the audit trail, %v; want one for each time that something was deleted", entries, err)
		}
	})
}
