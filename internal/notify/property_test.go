package notify_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/notify"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

// Whatever happens to alerts, to the receiver and to the processes that send: every chosen entry of every timeline arrives, an
// alert's entries in their order, and what arrives again has the same id and says the same.
func TestEveryChosenEntryArrivesInOrderWhateverFails(t *testing.T) {
	r := newRig(t, sqltest.New(t, "sqlite", notify.Migrations())(t))
	ctx, by, runs := context.Background(), alerts.By{Actor: "user:ada"}, 0
	chosen := []string{"opened", "action", "reopened", "dismissed"}
	start := func() *node { return r.node(func(c *notify.Config) { c.Kinds = chosen }) }
	n := start()
	n.settle()
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		r.forget()
		var ids []string
		some := func(rt *rapid.T) string {
			if len(ids) == 0 {
				rt.Skip()
			}
			return rapid.SampledFrom(ids).Draw(rt, "alert")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"open":    func(*rapid.T) { ids = append(ids, r.raise(fmt.Sprintf("key_%d_%d", runs, len(ids)), alerts.Medium).ID) },
			"act":     func(rt *rapid.T) { r.suspend(alerts.Alert{ID: some(rt)}) },
			"dismiss": func(rt *rapid.T) { _, _ = r.alerts.Dismiss(ctx, some(rt), by) },
			"reopen":  func(rt *rapid.T) { _, _ = r.alerts.Reopen(ctx, some(rt), by) },
			"comment": func(rt *rapid.T) { _, _ = r.alerts.Comment(ctx, some(rt), "so", by) },
			"time":    func(*rapid.T) { r.clock.Advance(time.Minute) },
			"answer": func(rt *rapid.T) {
				if status := rapid.SampledFrom([]int{200, 429, 500}).Draw(rt, "status"); status == 200 {
					r.ok()
				} else {
					r.always(status)
				}
			},
			"step": func(rt *rapid.T) { _, err := n.Step(ctx); require.NoError(rt, err) },
			"die in the middle": func(rt *rapid.T) {
				dying, die := context.WithCancel(ctx)
				r.say(func(p *post, _ http.ResponseWriter) int { die(); <-p.Gone; return http.StatusOK })
				_, _ = n.Step(dying)
				die()
				r.ok()
				n = start()
			},
		})
		r.ok()
		for range 3 { // the longest wait, and the right to send of one that died
			r.clock.Advance(5 * time.Minute)
			n.settle()
		}
		want := map[string]int{} // messages by alert
		for _, id := range ids {
			events, err := r.alerts.Timeline(ctx, id)
			require.NoError(rt, err)
			for _, e := range events {
				if slices.Contains(chosen, e.Kind) {
					want[id]++
				}
			}
		}
		got, last, bodies := map[string]int{}, map[string]int{}, map[string]notify.Data{}
		for _, p := range r.all() {
			d := p.Body.Data
			if !slices.Contains(ids, d.AlertID) {
				continue
			}
			if before, again := bodies[p.ID]; again {
				require.Equal(rt, before, d)
				continue
			}
			bodies[p.ID] = d
			got[d.AlertID]++
			place, err := strconv.Atoi(p.ID[strings.LastIndexByte(p.ID, '_')+1:])
			require.NoError(rt, err)
			require.Greater(rt, place, last[d.AlertID], "alert %s out of order", d.AlertID)
			last[d.AlertID] = place
		}
		if !maps.Equal(want, got) {
			rt.Fatalf("want %v messages by alert, got %v", want, got)
		}
	})
}
