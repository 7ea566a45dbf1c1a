package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/detect"
)

func observing(t *testing.T) *detect.Policies {
	p, err := detect.ParsePolicies([]byte("version: 1\npolicies: [{id: careful, mode: observe}]\n"))
	require.NoError(t, err)
	return p
}

// revisions are the policies that serious decisions were made by.
func (r *warmRig) revisions() map[string]detect.Action {
	found := map[string]detect.Action{}
	for _, d := range r.decided {
		if d.Wanted == detect.ActionSuspend && d.Phase == detect.PhaseOpened || d.Phase == detect.PhaseEscalated {
			found[d.PolicyRevision] = d.Action
		}
	}
	return found
}

// A changed policy file is for the engines at work, for those of partitions that come later, and for one whose partition is being taken
// over while the file changes.
func TestChangedPoliciesReachEveryEngine(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	stolen := start.AddDate(0, 0, 25)
	for name, assign := range map[string]func(r *warmRig, change func()){
		"at work": func(r *warmRig, change func()) {
			require.NoError(t, r.Assigned(t.Context(), "logs", 0))
			change()
		},
		"later": func(r *warmRig, change func()) {
			change()
			require.NoError(t, r.Assigned(t.Context(), "logs", 0))
		},
		"meanwhile": func(r *warmRig, change func()) {
			require.NoError(t, r.Assigned(&hookedContext{t.Context(), change}, "logs", 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newWarmRig(t)
			r.store(customer(start, 25))
			r.clock.Store(stolen.UnixMilli())
			p := observing(t)
			assign(r, func() { r.setPolicies(p) })
			r.Observe("logs", 0, thief(stolen))
			require.Equal(t, map[string]detect.Action{p.Revision: detect.ActionObserve}, r.revisions())
		})
	}
}

// hookedContext does something when the store is asked.
type hookedContext struct {
	context.Context //nolint:containedctx // it stands for one
	hook            func()
}

func (c *hookedContext) Done() <-chan struct{} {
	if hook := c.hook; hook != nil {
		c.hook = nil
		hook()
	}
	return c.Context.Done()
}
