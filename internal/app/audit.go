package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// auditLimit bounds how many differences of a kind are listed.
const auditLimit = 100

// AuditReport compares what Kafka says was stored, what is stored, and what was sealed from it.
type AuditReport struct {
	Exact      bool                        `json:"exact"`
	At         time.Time                   `json:"at"`
	Partitions []clickhouse.PartitionAudit `json:"partitions"`
	// Differences says what is not exact, in words; empty when all is.
	Differences []string `json:"differences"`
	// Notes are facts that explain figures but are no fault, such as recorded gaps.
	Notes []string `json:"notes"`
}

// Audit checks that every offset up to the committed one is stored exactly once, and that sealed usage is what the events
// say. Zero times look at everything; else at the days in [from, to).
func (a *App) Audit(ctx context.Context, from, to time.Time) (AuditReport, error) {
	r := AuditReport{At: a.now().UTC(), Differences: []string{}, Notes: []string{}}
	differs := func(format string, args ...any) { r.Differences = append(r.Differences, fmt.Sprintf(format, args...)) }
	// Read before the stored rows: what is committed by now must be there by then.
	committed := map[partitionID]int64{}
	for _, p := range a.Ingester.Health().Partitions {
		committed[partitionID{p.Topic, p.Partition}] = p.Stored
		if p.Stopped {
			differs("%s/%d stands still: %s", p.Topic, p.Partition, p.Waiting)
		}
	}
	var err error
	if r.Partitions, err = a.Events.Audit(ctx, from, to); err != nil {
		return r, err
	}
	gaps, err := a.Events.Gaps(ctx)
	if err != nil {
		return r, err
	}
	for _, g := range gaps {
		r.Notes = append(r.Notes, fmt.Sprintf("%s/%d: offsets %d to %d were lost before they could be read: %s", g.Topic, g.Partition, g.From, g.To-1, g.Reason))
	}
	for _, p := range r.Partitions {
		if p.Rows != p.Places {
			differs("%s/%d: %d events, but only %d different places in the log: some are stored twice", p.Topic, p.Partition, p.Rows, p.Places)
		}
		if end, ok := committed[partitionID{p.Topic, p.Partition}]; ok && to.IsZero() && end > p.MaxOffset+1 && !within(gaps, p.Topic, p.Partition, p.MaxOffset+1, end) {
			differs("%s/%d: committed up to offset %d, but stored only up to %d", p.Topic, p.Partition, end-1, p.MaxOffset)
		}
		if err := a.auditOffsets(ctx, p, gaps, from, to, differs); err != nil {
			return r, err
		}
	}
	if err := a.auditSealed(ctx, from, to, differs); err != nil {
		return r, err
	}
	r.Exact = len(r.Differences) == 0
	return r, nil
}

func (a *App) auditOffsets(ctx context.Context, p clickhouse.PartitionAudit, gaps []usage.Gap, from, to time.Time, differs func(string, ...any)) error {
	if strings.HasPrefix(p.Topic, "import:") {
		return nil // a file's lines: empty ones are neither events nor dead letters
	}
	missing, err := a.Events.MissingOffsets(ctx, p.Topic, p.Partition, from, to, auditLimit)
	if err != nil {
		return err
	}
	for _, m := range missing {
		if !within(gaps, p.Topic, p.Partition, m.From, m.To) {
			differs("%s/%d: offsets %d to %d are neither events nor dead letters (a producer's transaction markers and compacted records look like this, too)",
				p.Topic, p.Partition, m.From, m.To-1)
		}
	}
	return nil
}

func (a *App) auditSealed(ctx context.Context, from, to time.Time, differs func(string, ...any)) error {
	if from.IsZero() {
		from = a.lateSince()
	}
	if to.IsZero() {
		to = a.now().Add(24 * time.Hour)
	}
	late, err := a.Events.LateHours(ctx, a.lateSince())
	if err != nil {
		return err
	}
	reopened := map[int64]bool{} // to be sealed again within half a minute: no difference
	for _, h := range late {
		reopened[h.Unix()] = true
	}
	sealed, err := a.Events.AuditSealed(ctx, from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour), auditLimit)
	if err != nil {
		return err
	}
	for _, d := range sealed {
		if !reopened[d.Hour.Unix()] {
			differs("hour %s of key %s: sealed %d calls, the events say %d", d.Hour.Format(time.RFC3339), d.KeyID, d.SealedRequests, d.Events)
		}
	}
	return nil
}

// within says whether recorded gaps cover [from, to).
func within(gaps []usage.Gap, topic string, partition int32, from, to int64) bool {
	for moved := true; moved && from < to; {
		moved = false
		for _, g := range gaps {
			if g.Topic == topic && g.Partition == partition && g.From <= from && g.To > from {
				from, moved = g.To, true
			}
		}
	}
	return from >= to
}
