package app

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
)

// verdictOf translates what people said about an alert; ok is false when nobody said that it was or was no abuse, and when it is about no key.
func verdictOf(a *alerts.Alert) (fb detect.Feedback, ok bool) {
	fb = detect.Feedback{KeyID: a.KeyID, EpisodeID: a.Episode, TimeMillis: a.ClosedAt.UnixMilli()}
	if err := json.Unmarshal(a.Actor, &fb.Actor); err != nil {
		fb.Actor = detect.Actor{} // an alert of another making: the episode alone tells
	}
	if a.KeyID == "" {
		return fb, false
	}
	switch a.Verdict {
	case alerts.Confirmed:
		fb.Verdict = detect.Confirmed
	case alerts.Dismissed:
		fb.Verdict = detect.Dismissed
	default:
		return fb, false
	}
	return fb, true
}

// teach brings a verdict to the engine that watches its key. An engine that has not met the key yet learns it with the key's
// history.
func (d *detection) teach(fb detect.Feedback, alertID string) {
	for _, w := range d.judged() {
		if w.teach(fb) {
			d.log.Info("detection learnt a verdict", "key", fb.KeyID, "alert", alertID, "dismissed", fb.Verdict == detect.Dismissed)
		}
	}
}

// teach says whether the engine learnt the verdict now.
func (w *watch) teach(fb detect.Feedback) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.taught[fb.KeyID]
	if slices.ContainsFunc(known, func(k detect.Feedback) bool { return k.EpisodeID == fb.EpisodeID && k.TimeMillis == fb.TimeMillis }) {
		return false // it was in the store when the partition came
	}
	w.taught[fb.KeyID] = append(known, fb)
	return w.engine.Feedback(fb) == nil
}

// judged returns all watches, and lets those that are about to come know that there is a verdict to be read.
func (d *detection) judged() []*watch {
	d.mu.Lock()
	d.given++
	d.mu.Unlock()
	return d.all()
}

// unteach takes back what a reopened alert had taught about its key: the engines forget the key, and with its next record read its history,
// and the verdicts that are left.
func (d *detection) unteach(ctx context.Context, fb detect.Feedback, alertID string) {
	keyID := fb.KeyID
	left, err := d.verdicts(ctx, alerts.Filter{KeyID: keyID})
	if err != nil {
		d.log.Warn("a reopened alert is not known to the detection before its next start", "key", keyID, "alert", alertID, "err", err)
		return
	}
	for _, w := range d.judged() {
		w.mu.Lock()
		w.taught[keyID] = left[keyID]
		if w.engine.Forget(keyID) {
			w.history = true // what it has learnt is stored, but for what is on its way
			w.reopened[keyID] = true
			d.log.Info("detection took a verdict back", "key", keyID, "alert", alertID)
		}
		w.mu.Unlock()
	}
}

// learn brings people's verdicts to the engines as they are given, here or by another process, until ctx ends.
func (d *detection) learn(ctx context.Context) error {
	sub := d.alerts.Subscribe(1024)
	defer sub.Close()
	learnt := map[string]int64{} // by alert, when the verdict was given: a comment on the alert is not a second verdict
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
			id := e.Value.Alert.ID
			if _, was := learnt[id]; !ok && was || e.Value.Kind == "reopened" { // without a kind when another process did it
				delete(learnt, id)
				d.unteach(ctx, fb, id)
				continue
			}
			if !ok || learnt[id] == fb.TimeMillis {
				continue
			}
			if len(learnt) >= 10_000 {
				clear(learnt)
			}
			learnt[id] = fb.TimeMillis
			d.teach(fb, id)
		}
	}
}

// verdicts reads those of the time that history covers, by key.
func (d *detection) verdicts(ctx context.Context, f alerts.Filter) (map[string][]detect.Feedback, error) {
	out := map[string][]detect.Feedback{}
	f.Judged, f.Since, f.Limit = true, d.now().AddDate(0, 0, -historyDays), 200
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
