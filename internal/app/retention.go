package app

import (
	"context"
	"time"
)

const (
	// alertIdle is how long an alert stays open that nobody looks at and nothing adds to.
	alertIdle = 14 * 24 * time.Hour
	// retentionBatch is how many rows one transaction settles or deletes.
	retentionBatch = 1000
)

// settleOldAlerts closes alerts that nobody looks at, and deletes closed ones when they are as old as the settings say.
func (a *App) settleOldAlerts(ctx context.Context) error {
	return every(ctx, time.Hour, func() {
		a.each(ctx, "alerts", "closed", func() (int, error) { return a.Alerts.CloseIdle(ctx, alertIdle, retentionBatch) })
		if age := days(a.cfg.AlertsDays); age > 0 {
			a.each(ctx, "alerts", "deleted", func() (int, error) { return a.Alerts.Expire(ctx, age, retentionBatch) })
		}
	})
}

// expireAudit deletes entries of the audit trail when they are as old as the settings say: once a day, since each time leaves an entry.
func (a *App) expireAudit(ctx context.Context) error {
	age := days(a.cfg.AuditDays)
	if age == 0 {
		return nil
	}
	return every(ctx, 24*time.Hour, func() {
		a.each(ctx, "audit entries", "deleted", func() (int, error) { return a.Keys.Audit().Expire(ctx, a.SQL, a.now(), age, retentionBatch) })
	})
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// every works at once, and again after each period until ctx is over.
func every(ctx context.Context, period time.Duration, work func()) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		work()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// each repeats what settles a batch until one is not full.
func (a *App) each(ctx context.Context, what, done string, settle func() (int, error)) {
	for {
		n, err := settle()
		if err != nil {
			if ctx.Err() == nil {
				a.Log.Warn("what is old could not be settled; it is tried again later", "what", what, "err", err)
			}
			return
		}
		if n > 0 {
			a.Log.Info("what is old was settled", "what", what, "done", done, "rows", n)
		}
		if n < retentionBatch {
			return
		}
	}
}
