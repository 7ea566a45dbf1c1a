package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/clickhouse"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/usage"
	"github.com/tollkeeper/tollkeeper/keys"
)

// warmRig is detection over a real engine, one partition of it, at a time that the test sets.
type warmRig struct {
	*detection
	t       *testing.T
	clock   atomic.Int64
	decided []detect.Decision
	offset  int64
}

func newWarmRig(t *testing.T) *warmRig {
	ctx := t.Context()
	executable, err := os.Executable()
	require.NoError(t, err)
	events, err := clickhouse.Open(ctx, clickhouse.Config{DataDir: t.TempDir(), Executable: executable})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, events.Close()) })
	db, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	pepper, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	require.NoError(t, err)
	r := &warmRig{t: t}
	now := func() time.Time { return time.UnixMilli(r.clock.Load()).UTC() }
	store, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper, Now: now})
	require.NoError(t, err)
	r.detection = &detection{
		log: slog.New(slog.DiscardHandler), events: events, alerts: alerts.NewStore(db, alerts.Config{Audit: store.Audit(), Now: now}), now: now,
		decided: func(d detect.Decision) { r.decided = append(r.decided, d) }, partitions: map[partitionID]*watch{}, figures: newRemembered(prometheus.NewRegistry()),
	}
	return r
}

// store puts records where ingest does.
func (r *warmRig) store(b *usage.Batch) {
	r.t.Helper()
	for i := range b.Offset {
		b.Offset[i] = r.offset + int64(i)
	}
	span := usage.Span{Topic: "logs", From: r.offset, To: r.offset + int64(b.Len()), Day: int32(slices.Max(b.TimeMillis) / 86400e3), Epoch: "e"}
	require.NoError(r.t, r.events.InsertEvents(r.t.Context(), span, b))
	r.offset = span.To
}

// customer calls ten times an hour for that many days from two addresses, with the same objects.
func customer(from time.Time, days int) *usage.Batch {
	b := &usage.Batch{}
	for i := range days * 240 {
		b.Append(&usage.Record{
			TimeMillis: from.Add(time.Duration(i) * 6 * time.Minute).UnixMilli(), KeyID: "key_1", Source: "edge", Method: "GET", Route: "/v1/accounts/{id}",
			Path: fmt.Appendf(nil, "/v1/accounts/%d", 100+i*7%40), Status: 200, ResponseBytes: 900 + int64(i*13%200), ASN: 64500, Country: "SE", Agent: "app",
			ClientIP: netip.AddrFrom4([4]byte{198, 51, 100, byte(i % 2)}),
		})
	}
	return b
}

// thief walks through the objects from elsewhere, one a second.
func thief(from time.Time) *usage.Batch {
	b := &usage.Batch{}
	for i := range 90 {
		r := usage.Record{
			TimeMillis: from.Add(time.Duration(i) * time.Second).UnixMilli(), KeyID: "key_1", Source: "edge", Method: "GET", Route: "/v1/accounts/{id}",
			Path: fmt.Appendf(nil, "/v1/accounts/%d", 500000+2*i), Status: 200, ResponseBytes: 900, ASN: 9009, Country: "RO", Agent: "scraper",
			ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, 9}),
		}
		if i%5 == 4 {
			r.Status = 404
		}
		b.Append(&r)
	}
	return b
}

func suspended(ds []detect.Decision) bool {
	return slices.ContainsFunc(ds, func(d detect.Decision) bool {
		return d.KeyID == "key_1" && d.Action == detect.ActionSuspend && d.Actor.ASN == 9009
	})
}

// A key of which nothing is known may do anything for two days; one that was silent for months is not such a key.
func TestAKeyThatWasSilentForLongerThanTheHistoryIsNotANewOne(t *testing.T) {
	r := newWarmRig(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r.store(customer(start, 25))
	back := start.AddDate(0, 0, 25+60)
	r.clock.Store(back.UnixMilli())
	require.NoError(t, r.Assigned(t.Context(), "logs", 0))
	r.Observe("logs", 0, thief(back))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)

	all, err := r.stretches(t.Context(), []string{"key_1", "key_new"})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, []string{"key_1"}, all[0].keys)
	require.Equal(t, start.AddDate(0, 0, 25-historyDays).Add(-6*time.Minute), all[0].from)
}

func TestAKeyThatWasForgottenComesBackWithItsHistory(t *testing.T) {
	r := newWarmRig(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r.clock.Store(start.UnixMilli())
	require.NoError(t, r.Assigned(t.Context(), "logs", 0)) // with nothing stored
	b := customer(start, 25)
	r.clock.Store(start.AddDate(0, 0, 25).UnixMilli())
	r.Observe("logs", 0, b)
	r.store(b)

	w := r.partitions[partitionID{"logs", 0}]
	knows := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.engine.Knows("key_1")
	}
	require.True(t, knows())
	back := start.AddDate(0, 0, 25+30)
	r.clock.Store(back.UnixMilli())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.tick(ctx) }() // with room for no key
	require.Eventually(t, func() bool { return !knows() }, 30*time.Second, 50*time.Millisecond)
	cancel()
	require.NoError(t, <-done)

	r.Observe("logs", 0, thief(back))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)
}
