package app

import (
	"context"
	"time"

	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/ingest/audit"
)

// Audit checks that every offset up to the committed one is stored exactly once, and that sealed usage is what the events
// say. Zero times look at everything; else at the days in [from, to).
func (a *App) Audit(ctx context.Context, from, to time.Time) (audit.Report, error) {
	return audit.Run(ctx, audit.Config{
		Store: a.Events, Positions: a.Ingester.Positions, Rekeyed: a.cfg.RekeyTopics, KeepDays: a.cfg.EventsDays, Now: a.now,
	}, from, to)
}

// auditAnswer is a report as the API gives it.
func auditAnswer(r audit.Report) gen.IngestAudit {
	out := gen.IngestAudit{
		Exact: r.Exact, At: r.At, Differences: r.Differences, Notes: r.Notes, Partitions: []gen.PartitionAudit{},
		TooOld: gen.TooOldRecords{Records: r.TooOld.Records, Hours: r.TooOld.Hours, First: []gen.TooOldHour{}},
	}
	for _, p := range r.Partitions {
		out.Partitions = append(out.Partitions, gen.PartitionAudit{
			Topic: p.Topic, Partition: p.Partition, Events: p.Rows, Places: p.Places, Duplicates: p.Duplicates, Unprotected: p.Unprotected,
			DeadLetters: p.DeadLetters, FirstOffset: p.MinOffset, LastOffset: p.MaxOffset,
		})
	}
	for _, h := range r.TooOld.First {
		out.TooOld.First = append(out.TooOld.First, gen.TooOldHour{Hour: h.Hour, Records: h.Records, Counted: !h.Sealed})
	}
	return out
}
