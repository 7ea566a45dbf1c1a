package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Whatever comes in whatever order: no finding is lost or counted twice, no episode has two alerts that are not closed, a
// severity never falls, and a settled alert changes its status only by a person or by something worse.
func TestFindingsAreNeitherLostNorDoubled(t *testing.T) {
	runs := 0
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		rapid.Check(t, func(t *rapid.T) {
			runs++
			ctx := context.Background()
			key := fmt.Sprintf("key_%d", runs) // the database is shared by all runs
			told := map[string]bool{}          // finding ids
			raised := int64(0)
			severity := map[string]int{} // by alert
			rank := map[alerts.Severity]int{alerts.Low: 1, alerts.Medium: 2, alerts.High: 3, alerts.Critical: 4}
			var ids []string
			t.Repeat(map[string]func(*rapid.T){
				"raise": func(t *rapid.T) {
					f := finding(key)
					f.Episode = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "episode")
					f.Severity = rapid.SampledFrom([]alerts.Severity{alerts.Low, alerts.High, alerts.Critical}).Draw(t, "severity")
					f.ID = fmt.Sprintf("%s/%d", key, rapid.IntRange(0, 30).Draw(t, "id"))
					r, err := s.Raise(ctx, f)
					if err != nil {
						t.Fatal(err)
					}
					if r.Duplicate != told[f.ID] {
						t.Fatalf("finding %s, told before %v: %+v", f.ID, told[f.ID], r)
					}
					if r.Duplicate {
						return
					}
					told[f.ID] = true
					raised++
					before, joined := severity[r.Alert.ID]
					if !joined {
						ids = append(ids, r.Alert.ID)
					}
					if got := rank[r.Alert.Severity]; got != max(before, rank[f.Severity]) {
						t.Fatalf("severity %d after %d and %s", got, before, f.Severity)
					}
					if reopened := joined && r.Opened; reopened && rank[f.Severity] <= before {
						t.Fatalf("opened again by nothing worse: %+v", r)
					}
					severity[r.Alert.ID] = rank[r.Alert.Severity]
				},
				"settle": func(t *rapid.T) {
					if len(ids) == 0 {
						return
					}
					id := rapid.SampledFrom(ids).Draw(t, "alert")
					do := rapid.SampledFrom([]func(context.Context, string, alerts.By) (alerts.Alert, error){s.Acknowledge, s.Confirm, s.Dismiss, s.Close}).Draw(t, "do")
					if _, err := do(ctx, id, ada); err != nil && !errors.Is(err, alerts.ErrState) {
						t.Fatal(err)
					}
				},
				"": func(t *rapid.T) {
					list, _, err := s.List(ctx, alerts.Filter{KeyID: key, Limit: sqlstore.MaxPage})
					if err != nil {
						t.Fatal(err)
					}
					total, live := int64(0), map[string]int{}
					for _, a := range list {
						total += a.Findings
						if a.Status != alerts.Closed {
							live[a.Episode]++
						}
						if a.ClosedAt.IsZero() == (a.Status != alerts.Open && a.Status != alerts.Acknowledged) {
							t.Fatalf("%s and closed at %v", a.Status, a.ClosedAt)
						}
					}
					if total != raised || live["a"] > 1 || live["b"] > 1 {
						t.Fatalf("%d findings of %d, live alerts %v", total, raised, live)
					}
				},
			})
		})
	})
}
