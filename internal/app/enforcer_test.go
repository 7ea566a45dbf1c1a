package app

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/budget"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
)

// An alarm on rate() misses the first decision of a series that was not there before it.
func TestEveryActionIsCountedFromZero(t *testing.T) {
	decided := newDecided()
	for _, action := range []string{"observe", "flag", "throttle", "quarantine", "suspend"} {
		require.Zero(t, testutil.ToFloat64(decided.WithLabelValues(action)))
	}
	require.Equal(t, 5, testutil.CollectAndCount(newDecided()))
}

// enforcing returns an enforcer over real stores, with one key, while it carries out what it is given.
func enforcing(t *testing.T) (e *enforcer, keyID string) {
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "test.db"), budget.Migrations())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	pepper, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	require.NoError(t, err)
	store, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper})
	require.NoError(t, err)
	verifier, err := keys.NewVerifier(store, keys.VerifierConfig{Bound: time.Hour, Poll: time.Minute})
	require.NoError(t, err)
	require.NoError(t, verifier.Load(ctx))
	issued, _, err := store.Issue(ctx, keys.New{AccountID: "acct_a"}, keys.By{Actor: "user:ada"})
	require.NoError(t, err)
	e = &enforcer{
		log: slog.New(slog.DiscardHandler), alerts: alerts.NewStore(db, alerts.Config{Audit: store.Audit()}), keys: store, verifier: verifier,
		events: api.NewEvents(0, time.Now), network: func(uint32) string { return "" }, budget: budget.New(db, time.Now),
		caps: func() detect.Caps { return detect.DefaultPolicies().Caps }, refused: func(string, string, time.Time) {}, now: time.Now,
		queue: make(chan detect.Decision, 10), decided: newDecided(), dropped: prometheus.NewCounter(prometheus.CounterOpts{}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{}),
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return e, issued.ID
}

func decisionAbout(keyID string, action detect.Action, family detect.Family) detect.Decision {
	return detect.Decision{
		TimeMillis: time.Now().UnixMilli(), KeyID: keyID, Action: action, Wanted: action, EpisodeID: "ep_" + family.String(), PolicyID: "default", Reason: "for the test",
		Actor: detect.Actor{ASN: 9009, Agent: "curl", Addresses: []string{"203.0.113.9"}}, Evidence: []detect.Evidence{{Family: family, Detector: "test", Sentence: "for the test"}},
	}
}

// Whoever guesses keys needs none for it: an alert about them has no key, and must not hold up what follows.
func TestAGuesserIsAnAlertAndHoldsUpNoSuspension(t *testing.T) {
	e, key := enforcing(t)
	e.take(decisionAbout("", detect.ActionFlag, detect.FamilyGuessing))
	e.take(decisionAbout(key, detect.ActionSuspend, detect.FamilyEnumeration))
	require.Eventually(t, func() bool {
		k, err := e.keys.Get(t.Context(), key)
		return err == nil && k.Status == keys.Suspended
	}, 20*time.Second, 10*time.Millisecond)
	list, _, err := e.alerts.List(t.Context(), alerts.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 2)
	guesser := list[1]
	require.Equal(t, "", guesser.KeyID)
	require.Equal(t, "Somebody is guessing keys", guesser.Title)
	require.Equal(t, alerts.Medium, guesser.Severity)
	_, judged := verdictOf(&alerts.Alert{Episode: guesser.Episode, Actor: guesser.Actor, Verdict: alerts.Dismissed})
	require.False(t, judged, "no key can be taught")
}

// What the alert store does not take now it never takes: it is given up and told of at once, since suspensions wait behind it.
func TestADecisionThatCannotBeToldHoldsUpNoSuspension(t *testing.T) {
	e, key := enforcing(t)
	broken := decisionAbout("", detect.ActionFlag, detect.FamilyGuessing)
	broken.EpisodeID = ""
	e.take(broken)
	e.take(decisionAbout(key, detect.ActionSuspend, detect.FamilyEnumeration))
	require.Eventually(t, func() bool {
		k, err := e.keys.Get(t.Context(), key)
		return err == nil && k.Status == keys.Suspended
	}, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 1, testutil.ToFloat64(e.dropped))
	list, _, err := e.alerts.List(t.Context(), alerts.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// A database that goes away between the suspension and its note must not leave a suspended key whose alert says nothing of it.
func TestASuspensionIsNotedAlsoWhenTheDatabaseWasAwayInBetween(t *testing.T) {
	e, key := enforcing(t)
	exec := func(query string) {
		require.NoError(t, e.keys.DB().WithTx(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), query)
			return err
		}))
	}
	exec(`CREATE TRIGGER away BEFORE INSERT ON alert_events WHEN NEW.kind = 'action' BEGIN SELECT RAISE(ABORT, 'away'); END`)
	e.take(decisionAbout(key, detect.ActionSuspend, detect.FamilyEnumeration))
	require.Eventually(t, func() bool {
		k, err := e.keys.Get(t.Context(), key)
		return err == nil && k.Status == keys.Suspended
	}, 20*time.Second, 10*time.Millisecond)
	exec(`DROP TRIGGER away`)
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		list, _, err := e.alerts.List(t.Context(), alerts.Filter{})
		require.NoError(ct, err)
		require.Len(ct, list, 1)
		require.Equal(ct, alerts.Suspend, list[0].Action)
		line, err := e.alerts.Timeline(t.Context(), list[0].ID)
		require.NoError(ct, err)
		require.Equal(ct, "suspended", line[len(line)-1].Text)
	}, 10*time.Second, 10*time.Millisecond)
}

