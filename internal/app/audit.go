package app

import (
	"context"
	"time"

	"github.com/tollkeeper/tollkeeper/ingest/audit"
)

// Audit checks that every offset up to the committed one is stored exactly once, and that sealed usage is what the events
// say. Zero times look at everything; else at the days in [from, to).
func (a *App) Audit(ctx context.Context, from, to time.Time) (audit.Report, error) {
	return audit.Run(ctx, audit.Config{
		Store: a.Events, Positions: a.Ingester.Positions, Rekeyed: a.cfg.RekeyTopics, KeepDays: a.cfg.EventsDays, Now: a.now,
	}, from, to)
}
