package quotas

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

func TestAPlanGoesFromDraftToPublishedToArchived(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		draft, err := w.CreateDraft(w.ctx, starter(), "user:ada")
		if err != nil {
			t.Fatal(err)
		}
		if draft.Version != 1 || draft.Status != Draft || draft.Charges[1].ID != "requests-graduated" || draft.Quotas[0].ID != "requests-per-account-and-month" {
			t.Errorf("draft: %+v", draft)
		}
		if _, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_1", PlanID: "starter"}, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("a draft was subscribed to: %v", err)
		}
		renamed := starter()
		renamed.Name = "Starter 2"
		if draft, err = w.CreateDraft(w.ctx, renamed, "user:ada"); err != nil || draft.Version != 1 {
			t.Errorf("a second draft is version %d, %v; want it to replace the first", draft.Version, err)
		}
		published, err := w.PublishPlan(w.ctx, "starter", 1, "user:ada")
		if err != nil || published.Status != Published || !published.PublishedAt.Equal(w.now) {
			t.Errorf("published: %+v, %v", published, err)
		}
		if _, err := w.PublishPlan(w.ctx, "starter", 1, "user:ada"); !errors.Is(err, ErrConflict) {
			t.Errorf("published twice: %v", err)
		}
		got, err := w.Plan(w.ctx, "starter", 0)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(published, got); d != "" || got.Name != "Starter 2" {
			t.Errorf("read back (-published +got):\n%s", d)
		}
		next := w.publish(t, starter())
		if next.Version != 2 {
			t.Errorf("next version is %d", next.Version)
		}
		euros := starter()
		euros.Currency = "EUR"
		if euros, err = w.CreateDraft(w.ctx, euros, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := w.PublishPlan(w.ctx, "starter", euros.Version, "user:ada"); !errors.Is(err, ErrConflict) {
			t.Errorf("a plan changed its currency: %v", err)
		}
		if p, err := w.ArchivePlan(w.ctx, "starter", "user:ada"); err != nil || p.Status != Archived {
			t.Errorf("archive: %+v, %v", p, err)
		}
		if _, err := w.Subscribe(w.ctx, Subscription{AccountID: "acc_1", PlanID: "starter"}, ""); !errors.Is(err, ErrConflict) {
			t.Errorf("an archived plan was subscribed to: %v", err)
		}
		for _, err := range []error{second(w.Plan(w.ctx, "none", 0)), second(w.Plan(w.ctx, "starter", 9)), second(w.PublishPlan(w.ctx, "none", 1, "user:ada")), second(w.ArchivePlan(w.ctx, "none", "user:ada"))} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("want not found, got %v", err)
			}
		}
		if _, err := w.ArchivePlan(w.ctx, DefaultPlanID, "user:ada"); !errors.Is(err, ErrConflict) {
			t.Errorf("the default plan was archived: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestTheDefaultPlanIsMadeOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		first, err := w.Plan(w.ctx, DefaultPlanID, 0)
		if err != nil || first.Status != Published || first.Version != 1 {
			t.Fatalf("%+v, %v", first, err)
		}
		w.now = w.now.Add(time.Hour)
		w.another(t)
		again, err := w.Plan(w.ctx, DefaultPlanID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, again); d != "" {
			t.Errorf("a second start changed it:\n%s", d)
		}
	})
}

func TestTheFirstPlanCanBeGiven(t *testing.T) {
	db := sqltest.New(t, sqlstore.SQLite, Migrations())(t)
	w := &world{now: when(t, "2026-11-24"), ctx: context.Background(), database: db}
	cfg := Config{DB: db, Source: w, Accounts: w, Now: w.clock, Logger: slog.New(slog.DiscardHandler)}
	euros := DefaultPlan()
	euros.ID, euros.Currency, euros.Name = "", "EUR", "Nach Verbrauch"
	cfg.FirstPlan = &euros
	s, err := New(w.ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.Plan(w.ctx, DefaultPlanID, 0); err != nil || p.Currency != "EUR" || p.Status != Published {
		t.Errorf("%+v, %v", p, err)
	}
	euros.Currency = "euros"
	if _, err := New(w.ctx, cfg); err == nil {
		t.Error("a bad first plan was taken")
	}
	if _, err := New(w.ctx, Config{}); err == nil {
		t.Error("a service without a database was made")
	}
}

func TestPlansAreListedByPage(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, id := range []string{"b", "a", "c"} {
			p := starter()
			p.ID = id
			w.publish(t, p)
			if id == "a" {
				w.publish(t, p)
			}
		}
		var got []string
		cursor := ""
		for {
			plans, next, err := w.Plans(w.ctx, cursor, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range plans {
				got = append(got, p.ID)
				if want := map[string]int{"a": 2}[p.ID]; want != 0 && p.Version != want {
					t.Errorf("%s has version %d", p.ID, p.Version)
				}
			}
			if cursor = next; next == "" {
				break
			}
		}
		if d := cmp.Diff([]string{"a", "b", "c", "default"}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if _, _, err := w.Plans(w.ctx, "x", 2); err == nil {
			t.Error("a made-up cursor was taken")
		}
	})
}

func TestAPlanReportsEverythingThatIsWrong(t *testing.T) {
	p := Plan{
		ID: "Bad Plan", Currency: "usd",
		Meters: []meter.Meter{{ID: "m", Kind: "odd"}, {ID: "m", Kind: meter.Requests}},
		Charges: []Charge{
			{ID: "x", Price: rating.Price{Mode: rating.ModeUnit}},
			{ID: "x", Meter: "requests", Price: rating.Price{Mode: rating.ModeGraduated, Tiers: []rating.Tier{{UpTo: num("5")}}}},
		},
		Quotas: []Quota{{Limit: -1, Per: "user", Period: "week", Enforcement: "firm", Thresholds: []int{0}}},
	}.withDefaults()
	problems, ok := errors.AsType[Problems](p.Validate())
	if !ok {
		t.Fatal("accepted")
	}
	var fields []string
	for _, one := range problems {
		fields = append(fields, one.Field)
	}
	want := []string{
		"id", "name", "currency", "meters[0].kind", "meters[1].id", "charges[0].meter", "charges[0].price", "charges[1].id", "charges[1].tiers[0]",
		"charges[1].tiers[0].up_to", "quotas[0].meter", "quotas[0].per", "quotas[0].limit", "quotas[0].period", "quotas[0].enforcement", "quotas[0].thresholds[0]",
	}
	if d := cmp.Diff(want, fields); d != "" {
		t.Errorf("(-want +got):\n%s\n%v", d, problems)
	}
	if err := DefaultPlan().Validate(); err != nil {
		t.Errorf("the default plan: %v", err)
	}
	fine := starter()
	fine.Charges[1].Meter, fine.Quotas[0].Meter = "Images.Generated", "GPU seconds"
	if err := fine.withDefaults().Validate(); err != nil {
		t.Errorf("units may have any name: %v", err)
	}
}
