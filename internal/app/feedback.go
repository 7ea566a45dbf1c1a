package app

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
)

// verdictOf translates an alert's status; ok is false for one that says nothing about abuse.
func verdictOf(a *alerts.Alert) (fb detect.Feedback, ok bool) {
	fb = detect.Feedback{KeyID: a.KeyID, EpisodeID: a.Episode, TimeMillis: a.ClosedAt.UnixMilli()}
	switch a.Status {
	case alerts.Confirmed:
		fb.Verdict = detect.Confirmed
	case alerts.Dismissed:
		fb.Verdict = detect.Dismissed
	default:
		return fb, false
	}
	return fb, true
}

// learn brings people's verdicts to the engines as they are given, here or by another process, until ctx ends.
func (d *detection) learn(ctx context.Context) error {
	sub := d.alerts.Subscribe(1024)
	defer sub.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-sub.C():
			if !ok {
				return nil
			}
			if e.Resync {
				continue // a verdict that is missed here is learnt when the partition next starts
			}
			fb, ok := verdictOf(&e.Value.Alert)
			if !ok {
				continue
			}
			for _, w := range d.all() {
				w.mu.Lock()
				err := w.engine.Feedback(fb)
				w.mu.Unlock()
				if err == nil {
					d.log.Info("detection learnt a verdict", "key", fb.KeyID, "alert", e.Value.Alert.ID, "verdict", string(e.Value.Alert.Status))
				}
			}
		}
	}
}

// verdicts reads those of the time that history covers, by key.
func (d *detection) verdicts(ctx context.Context) (map[string][]detect.Feedback, error) {
	out := map[string][]detect.Feedback{}
	f := alerts.Filter{
		Statuses: []alerts.Status{alerts.Confirmed, alerts.Dismissed}, Since: d.now().AddDate(0, 0, -historyDays), Limit: 200,
	}
	for {
		list, next, err := d.alerts.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if fb, ok := verdictOf(&list[i]); ok {
				out[fb.KeyID] = append(out[fb.KeyID], fb)
			}
		}
		if f.Cursor = next; next == "" {
			return out, nil
		}
	}
}

// reloadPolicies reads the policy file again when it changes, until ctx ends. A file that is not valid leaves the policies as
// they are and says so.
func (a *App) reloadPolicies(ctx context.Context) error {
	if a.cfg.Policy == "" {
		<-ctx.Done()
		return nil
	}
	stamp := func() (t time.Time) {
		if info, err := os.Stat(a.cfg.Policy); err == nil {
			t = info.ModTime()
		}
		return t
	}
	last := stamp()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := stamp()
		if now.IsZero() || now.Equal(last) {
			continue
		}
		last = now
		p, err := loadPolicies(a.cfg.Policy)
		if err != nil {
			a.Log.Error("the changed policy file is not valid; the policies stay as they were", "err", errors.Unwrap(err))
			continue
		}
		a.detection.setPolicies(p)
		a.Log.Info("policies changed", "file", a.cfg.Policy, "version", p.Version)
	}
}

// caps are those of the policies in force.
func (d *detection) caps() detect.Caps {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cfg.Policies == nil {
		return detect.DefaultPolicies().Caps
	}
	return d.cfg.Policies.Caps
}

// refused tells the engines that a decision was not carried out.
func (d *detection) refused(keyID, episodeID string, again time.Time) {
	for _, w := range d.all() {
		w.mu.Lock()
		w.engine.Refused(keyID, episodeID, again.UnixMilli())
		w.mu.Unlock()
	}
}

func (d *detection) setPolicies(p *detect.Policies) {
	d.mu.Lock()
	d.cfg.Policies = p
	d.mu.Unlock()
	for _, w := range d.all() {
		w.mu.Lock()
		w.engine.SetPolicies(p)
		w.mu.Unlock()
	}
}
