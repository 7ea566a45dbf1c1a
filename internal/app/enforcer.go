package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/budget"
	"github.com/tollkeeper/tollkeeper/keys"
)

// staleAfter is how old a decision may be, by event time, to act on a key: what an import or a long lag brings to light is
// an alert for people, not a reason to switch off a key that may have changed hands since.
const staleAfter = 15 * time.Minute

// detectorActor signs what detection does.
const detectorActor = "detector:abuse"

// enforcer turns decisions into alerts and into suspensions, in order, and never holds up ingest: up to enforcerQueue
// decisions wait while a database is away, further ones are counted as dropped and logged.
type enforcer struct {
	log      *slog.Logger
	alerts   *alerts.Store
	keys     *keys.Store
	verifier *keys.Verifier
	events   *api.Events
	network  func(asn uint32) string
	budget   *budget.Store
	caps     func() detect.Caps                             // of the policies in force
	refused  func(keyID, episodeID string, again time.Time) // tells detection
	now      func() time.Time
	observe  bool  // record only
	throttle int64 // requests per minute of a throttled key
	queue    chan detect.Decision
	decided  *prometheus.CounterVec
	dropped  prometheus.Counter
	delay    prometheus.Histogram
}

const enforcerQueue = 10_000

func newEnforcer(a *App) *enforcer {
	e := &enforcer{
		log: a.Log, alerts: a.Alerts, keys: a.Keys, verifier: a.Verifier, events: a.liveEvents, network: a.Enricher.Network, now: a.now,
		budget:  budget.New(a.SQL, a.now),
		observe: a.cfg.Mode == "observe", throttle: int64(a.cfg.ThrottlePerMinute), queue: make(chan detect.Decision, enforcerQueue),
		decided: newDecided(),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollkeeper_detect_decisions_dropped_total", Help: "Decisions dropped because the key store was away for too long.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tollkeeper_detect_suspension_delay_seconds", Help: "From the deciding record's event time to the suspension in force.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60},
		}),
	}
	a.Registry.MustRegister(e.decided, e.dropped, e.delay)
	return e
}

// newDecided counts decisions by what was done. Every action has its zero from the start: rate() misses the first of a series that comes
// with it.
func newDecided() *prometheus.CounterVec {
	decided := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tollkeeper_detect_decisions_total", Help: "Decisions about keys by what was done.",
	}, []string{"action"})
	for action := detect.ActionObserve; action <= detect.ActionSuspend; action++ {
		decided.WithLabelValues(action.String())
	}
	return decided
}

// take accepts a decision without blocking.
func (e *enforcer) take(d detect.Decision) {
	select {
	case e.queue <- d:
	default:
		e.dropped.Inc()
		e.log.Error("a decision was dropped: the key store has been away for too long", "key", d.KeyID, "action", d.Action.String())
	}
}

// run carries decisions out until ctx ends.
func (e *enforcer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-e.queue:
			err := e.insist(ctx, d.KeyID, func() error { return e.carryOut(ctx, d) })
			if err != nil && ctx.Err() == nil {
				e.dropped.Inc()
				e.log.Error("a decision could not be carried out", "key", d.KeyID, "action", d.Action.String(), "err", err)
			}
		}
	}
}

// insist repeats what a database that is away makes fail, for some minutes.
func (e *enforcer) insist(ctx context.Context, keyID string, do func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := do()
		if errors.Is(err, alerts.ErrInput) || errors.Is(err, alerts.ErrNotFound) { // it stays what it is, and others wait
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	},
		backoff.WithMaxElapsedTime(5*time.Minute), backoff.WithNotify(func(err error, wait time.Duration) {
			e.log.Warn("a decision waits for the key store", "key", keyID, "wait", wait, "err", err)
		}))
	return err
}

