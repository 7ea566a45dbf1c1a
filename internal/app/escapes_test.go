package app

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/keys"
)

// A gateway that does not say who calls serves the quarantined client on. The log shows it, and the key is suspended.
func TestAQuarantineThatDoesNotHoldBecomesASuspension(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	db, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	defer db.Close()
	pepper, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	require.NoError(t, err)
	store, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper, Now: clock})
	require.NoError(t, err)
	verifier, err := keys.NewVerifier(store, keys.VerifierConfig{Bound: time.Hour, Poll: time.Minute})
	require.NoError(t, err)
	require.NoError(t, verifier.Load(ctx))
	alertStore := alerts.NewStore(db, alerts.Config{Audit: store.Audit(), Now: clock})
	e := newEscapes(&App{Log: slog.New(slog.DiscardHandler), Verifier: verifier, Keys: store, Alerts: alertStore, now: clock})
	done := make(chan error, 1)
	go func() { done <- e.run(ctx) }()

	quarantined := func(alertID string) string {
		k, _, err := store.Issue(ctx, keys.New{}, keys.By{Actor: "user:ada"})
		require.NoError(t, err)
		_, _, err = store.Quarantine(ctx, k.ID, []keys.Denied{{Kind: keys.DenyASN, Value: "9009", Agent: "curl", Until: now.Add(24 * time.Hour)}},
			keys.By{Actor: detectorActor, AlertID: alertID})
		require.NoError(t, err)
		return k.ID
	}
	raised, err := alertStore.Raise(ctx, alerts.Finding{KeyID: "k", Severity: alerts.High, Title: "stolen", By: detectorActor, EventTime: now})
	require.NoError(t, err)
	escaped, byHand := quarantined(raised.Alert.ID), quarantined("")
	status := func(id string) keys.Status {
		k, err := store.Get(ctx, id)
		require.NoError(t, err)
		return k.Status
	}
	log := func(id string, n int, at time.Duration, agent string, status uint16) {
		var b usage.Batch
		for range n {
			b.Append(&usage.Record{
				TimeMillis: now.Add(at).UnixMilli(), KeyID: id, Agent: agent, ASN: 9009, Status: status, ClientIP: netip.MustParseAddr("203.0.113.7"),
			})
		}
		e.Observe("t", 0, &b)
	}
	log(escaped, 100, 5*time.Second, "curl", 200)   // under way when it was quarantined
	log(escaped, 100, time.Minute, "acme-app", 200) // the customer in the same network
	log(escaped, 100, time.Minute, "", 200)         // nobody knows
	log(escaped, 100, time.Minute, "curl", 403)     // refused, as it should be
	log(byHand, 100, time.Minute, "curl", 200)      // what a person does a person answers for
	log(escaped, escapeCalls-1, time.Minute, "curl", 200)
	require.Never(t, func() bool { return status(escaped) != keys.Active || status(byHand) != keys.Active }, 100*time.Millisecond, 20*time.Millisecond)
	log(escaped, 1, time.Minute, "curl", 404)
	require.Eventually(t, func() bool { return status(escaped) == keys.Suspended }, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, keys.Active, status(byHand))
	require.Eventually(t, func() bool {
		line, err := alertStore.Timeline(ctx, raised.Alert.ID)
		return err == nil && strings.Contains(line[len(line)-1].Text, "does not tell verify who calls")
	}, 30*time.Second, 10*time.Millisecond)
	k, _, err := store.Reinstate(ctx, escaped, keys.By{Actor: "user:ada", AlertID: raised.Alert.ID})
	require.NoError(t, err)
	require.Equal(t, keys.Active, k.Status)
	require.Empty(t, k.Quarantine, "one undoing takes both back")
	require.False(t, verifier.Denies(escaped))
	require.True(t, verifier.DeniesAny())
	cancel()
	require.NoError(t, <-done)
}
