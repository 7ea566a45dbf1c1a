package app

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect"
	"github.com/tollkeeper/tollkeeper/internal/usage"
)

func ofKey(b *usage.Batch, key string) *usage.Batch {
	b.KeyID.Values = []string{key}
	return b
}

// The keys that somebody stole lie in several partitions, each with an engine of its own.
func TestWhoAbusedAKeyIsKnownInEveryPartitionOfTheProcess(t *testing.T) {
	r := newWarmRig(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	theft := start.AddDate(0, 0, 25)
	r.clock.Store(theft.UnixMilli())
	for partition := range int32(2) {
		require.NoError(t, r.Assigned(t.Context(), "logs", partition))
	}
	r.Observe("logs", 0, customer(start, 25))
	r.Observe("logs", 1, ofKey(customer(start, 25), "key_2"))
	r.Observe("logs", 0, thief(theft))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)
	r.Observe("logs", 1, ofKey(thief(theft.Add(time.Hour)), "key_2"))
	require.True(t, slices.ContainsFunc(r.decided, func(d detect.Decision) bool {
		return d.KeyID == "key_2" && slices.ContainsFunc(d.Evidence, func(e detect.Evidence) bool { return e.Detector == "culprit_elsewhere" })
	}), "decided: %+v", r.decided)
}

// What a partition is told while nothing comes to it must not wait in memory for ever.
func TestAPartitionWithoutTrafficListensToo(t *testing.T) {
	r := newWarmRig(t)
	require.NoError(t, r.Assigned(t.Context(), "logs", 0))
	w := r.partitions[partitionID{"logs", 0}]
	w.ear.tell([]detect.Blame{{}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.tick(ctx) }()
	require.Eventually(t, func() bool {
		w.ear.mu.Lock()
		defer w.ear.mu.Unlock()
		return len(w.ear.heard) == 0
	}, 10*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}