// What is decided is done, or not done and said why; the alert and its timeline tell either.
func TestWhatIsDecidedIsDoneOrSaidWhyNot(t *testing.T) {
	thief := detect.Actor{ASN: 9009, Agent: "curl", Separable: true, NewNetwork: true, Addresses: []string{"203.0.113.9"}}
	for name, c := range map[string]struct {
		action  detect.Action
		prepare func(t *testing.T, e *enforcer, key string, d *detect.Decision)
		want    string                      // the last entry of the timeline
		is      func(k *keys.Key) (ok bool) // how the key is left
	}{
		"suspended": {detect.ActionSuspend, nil, "suspended", func(k *keys.Key) bool { return k.Status == keys.Suspended && k.SuspendedUntil.IsZero() }},
		"for a while": {
			detect.ActionSuspend, func(_ *testing.T, _ *enforcer, _ string, d *detect.Decision) { d.TTLMillis = 3600e3 },
			"suspended until ", func(k *keys.Key) bool {
				return k.Status == keys.Suspended && time.Until(k.SuspendedUntil) > 59*time.Minute
			},
		},
		"quarantined": {detect.ActionQuarantine, nil, "quarantined for curl in AS9009", func(k *keys.Key) bool { return k.Status == keys.Active && len(k.Quarantine) == 1 }},
		"quarantined, but the thief is the customer's twin": {
			detect.ActionQuarantine, func(_ *testing.T, _ *enforcer, _ string, d *detect.Decision) {
				d.Actor.Separable, d.Actor.NewNetwork = false, false
			},
			"instead of quarantined", func(k *keys.Key) bool { return k.Status == keys.Suspended },
		},
		"throttled": {
			detect.ActionThrottle, func(_ *testing.T, e *enforcer, _ string, _ *detect.Decision) { e.throttle = 7 },
			"throttled", func(k *keys.Key) bool {
				return k.Status == keys.Active && k.Throttle != nil && k.Throttle.PerMinute == 7
			},
		},
		"--mode observe": {
			detect.ActionSuspend, func(_ *testing.T, e *enforcer, _ string, _ *detect.Decision) { e.observe = true },
			"would have been suspended: mode is observe", func(k *keys.Key) bool { return k.Status == keys.Active },
		},
		"--mode observe, throttle": {
			detect.ActionThrottle, func(_ *testing.T, e *enforcer, _ string, _ *detect.Decision) { e.observe = true },
			"would have been throttled: mode is observe", func(k *keys.Key) bool { return k.Status == keys.Active && k.Throttle == nil },
		},
		"long ago": {
			detect.ActionSuspend, func(_ *testing.T, _ *enforcer, _ string, d *detect.Decision) { d.TimeMillis -= 16 * 60e3 },
			"would have been suspended: it happened more than 15m0s ago", func(k *keys.Key) bool { return k.Status == keys.Active },
		},
		"revoked meanwhile": {
			detect.ActionSuspend, func(t *testing.T, e *enforcer, key string, _ *detect.Decision) {
				_, _, err := e.keys.Revoke(t.Context(), key, keys.By{Actor: "user:ada"})
				require.NoError(t, err)
			},
			"would have been suspended: the key is revoked already", func(k *keys.Key) bool { return k.Status == keys.Revoked },
		},
		"held back by the policy": {
			detect.ActionSuspend, func(_ *testing.T, _ *enforcer, _ string, d *detect.Decision) {
				d.Action, d.Held = detect.ActionFlag, "maintenance: test"
			},
			"would have been suspended: maintenance: test", func(k *keys.Key) bool { return k.Status == keys.Active },
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, key := enforcing(t)
			d := decisionAbout(key, c.action, detect.FamilyEnumeration)
			d.Actor = thief
			if c.prepare != nil {
				c.prepare(t, e, key, &d)
			}
			e.take(d)
			require.EventuallyWithT(t, func(ct *assert.CollectT) {
				list, _, err := e.alerts.List(t.Context(), alerts.Filter{})
				require.NoError(ct, err)
				require.Len(ct, list, 1)
				line, err := e.alerts.Timeline(t.Context(), list[0].ID)
				require.NoError(ct, err)
				require.Contains(ct, line[len(line)-1].Text, c.want)
			}, 10*time.Second, 10*time.Millisecond)
			k, err := e.keys.Get(t.Context(), key)
			require.NoError(t, err)
			require.True(t, c.is(&k), "%+v", k)
		})
	}
}
