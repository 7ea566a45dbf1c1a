package app

import (
	"context"
	"errors"
	"time"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/keys"
)

// figures are the dashboard's.
type figures struct {
	a     *App
	keys  *rested[map[keys.Status]int64]
	calls *rested[int64]
	dead  *rested[int64]
}

func newFigures(a *App) figures {
	return figures{a, newRested[map[keys.Status]int64](a.now), newRested[int64](a.now), newRested[int64](a.now)}
}

const (
	figuresSpan = 2 * time.Minute
	figuresStep = 2 * time.Second
)

// Stats implements api.Stats.
func (f figures) Stats(ctx context.Context) (gen.Stats, error) {
	now := f.a.now().UTC()
	out := gen.Stats{
		Now: now, Mode: gen.StatsMode(f.a.cfg.Mode), StepSeconds: int32(figuresStep / time.Second), Keys: map[string]int64{}, Alerts: map[string]int64{},
		Demo: f.a.simulated,
	}
	byStatus, err := f.keys.get(ctx, f.a.Keys.Counts)
	if err != nil {
		return out, err
	}
	for status, n := range byStatus {
		out.Keys[string(status)] = n
	}
	open, err := f.a.Alerts.Counts(ctx)
	if err != nil {
		return out, err
	}
	for status, n := range open {
		out.Alerts[string(status)] = n
	}
	from := now.Add(-figuresSpan).Truncate(figuresStep)
	rates, err := f.a.Events.Rates(ctx, "", from, now, figuresStep)
	if err != nil {
		return out, errors.Join(api.ErrUnavailable, err)
	}
	calls, refused := map[int64]int64{}, map[int64]int64{}
	for _, r := range rates {
		calls[r.Start.Unix()], refused[r.Start.Unix()] = r.Requests, r.Refused
	}
	for at := from; at.Before(now.Add(-figuresStep)); at = at.Add(figuresStep) {
		out.RequestsPerSecond = append(out.RequestsPerSecond, gen.Point{At: at, Value: float64(calls[at.Unix()]) / figuresStep.Seconds()})
		out.RefusedPerSecond = append(out.RefusedPerSecond, gen.Point{At: at, Value: float64(refused[at.Unix()]) / figuresStep.Seconds()})
	}
	if out.RequestsTotal, err = f.calls.get(ctx, f.callsEver); err != nil {
		return out, errors.Join(api.ErrUnavailable, err)
	}
	if out.DeadLetters, err = f.dead.get(ctx, f.deadLetters); err != nil {
		return out, errors.Join(api.ErrUnavailable, err)
	}
	if f.a.cfg.Ingests() {
		var lag int64
		for _, p := range f.a.Ingester.Health().Partitions {
			lag += p.Lag
		}
		out.LagRecords = &lag
	}
	return out, nil
}

func (f figures) callsEver(ctx context.Context) (sum int64, err error) {
	totals, err := f.a.Events.StatusTotals(ctx, "")
	for _, n := range totals {
		sum += n
	}
	return sum, err
}

func (f figures) deadLetters(ctx context.Context) (sum int64, err error) {
	letters, err := f.a.Events.CountDeadLetters(ctx, clickhouse.DeadLetterFilter{})
	for _, n := range letters {
		sum += n
	}
	return sum, err
}
