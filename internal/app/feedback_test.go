package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect"
)

// dismissedRig is a key with 25 days of history whose thief was suspended and, as its owner says, is none: the verdict is not taught yet. Nothing
// but the history is known to the watch of the partition.
func dismissedRig(t *testing.T) (r *warmRig, fb detect.Feedback, next time.Time) {
	r = newWarmRig(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r.store(customer(start, 25))
	at := start.AddDate(0, 0, 25)
	r.clock.Store(at.UnixMilli())
	require.NoError(t, r.Assigned(t.Context(), "logs", 0))
	r.Observe("logs", 0, thief(at))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)
	first := r.decided[0]
	r.store(thief(at))
	r.decided = nil
	next = at.AddDate(0, 0, 3)
	r.clock.Store(next.UnixMilli())
	require.NoError(t, r.Assigned(t.Context(), "logs", 0))
	return r, detect.Feedback{
		KeyID: first.KeyID, EpisodeID: first.EpisodeID, Actor: first.Actor, Verdict: detect.Dismissed, TimeMillis: next.UnixMilli(),
	}, next
}

func TestADismissalIsTaughtWithTheHistoryOfAKeyThatWasNotMetYet(t *testing.T) {
	r, fb, next := dismissedRig(t)
	r.teach(fb, "al_1")
	r.Observe("logs", 0, thief(next))
	require.False(t, suspended(r.decided), "decided: %+v", r.decided)
}

// Without a verdict the thief that comes back is one: what the other tests rest on.
func TestAThiefThatComesBackIsSuspendedAgain(t *testing.T) {
	r, _, next := dismissedRig(t)
	r.Observe("logs", 0, thief(next))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)
}

// The verdict may be in the store already when the partition comes, and be told once more when its event arrives.
func TestADismissalCountsOnce(t *testing.T) {
	r, fb, _ := dismissedRig(t)
	r.teach(fb, "al_1")
	r.teach(fb, "al_1")
	require.Len(t, r.partitions[partitionID{"logs", 0}].taught["key_1"], 1)
}

func TestAVerdictThatIsGivenWhileAPartitionIsTakenOverIsTaught(t *testing.T) {
	r, fb, next := dismissedRig(t)
	id := partitionID{"logs", 0}
	w := &watch{engine: r.partitions[id].engine, history: true, reopened: map[string]bool{}}
	w.ctx, w.cancel = context.WithCancel(t.Context())
	stored := map[string][]detect.Feedback{}
	reads := 0
	require.NoError(t, r.enter(id, w, func() (map[string][]detect.Feedback, error) {
		was := map[string][]detect.Feedback{"key_1": stored["key_1"]}
		if reads++; reads == 1 { // a person judges, and the event of it finds this partition nowhere
			stored["key_1"] = []detect.Feedback{fb}
			r.teach(fb, "al_1")
		}
		return was, nil
	}))
	require.Equal(t, 2, reads)
	r.Observe("logs", 0, thief(next))
	require.False(t, suspended(r.decided), "decided: %+v", r.decided)
}

// An alert that is reopened had taught nothing, also where its key was not met yet.
func TestAVerdictThatIsTakenBackIsNotTaughtToAKeyThatWasNotMetYet(t *testing.T) {
	r, fb, next := dismissedRig(t)
	r.teach(fb, "al_1")
	r.unteach(t.Context(), fb, "al_1")
	r.Observe("logs", 0, thief(next))
	require.True(t, suspended(r.decided), "decided: %+v", r.decided)
}
