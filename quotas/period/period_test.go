package period

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestAt(t *testing.T) {
	tests := []struct {
		name           string
		cycle          Cycle
		at             string
		from, to       string
		hoursIfSpecial int
	}{
		{"calendar month", Cycle{}, "2026-11-24T15:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 0},
		{"first instant belongs to it", Cycle{}, "2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 0},
		{"the end belongs to the next", Cycle{}, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", 0},
		{"last instant", Cycle{}, "2026-11-30T23:59:59.999Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", 0},
		{"31 January: the second is 28 February", Cycle{Anchor: at(t, "2026-01-31T10:30:00Z")}, "2026-02-28T10:30:00Z", "2026-02-28T10:30:00Z", "2026-03-31T10:30:00Z", 0},
		{"31 January: just before", Cycle{Anchor: at(t, "2026-01-31T10:30:00Z")}, "2026-02-28T10:29:59Z", "2026-01-31T10:30:00Z", "2026-02-28T10:30:00Z", 0},
		{"31 January: no drift in April", Cycle{Anchor: at(t, "2026-01-31T00:00:00Z")}, "2026-05-15T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z", 0},
		{"31 January in a leap year", Cycle{Anchor: at(t, "2028-01-31T00:00:00Z")}, "2028-03-01T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z", 0},
		{"before the anchor", Cycle{Anchor: at(t, "2026-01-31T00:00:00Z")}, "2025-11-15T00:00:00Z", "2025-10-31T00:00:00Z", "2025-11-30T00:00:00Z", 0},
		{"long before the anchor", Cycle{Anchor: at(t, "2026-03-30T00:00:00Z")}, "1999-03-01T00:00:00Z", "1999-02-28T00:00:00Z", "1999-03-30T00:00:00Z", 0},
		{"leap day, year", Cycle{Unit: Year, Anchor: at(t, "2024-02-29T00:00:00Z")}, "2026-06-01T00:00:00Z", "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z", 0},
		{"leap day comes back", Cycle{Unit: Year, Anchor: at(t, "2024-02-29T00:00:00Z")}, "2028-03-01T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z", 0},
		{"local month", Cycle{Zone: "Europe/Berlin"}, "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z", 0},
		{"day of 23 hours", Cycle{Unit: Day, Zone: "Europe/Berlin"}, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23},
		{"day of 25 hours", Cycle{Unit: Day, Zone: "Europe/Berlin"}, "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25},
		{"a skipped time of day is moved on", Cycle{Unit: Day, Zone: "Europe/Berlin", Anchor: at(t, "2026-03-01T01:30:00Z")}, "2026-03-29T10:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z", 23},
		{"a skipped midnight is moved on in the west, too", Cycle{Unit: Day, Zone: "America/Santiago"}, "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z", 23},
		{"a day that ends where midnight is skipped", Cycle{Unit: Day, Zone: "America/Santiago"}, "2026-09-06T03:30:00Z", "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z", 24},
		{"half-hour zone", Cycle{Zone: "Asia/Kolkata"}, "2026-11-30T18:30:00Z", "2026-11-30T18:30:00Z", "2026-12-31T18:30:00Z", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.cycle.At(at(t, tt.at))
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.from + "/" + tt.to; got.String() != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if h := got.To.Sub(got.From).Hours(); tt.hoursIfSpecial != 0 && int(h) != tt.hoursIfSpecial {
				t.Errorf("the day has %v hours, want %d", h, tt.hoursIfSpecial)
			}
		})
	}
}

func TestPeriodsFollowEachOtherWithoutGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const century = 100 * 366 * 86400
		c := Cycle{
			Unit: rapid.SampledFrom([]Unit{"", Day, Month, Year}).Draw(t, "unit"),
			Zone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "America/Santiago", "America/Havana"}).Draw(t, "zone"),
		}
		if rapid.Bool().Draw(t, "anchored") {
			c.Anchor = time.Unix(rapid.Int64Range(0, century).Draw(t, "anchor"), 0)
		}
		when := time.Unix(rapid.Int64Range(0, century).Draw(t, "at"), 0)
		p, err := c.At(when)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Contains(when) {
			t.Fatalf("%s does not hold %s", p, when.UTC())
		}
		next, err := c.At(p.To)
		if err != nil {
			t.Fatal(err)
		}
		last, err := c.At(p.To.Add(-1))
		if err != nil {
			t.Fatal(err)
		}
		if !next.From.Equal(p.To) || last != p {
			t.Fatalf("%s is followed by %s; its last instant is in %s", p, next, last)
		}
	})
}

