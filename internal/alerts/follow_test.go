package alerts_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
)

func TestEverySubscriberHearsEveryChangeOnce(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, c := context.Background(), newClock()
		here, there := newStore(open(t), c.Now), newStore(open(t), c.Now)
		running, stop := context.WithCancel(ctx)
		var ended sync.WaitGroup
		for _, s := range []*alerts.Store{here, there} {
			ended.Go(func() {
				if err := s.Run(running); err != nil {
					t.Error(err)
				}
			})
		}
		defer ended.Wait()
		defer stop()
		near, far := here.Subscribe(100), there.Subscribe(100)
		defer near.Close()
		defer far.Close()
		time.Sleep(100 * time.Millisecond) // both have begun to follow
		a := raise(t, here, finding("key_1")).Alert
		next := func(name string, sub interface {
			C() <-chan feedEvent
		}, want alerts.Status,
		) alerts.Change {
			t.Helper()
			select {
			case e := <-sub.C():
				if e.Resync || e.Value.Alert.ID != a.ID || e.Value.Alert.Status != want {
					t.Fatalf("%s: %+v", name, e)
				}
				return e.Value
			case <-time.After(30 * time.Second):
				t.Fatalf("%s hears nothing", name)
			}
			panic("unreachable")
		}
		if got := next("near", near, alerts.Open); got.Kind != "opened" {
			t.Errorf("kind %q", got.Kind)
		}
		next("far", far, alerts.Open)
		if _, err := there.Dismiss(ctx, a.ID, ada); err != nil {
			t.Fatal(err)
		}
		next("far", far, alerts.Dismissed)
		next("near", near, alerts.Dismissed)
		time.Sleep(100 * time.Millisecond)
		select {
		case e := <-near.C():
			t.Errorf("near hears more: %+v", e)
		case e := <-far.C():
			t.Errorf("far hears more: %+v", e)
		default:
		}
	})
}

func TestTheNewsOfAnAlertIsItsTimelineFromAPlaceOnWithoutFurtherFindings(t *testing.T) {
	each(t, func(t *testing.T, s *alerts.Store, _ *sqlstore.DB, c *clock) {
		ctx := context.Background()
		a := raise(t, s, finding("key_1")).Alert
		raise(t, s, finding("key_1"))
		if _, err := s.RecordAction(ctx, a.ID, alerts.Suspend, "suspended", nil, ada); err != nil {
			t.Fatal(err)
		}
		c.Advance(time.Second)
		if _, err := s.Dismiss(ctx, a.ID, ada); err != nil {
			t.Fatal(err)
		}
		for after, want := range map[int64][]alerts.Event{
			0: {{N: 1, Actor: "detector:network", Kind: "opened", Text: "AS64500 was never seen."}, {N: 3, Actor: "user:ada", Kind: "action", Text: "suspended"}, {N: 4, Actor: "user:ada", Kind: "dismissed", Text: "looked at it"}},
			3: {{N: 4, Actor: "user:ada", Kind: "dismissed", Text: "looked at it"}},
			4: nil,
		} {
			got, err := s.News(ctx, a.ID, after)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(alerts.Event{}, "At")); d != "" {
				t.Errorf("after %d (-want +got):\n%s", after, d)
			}
		}
		last, err := s.Last(ctx)
		if err != nil || last != 4 {
			t.Errorf("last %d, %v", last, err)
		}
	})
}