func (e *enforcer) carryOut(ctx context.Context, d detect.Decision) error {
	info, known := e.verifier.KeyInfo(d.KeyID)
	if !known && d.KeyID != "" && keys.Observable(d.KeyID) {
		if _, err := e.verifier.Observe(ctx, []string{d.KeyID}); err != nil {
			return err
		}
		info, known = e.verifier.KeyInfo(d.KeyID)
	}
	at := time.UnixMilli(d.TimeMillis).UTC()
	action, held := d.Action, d.Held
	ask := false
	switch {
	case action <= detect.ActionFlag:
	case e.observe:
		action, held = detect.ActionFlag, "mode is observe"
	case e.now().Sub(at) > staleAfter:
		action, held = detect.ActionFlag, "it happened more than "+staleAfter.String()+" ago"
	case !known:
		action, held = detect.ActionFlag, "the key is not in the key store"
	case info.Status != keys.Active:
		action, held = detect.ActionFlag, "the key is "+string(info.Status)+" already"
	default:
		ask = true
	}
	if err := e.spend(ctx, &d, ask, &action, &held); err != nil {
		return err
	}
	raised, err := e.alerts.Raise(ctx, e.finding(d, action, info.AccountID, at))
	if err != nil {
		return err
	}
	id := raised.Alert.ID
	if raised.Opened {
		e.publish("alert.opened", d, id, info.AccountID, d.Reason)
	}
	e.decided.WithLabelValues(action.String()).Inc()
	if held != "" && d.Wanted > action {
		if !raised.Duplicate && d.Phase <= detect.PhaseEscalated {
			_, err = e.alerts.RecordAction(ctx, id, alerts.Flag, fmt.Sprintf("would have been %s: %s", past(d.Wanted), held), nil, alerts.By{Actor: detectorActor})
		}
		return err
	}
	return e.act(ctx, d, action, id, info.AccountID, at)
}

// findingID is the same when a decision is told again.
func findingID(d *detect.Decision) string {
	return fmt.Sprintf("%s/%s/%d/%s", d.KeyID, d.EpisodeID, d.TimeMillis, d.Wanted)
}

// spend asks the budget that all processes share. What it refuses becomes a flag, or an alert that disturbs nobody, and
// detection is told, so that the matter comes up again if it goes on.
func (e *enforcer) spend(ctx context.Context, d *detect.Decision, ask bool, action *detect.Action, held *string) error {
	var why string
	var err error
	switch {
	case ask && *action >= detect.ActionQuarantine:
		if why, err = e.overCap(ctx, d); err != nil || why == "" {
			return err
		}
		*action, *held = detect.ActionFlag, why
		e.refused(d.KeyID, d.EpisodeID, e.now().Add(refusedFor))
	case *action == detect.ActionFlag && d.Phase == detect.PhaseOpened && d.Wanted == detect.ActionFlag && e.caps().FlagsPerDay > 0:
		if why, err = e.budget.Flag(ctx, findingID(d), d.KeyID, e.caps()); err != nil || why == "" {
			return err
		}
		*action, *held = detect.ActionObserve, why
	}
	return nil
}

// overCap says which cap speaks against a suspension; "" if none does, and then it is counted.
func (e *enforcer) overCap(ctx context.Context, d *detect.Decision) (string, error) {
	caps := e.caps()
	if most := caps.FalseSuspensionsPerMonth; most > 0 {
		n, err := e.alerts.FalseActions(ctx, e.now().AddDate(0, 0, -30))
		if err != nil {
			return "", err
		}
		if n >= most {
			return fmt.Sprintf("%d suspensions of the last 30 days were dismissed as false, and %d are the cap", n, most), nil
		}
	}
	return e.budget.Suspend(ctx, findingID(d), d.KeyID, caps, e.verifier.Count())
}

// refusedFor is how long a suspension that a cap refused is not asked for again.
const refusedFor = time.Hour

// act changes the key, notes it on the alert and tells the live feed.
func (e *enforcer) act(ctx context.Context, d detect.Decision, action detect.Action, alertID, account string, at time.Time) error {
	by := keys.By{Actor: detectorActor, Reason: d.Reason, AlertID: alertID}
	var until time.Time
	if d.TTLMillis > 0 {
		until = e.now().Add(time.Duration(d.TTLMillis) * time.Millisecond).UTC()
	}
	what, why := "", ""
	var changed bool
	var err error
	if action == detect.ActionQuarantine {
		if action, why, err = e.quarantineOrSuspend(ctx, &d); err != nil {
			return err
		}
	}
	switch action {
	case detect.ActionSuspend:
		_, changed, err = e.keys.Suspend(ctx, d.KeyID, until, by)
	case detect.ActionThrottle:
		_, changed, err = e.keys.Throttle(ctx, d.KeyID, e.throttle, until, by)
	case detect.ActionQuarantine:
		denied := e.denials(&d, until, alertID)
		what = " for " + describe(denied[0])
		_, changed, err = e.keys.Quarantine(ctx, d.KeyID, denied, by)
	default:
		return nil
	}
	if err != nil || !changed {
		return err
	}
	e.delay.Observe(e.now().Sub(at).Seconds())
	what = past(action) + what
	if !until.IsZero() {
		what += " until " + until.Format(time.RFC3339)
	}
	if why != "" {
		what += " instead of quarantined: " + why
	}
	name := map[detect.Action]alerts.Action{detect.ActionSuspend: alerts.Suspend, detect.ActionThrottle: alerts.Throttle, detect.ActionQuarantine: alerts.Quarantine}[action]
	// By itself: a decision that is carried out anew finds the key changed already, and would not say that it was the one.
	if err := e.insist(ctx, d.KeyID, func() error {
		_, err := e.alerts.RecordAction(ctx, alertID, name, what, nil, alerts.By{Actor: detectorActor, Reason: d.Reason})
		return err
	}); err != nil {
		return err
	}
	e.publish("key."+past(action), d, alertID, account, fmt.Sprintf("%s %s: %s", d.KeyID, what, d.Reason))
	return nil
}

