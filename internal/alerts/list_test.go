package alerts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

func TestListFiltersAndPages(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		var ids []string
		for i := range 6 {
			f := finding(fmt.Sprintf("key_%d", i))
			f.Severity = []alerts.Severity{alerts.Low, alerts.Medium, alerts.Critical}[i%3]
			f.AccountID = []string{"acme", "globex"}[i%2]
			f.Title = fmt.Sprintf("Title %d", i)
			ids = append(ids, raise(t, s, f).Alert.ID)
			c.Advance(time.Duration(i%2) * time.Second)
		}
		if _, err := s.Dismiss(ctx, ids[5], ada); err != nil {
			t.Fatal(err)
		}
		for _, cse := range []struct {
			name string
			f    alerts.Filter
			want []int
		}{
			{"all", alerts.Filter{}, []int{0, 1, 2, 3, 4, 5}},
			{"open", alerts.Filter{Statuses: []alerts.Status{alerts.Open, alerts.Acknowledged}}, []int{0, 1, 2, 3, 4}},
			{"severity", alerts.Filter{MinSeverity: alerts.Medium}, []int{1, 2, 4, 5}},
			{"account", alerts.Filter{AccountID: "globex"}, []int{1, 3, 5}},
			{"key", alerts.Filter{KeyID: "key_3"}, []int{3}},
			{"text", alerts.Filter{Text: "TITLE 4"}, []int{4}},
			{"time", alerts.Filter{Since: time.UnixMilli(1_700_000_001_000), Until: time.UnixMilli(1_700_000_002_000)}, []int{2, 3}},
			{"nothing", alerts.Filter{PolicyID: "other"}, nil},
		} {
			var got []int
			for cursor := ""; ; {
				f := cse.f
				f.Cursor, f.Limit = cursor, 2
				page, next, err := s.List(ctx, f)
				if err != nil {
					t.Fatalf("%s: %v", cse.name, err)
				}
				for _, a := range page {
					got = append(got, slices.Index(ids, a.ID))
				}
				if cursor = next; next == "" {
					break
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, cse.want) {
				t.Errorf("%s: %v, want %v", cse.name, got, cse.want)
			}
		}
		if n, err := s.Counts(ctx); err != nil || n[alerts.Open] != 5 || n[alerts.Dismissed] != 1 {
			t.Errorf("counts: %v, %v", n, err)
		}
		for name, f := range map[string]alerts.Filter{"status": {Statuses: []alerts.Status{"x"}}, "severity": {MinSeverity: "x"}, "cursor": {Cursor: "x"}, "limit": {Limit: 1000}} {
			if _, _, err := s.List(ctx, f); !errors.Is(err, alerts.ErrInput) {
				t.Errorf("bad %s: %v", name, err)
			}
		}
		c.Advance(time.Hour)
		if n, err := s.CloseIdle(ctx, time.Hour-time.Millisecond, 100); n != 5 || err != nil {
			t.Errorf("closed %d idle ones, %v", n, err)
		}
	})
}

func TestSimilarAlertsSayWhatTheyShare(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, db *sqlstore.DB, c *clock) {
		ctx := context.Background()
		make := func(key, episode string, asn uint32, agent string, families ...string) string {
			f := finding(key)
			f.Episode, f.ASNs, f.Agents, f.Families = episode, []uint32{asn}, []string{agent}, families
			c.Advance(time.Second)
			return raise(t, s, f).Alert.ID
		}
		it := make("key_1", "a", 64500, "curl", "network", "volume")
		sameKey := make("key_1", "b", 1, "x", "routes")
		sameThief := make("key_2", "a", 64500, "curl", "network")
		sameFamilies := make("key_3", "a", 2, "y", "network", "volume")
		make("key_4", "a", 3, "z", "network") // one family alone is too common
		got, err := s.Similar(ctx, it, 10)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, x := range got {
			ids = append(ids, x.Alert.ID)
		}
		if d := cmp.Diff([]string{sameThief, sameKey, sameFamilies}, ids); d != "" {
			t.Fatalf("similar (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"network AS64500", "client curl", "evidence of network"}, got[0].Because); d != "" {
			t.Errorf("because (-want +got):\n%s", d)
		}
		if got, err := s.Similar(ctx, it, 1); err != nil || len(got) != 1 {
			t.Errorf("limited: %d, %v", len(got), err)
		}
		if _, err := s.Similar(ctx, "alrt_none", 1); !errors.Is(err, alerts.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
	})
}
