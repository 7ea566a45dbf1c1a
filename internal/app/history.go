package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/detect/replay"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/config"
	"github.com/tollkeeper/tollkeeper/keys"
)

// OpenHistory opens what a backtest of past traffic reads: the events in ClickHouse, and what the stores say of keys and
// alerts. Where the events are in a ClickHouse of their own, a server may be running on the same data folder; the embedded
// engine serves one process at a time. Stop it after use.
func OpenHistory(ctx context.Context, c config.Config, log *slog.Logger) (_ *App, err error) {
	a := &App{Log: log, Registry: prometheus.NewRegistry(), cfg: c, now: time.Now, tool: true, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, a.Stop(stop))
		}
	}()
	steps := []func(context.Context) error{a.openStores, a.openEvents}
	if c.ClickHouse == "" {
		steps = append([]func(context.Context) error{a.openFolder}, steps...)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Attributes tells what policies may ask about a key, from memory.
func (a *App) Attributes(id string) detect.KeyAttributes {
	info, _ := a.Verifier.KeyInfo(id)
	return detect.KeyAttributes{Account: info.AccountID, Plan: info.PlanID, Environment: string(info.Environment), Tags: info.Tags}
}

// KeyName is what people call a key; "" when nobody named it.
func (a *App) KeyName(ctx context.Context, id string) (string, error) {
	k, err := a.Keys.Get(ctx, id)
	if errors.Is(err, keys.ErrNotFound) {
		return "", nil
	}
	return k.Name, err
}

// Labels is what people said about past alerts, as labels of the traffic: a confirmed alert is an episode that must be
// found, and suspended where it was suspended or should have been; a dismissed one is benign.
func (a *App) Labels(ctx context.Context, since, until time.Time) ([]replay.Label, error) {
	f := alerts.Filter{Judged: true, Limit: 200}
	var out []replay.Label
	for {
		list, next, err := a.Alerts.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if l, ok := labelOf(&list[i]); ok && l.End.After(since) && (until.IsZero() || l.Start.Before(until)) {
				out = append(out, l)
			}
		}
		if f.Cursor = next; next == "" {
			return out, nil
		}
	}
}

func labelOf(a *alerts.Alert) (replay.Label, bool) {
	var actor struct {
		Since int64 `json:"since_millis"`
	}
	var found struct {
		Evidence []struct{ Family string }
	}
	if json.Unmarshal(a.Actor, &actor) != nil || a.KeyID == "" {
		return replay.Label{}, false
	}
	l := replay.Label{KeyID: a.KeyID, Family: "alert", Start: a.EventTime, End: a.EventTime.Add(time.Minute), Expect: replay.ExpectBenign}
	if json.Unmarshal(a.Evidence, &found) == nil && len(found.Evidence) > 0 {
		l.Family = found.Evidence[0].Family
	}
	if since := time.UnixMilli(actor.Since).UTC(); actor.Since > 0 && since.Before(l.Start) {
		l.Start = since
	}
	if a.EndedAt.After(l.End) {
		l.End = a.EndedAt
	}
	if a.Verdict == alerts.Confirmed {
		l.Expect = replay.ExpectFlag
		if a.Severity == alerts.High || a.Severity == alerts.Critical {
			l.Expect = replay.ExpectSuspend
		}
	}
	return l, true
}

// ErrNoHistory says that there is nothing to replay.
var ErrNoHistory = errors.New("there are no events in ClickHouse in that time: run 'tollkeeper serve' or 'tollkeeper import' first, or choose another --since and --until")