func past(a detect.Action) string {
	switch a {
	case detect.ActionSuspend:
		return "suspended"
	case detect.ActionQuarantine:
		return "quarantined"
	case detect.ActionThrottle:
		return "throttled"
	default:
		return "flagged"
	}
}

func (e *enforcer) publish(kind string, d detect.Decision, alertID, account, text string) {
	severity := gen.Severity(severityOf(d.Wanted, detect.ActionFlag))
	e.events.Publish(gen.Event{Type: kind, KeyId: d.KeyID, AlertId: alertID, AccountId: account, Severity: severity, Text: text, At: e.now().UTC()})
}

// severityOf goes by what was wanted: what a policy, a cap or the mode holds back is no less bad. An alert beyond the number
// that people want to see in a day is low.
func severityOf(wanted, done detect.Action) alerts.Severity {
	switch {
	case wanted >= detect.ActionQuarantine:
		return alerts.High
	case done >= detect.ActionFlag:
		return alerts.Medium
	default:
		return alerts.Low
	}
}

// finding is the decision in the alert store's words. Its id makes telling it twice harmless.
func (e *enforcer) finding(d detect.Decision, action detect.Action, account string, at time.Time) alerts.Finding {
	evidence := make([]gen.Evidence, 0, len(d.Evidence))
	var families []string
	for _, v := range d.Evidence {
		evidence = append(evidence, gen.Evidence{
			Family: v.Family.String(), Detector: v.Detector, Sentence: v.Sentence, Observed: finite(v.Observed),
			Expected: finite(v.Expected), Low: finite(v.Low), High: finite(v.High), PValue: finite(v.PValue),
			WindowSeconds: v.WindowSeconds,
		})
		if !slices.Contains(families, v.Family.String()) {
			families = append(families, v.Family.String())
		}
	}
	// Strings and finite numbers always encode.
	evidenceJSON, _ := json.Marshal(struct {
		Evidence []gen.Evidence         `json:"evidence"`
		Examples []detect.ExampleRecord `json:"examples,omitempty"`
		Usual    *detect.Usual          `json:"usual,omitempty"`
	}{evidence, d.Examples, e.named(d.Usual)})
	actorJSON, _ := json.Marshal(struct {
		detect.Actor
		Operator string `json:"operator,omitempty"`
	}{d.Actor, e.network(d.Actor.ASN)})
	f := alerts.Finding{
		ID: findingID(&d), KeyID: d.KeyID, AccountID: account,
		Episode: d.EpisodeID, Severity: severityOf(d.Wanted, action), Title: title(d), Sentence: d.Reason, PolicyID: d.PolicyID, PolicyRevision: d.PolicyRevision,
		Evidence: evidenceJSON, Actor: actorJSON, EventTime: at, By: detectorActor, Families: families, Action: alerts.Observe, Ended: d.Phase == detect.PhaseEnded,
	}
	if action >= detect.ActionFlag {
		f.Action = alerts.Flag
	}
	if d.Actor.ASN != 0 {
		f.ASNs = []uint32{d.Actor.ASN}
	}
	if d.Actor.Agent != "" {
		f.Agents = []string{d.Actor.Agent}
	}
	return f
}

// named is what is usual with the names of the networks' operators.
func (e *enforcer) named(u *detect.Usual) *detect.Usual {
	if u == nil {
		return nil
	}
	out := *u
	out.Networks.Most = slices.Clone(u.Networks.Most)
	for i := range out.Networks.Most {
		if n := &out.Networks.Most[i]; n.ASN != 0 {
			n.Name = strings.TrimSpace(n.Name + " " + e.network(n.ASN))
		}
	}
	return &out
}

// finite leaves out numbers that JSON has no form for.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func title(d detect.Decision) string {
	switch {
	case d.KeyID == "":
		return "Somebody is guessing keys"
	case d.Wanted >= detect.ActionQuarantine:
		return "The key is being abused"
	default:
		return "The key is used in an unusual way"
	}
}
