package quotas

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/quotas/period"
)

// drawTimeline draws plans with versions, in two currencies, and stretches of them with all kinds of cycles.
func drawTimeline(t *rapid.T) timeline {
	const year = 365 * 24 * time.Hour
	base := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	plan := func(name string) []Plan {
		id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, name)
		versions := make([]Plan, rapid.IntRange(1, 3).Draw(t, "versions"))
		published := base
		for i := range versions {
			published = published.Add(time.Duration(rapid.Int64Range(0, int64(year)).Draw(t, "published")))
			versions[i] = Plan{ID: id, Version: i + 1, Currency: map[string]string{"a": "USD", "b": "USD", "c": "EUR"}[id], PublishedAt: published}
		}
		return versions
	}
	var line timeline
	at := dawn
	next := base
	for range rapid.IntRange(0, 5).Draw(t, "stretches") {
		c := period.Cycle{Zone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York"}).Draw(t, "zone")}
		if rapid.Bool().Draw(t, "anchored") {
			c.Anchor = time.Date(2026, 1, rapid.IntRange(1, 31).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		}
		next = next.AddDate(0, 0, rapid.IntRange(1, 90).Draw(t, "days"))
		from, err := c.Midnight(next)
		if err != nil {
			t.Fatal(err)
		}
		if from.Before(at) {
			from = at
		}
		line = append(line, stretch{span: period.Period{From: at, To: from}, versions: plan("plan"), implicit: true}, stretch{
			versions: plan("plan"), cycle: c, pinned: rapid.IntRange(0, 1).Draw(t, "pinned"), span: period.Period{From: from, To: from.AddDate(0, 0, rapid.IntRange(1, 90).Draw(t, "length"))},
		})
		at = line[len(line)-1].span.To
		next = at
	}
	return append(line, stretch{span: period.Period{From: at, To: dusk}, versions: plan("plan"), implicit: true})
}

// TestEveryHourIsBilledOnce walks from period to period through any change of plan, cycle, zone and currency: the periods
// follow each other without gap or overlap, their parts do too, and no period mixes currencies or is longer than a month.
func TestEveryHourIsBilledOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawTimeline(t)
		at := time.Date(2026, 12, 15, 0, 0, 0, 0, time.UTC)
		end := at.AddDate(3, 0, 0)
		last, err := line.bill(at)
		if err != nil {
			t.Fatal(err)
		}
		for at = last.period.From; at.Before(end); {
			b, err := line.bill(at)
			if err != nil {
				t.Fatal(err)
			}
			if !b.period.From.Equal(at) || !b.period.From.Before(b.period.To) || b.period.To.Sub(b.period.From) > 31*24*time.Hour+time.Hour {
				t.Fatalf("the period at %s is %s", at, b.period)
			}
			if again, err := line.bill(b.period.To.Add(-time.Millisecond)); err != nil || again.period != b.period {
				t.Fatalf("the last instant of %s is in %s, %v", b.period, again.period, err)
			}
			for _, seg := range b.segments {
				if !seg.span.From.Equal(at) || !at.Before(seg.span.To) || seg.plan.Currency != b.segments[0].plan.Currency {
					t.Fatalf("period %s: part %s of plan %s in %s begins not at %s", b.period, seg.span, seg.plan.ID, seg.plan.Currency, at)
				}
				at = seg.span.To
			}
			if !at.Equal(b.period.To) || !wholeHour(at) {
				t.Fatalf("the parts of %s end at %s", b.period, at)
			}
		}
	})
}

// TestFlatFeesOfAMonthAddUp: whatever plans share a period, the days they pay for are those of the period.
func TestFlatFeesOfAMonthAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawTimeline(t)
		b, err := line.bill(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "day")))
		if err != nil {
			t.Fatal(err)
		}
		var days int64
		for _, seg := range b.segments {
			n, err := period.Days(seg.span, b.cycle.Zone)
			if err != nil {
				t.Fatal(err)
			}
			days += n
		}
		whole, err := period.Days(b.period, b.cycle.Zone)
		if err != nil {
			t.Fatal(err)
		}
		// Where the zone changes with the plan, the day of the change begins twice; nowhere else.
		if extra := days - whole; extra < 0 || extra > int64(len(b.segments)) {
			t.Fatalf("parts of %s have %d days, it has %d", b.period, days, whole)
		} else if extra > 0 {
			for _, seg := range b.segments {
				if m, _ := b.cycle.Midnight(seg.span.From); m.Equal(seg.span.From) {
					continue
				}
				return
			}
			t.Fatalf("parts of %s have %d days, it has %d", b.period, days, whole)
		}
	})
}

func TestALongTimelineIsBilledFast(t *testing.T) {
	var line timeline
	at := dawn
	for i := range 500 {
		to := time.Date(2000, 1, 1+7*i, 0, 0, 0, 0, time.UTC)
		line = append(line, stretch{span: period.Period{From: at, To: to}, versions: []Plan{{ID: fmt.Sprint(i), Version: 1, Currency: "USD"}}})
		at = to
	}
	b, err := line.bill(at.Add(-time.Hour))
	if err != nil || len(b.segments) < 2 || len(b.segments) > 6 {
		t.Fatalf("%d parts, %v", len(b.segments), err)
	}
}