func TestValidateNamesEveryProblem(t *testing.T) {
	err := Cycle{Unit: "week", Zone: "Mars/Olympus", Anchor: time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC)}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	want := "cycle.unit: \"week\" is not known; give day, month or year\n" +
		"cycle.zone: \"Mars/Olympus\" is not an IANA time zone; give one such as UTC or Europe/Berlin\n" +
		"cycle.anchor: year 1; give one from 1970 on"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if err := (Cycle{Zone: "Local"}).Validate(); err == nil {
		t.Error("the zone of the machine was accepted")
	}
	if _, err := ParseMonth("2026-13"); err == nil {
		t.Error("month 13 was accepted")
	}
}

func TestIntersectAndDays(t *testing.T) {
	november := MonthAt(at(t, "2026-11-24T15:00:00Z"))
	p := Period{From: at(t, "2026-11-20T12:00:00Z"), To: at(t, "2026-12-05T00:00:00Z")}
	both, ok := november.Intersect(p)
	if !ok || both.String() != "2026-11-20T12:00:00Z/2026-12-01T00:00:00Z" {
		t.Errorf("got %s, %v", both, ok)
	}
	if n, err := Days(both, ""); err != nil || n != 11 {
		t.Errorf("%d days, %v; want 11, the begun one included", n, err)
	}
	if _, ok := november.Intersect(Period{From: november.To, To: p.To}); ok {
		t.Error("periods that only touch have nothing in common")
	}
	if n, err := Days(Period{From: at(t, "2026-03-28T23:00:00Z"), To: at(t, "2026-03-29T22:00:00Z")}, "Europe/Berlin"); err != nil || n != 1 {
		t.Errorf("a day of 23 hours is %d days, %v", n, err)
	}
	if got := DayAt(at(t, "2026-02-28T23:59:59Z")); got.String() != "2026-02-28T00:00:00Z/2026-03-01T00:00:00Z" {
		t.Errorf("day: %s", got)
	}
}

func TestThePeriodAtTheLastOfAMonthStartsInIt(t *testing.T) {
	tests := []struct {
		name  string
		cycle Cycle
		want  string
	}{
		{"calendar", Cycle{}, "2026-11-01T00:00:00Z/2026-12-01T00:00:00Z"},
		{"ahead of UTC", Cycle{Zone: "Europe/Berlin"}, "2026-10-31T23:00:00Z/2026-11-30T23:00:00Z"},
		{"behind UTC", Cycle{Zone: "America/New_York"}, "2026-11-01T04:00:00Z/2026-12-01T05:00:00Z"},
		{"from the 15th", Cycle{Anchor: at(t, "2026-01-15T00:00:00Z")}, "2026-11-15T00:00:00Z/2026-12-15T00:00:00Z"},
		{"from the 31st", Cycle{Anchor: at(t, "2026-01-31T00:00:00Z")}, "2026-11-30T00:00:00Z/2026-12-31T00:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			last, err := tt.cycle.LastOf("2026-11")
			if err != nil {
				t.Fatal(err)
			}
			got, err := tt.cycle.At(last)
			if err != nil || got.String() != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	if _, err := (Cycle{}).LastOf("11/2026"); err == nil {
		t.Error("accepted 11/2026")
	}
}

// Whatever hours a day has, it starts in itself, and a month that is cut there has the days of its parts.
func TestADayStartsInItself(t *testing.T) {
	for _, zone := range []string{"", "Europe/Berlin", "America/Santiago", "America/Havana", "Atlantic/Azores", "Africa/Cairo", "Asia/Beirut"} {
		c := Cycle{Zone: zone}
		for noon := at(t, "2026-01-01T12:00:00Z"); noon.Year() < 2028; noon = noon.AddDate(0, 0, 1) {
			midnight, err := c.Midnight(noon)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := c.Midnight(midnight); err != nil || !again.Equal(midnight) {
				t.Errorf("%s: the day of %s starts at %s, whose day starts at %s, %v", zone, noon, midnight, again, err)
			}
			month, err := c.At(midnight)
			if err != nil {
				t.Fatal(err)
			}
			var days [3]int64
			for i, p := range []Period{{From: month.From, To: midnight}, {From: midnight, To: month.To}, month} {
				if days[i], err = Days(p, zone); err != nil {
					t.Fatal(err)
				}
			}
			if days[0]+days[1] != days[2] {
				t.Errorf("%s: cut at %s, %s has %d and %d days of %d", zone, midnight, month, days[0], days[1], days[2])
			}
		}
	}
}
