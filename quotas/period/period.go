// Package period cuts time into billing and quota periods: half-open spans [From, To) of a day, a month or a year that
// follow each other without gap or overlap.
//
// By default a period is a calendar month in UTC. An anchor moves its start ("the 31st, 10:30"); months are always counted
// from the anchor itself, so that 31 January is followed by 28 February and then by 31 March, with no drift. A zone (IANA
// name) makes the boundaries local; a day then has 23 or 25 hours when clocks change. An event exactly at To belongs to the
// next period.
//
// The package is pure: it reads no clock.
package period

import (
	"cmp"
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // zones are part of what is billed; they must not depend on the machine
)

// Unit is the length of a period.
type Unit string

const (
	Day   Unit = "day"
	Month Unit = "month"
	Year  Unit = "year"
)

// Period is the span [From, To), in UTC.
type Period struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Contains says whether t is in the period. The end is not.
func (p Period) Contains(t time.Time) bool { return !t.Before(p.From) && t.Before(p.To) }

// IsZero says whether the period is the zero value.
func (p Period) IsZero() bool { return p.From.IsZero() && p.To.IsZero() }

// Intersect returns what both have in common; ok is false when that is nothing.
func (p Period) Intersect(o Period) (both Period, ok bool) {
	if o.From.After(p.From) {
		p.From = o.From
	}
	if o.To.Before(p.To) {
		p.To = o.To
	}
	return p, p.From.Before(p.To)
}

func (p Period) String() string {
	return p.From.Format(time.RFC3339) + "/" + p.To.Format(time.RFC3339)
}

// Cycle is an endless row of periods. The zero value is the UTC calendar month.
type Cycle struct {
	// Unit is the length; empty is a month.
	Unit Unit `json:"unit,omitempty"`
	// Anchor is an instant at which a period starts; zero is the start of the calendar unit.
	Anchor time.Time `json:"anchor,omitzero"`
	// Zone is an IANA name such as Europe/Berlin; empty is UTC.
	Zone string `json:"zone,omitempty"`
}

// Same reports whether both cut time alike as they are written: with defaults filled in, and anchors at the same instant.
func (c Cycle) Same(o Cycle) bool {
	return cmp.Or(c.Unit, Month) == cmp.Or(o.Unit, Month) && cmp.Or(c.Zone, "UTC") == cmp.Or(o.Zone, "UTC") && c.Anchor.Equal(o.Anchor)
}

// Validate reports everything that is wrong with the cycle.
func (c Cycle) Validate() error {
	var errs []error
	switch c.Unit {
	case "", Day, Month, Year:
	default:
		errs = append(errs, fmt.Errorf("cycle.unit: %.16q is not known; give day, month or year", string(c.Unit)))
	}
	if _, err := c.location(); err != nil {
		errs = append(errs, fmt.Errorf("cycle.zone: %.64q is not an IANA time zone; give one such as UTC or Europe/Berlin", c.Zone))
	}
	if y := c.Anchor.Year(); !c.Anchor.IsZero() && (y < 1970 || y > 9999) {
		errs = append(errs, fmt.Errorf("cycle.anchor: year %d; give one from 1970 on", y))
	}
	return errors.Join(errs...)
}

func (c Cycle) location() (*time.Location, error) {
	if c.Zone == "" {
		return time.UTC, nil
	}
	if c.Zone == "Local" { // the zone of the machine is nobody's billing zone
		return nil, errors.New("unknown time zone")
	}
	return time.LoadLocation(c.Zone)
}

// At returns the period that holds t. The error is that of [Cycle.Validate].
func (c Cycle) At(t time.Time) (Period, error) {
	if err := c.Validate(); err != nil {
		return Period{}, err
	}
	loc, err := c.location()
	if err != nil {
		return Period{}, err
	}
	anchor := c.Anchor.In(loc)
	if c.Anchor.IsZero() {
		anchor = time.Date(2000, time.January, 1, 0, 0, 0, 0, loc)
	}
	// The whole units between the dates are right up to one; zone changes and clamped days move it by no more.
	n := units(c.Unit, anchor, t.In(loc))
	for start(c.Unit, anchor, n).After(t) {
		n--
	}
	for !start(c.Unit, anchor, n+1).After(t) {
		n++
	}
	return Period{From: start(c.Unit, anchor, n).UTC(), To: start(c.Unit, anchor, n+1).UTC()}, nil
}

// units counts the boundaries between two local dates.
func units(u Unit, anchor, t time.Time) int {
	switch u {
	case Day:
		return int(dayNumber(t) - dayNumber(anchor))
	case Year:
		return t.Year() - anchor.Year()
	default:
		return (t.Year()-anchor.Year())*12 + int(t.Month()) - int(anchor.Month())
	}
}

// dayNumber counts calendar days, whatever their length in hours.
func dayNumber(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

// start returns the start of the n-th period from the anchor: same local time of day, and the anchor's day of the month or
// the month's last.
func start(u Unit, anchor time.Time, n int) time.Time {
	y, m, d := anchor.Date()
	switch u {
	case Day:
		d += n
	case Year:
		y += n
		d = min(d, lastDay(y, m))
	default:
		months := int(m) - 1 + n
		y, m = y+floorDiv(months, 12), time.Month(months-12*floorDiv(months, 12)+1)
		d = min(d, lastDay(y, m))
	}
	h, mi, s := anchor.Clock()
	return local(y, m, d, time.Duration(h)*time.Hour+time.Duration(mi)*time.Minute+time.Duration(s)*time.Second+time.Duration(anchor.Nanosecond()), anchor.Location())
}

// local returns the instant of a local day and time of day. A time that a change of clocks skips is moved on by the length of
// the change: time.Date does so in the east only, and in the west moves it back, a skipped midnight into the day before.
func local(y int, m time.Month, d int, clock time.Duration, loc *time.Location) time.Time {
	want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(clock)
	y, m, d = want.Date()
	h, mi, s := want.Clock()
	t := time.Date(y, m, d, h, mi, s, want.Nanosecond(), loc)
	_, offset := t.Zone()
	return t.Add(max(want.Sub(t)-time.Duration(offset)*time.Second, 0))
}

func lastDay(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// MonthAt returns the UTC calendar month of t.
func MonthAt(t time.Time) Period {
	y, m, _ := t.UTC().Date()
	return Period{From: time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), To: time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)}
}

// DayAt returns the UTC calendar day of t.
func DayAt(t time.Time) Period {
	y, m, d := t.UTC().Date()
	return Period{From: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), To: time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)}
}

// ParseMonth reads "2026-11" as a UTC calendar month.
func ParseMonth(s string) (Period, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return Period{}, fmt.Errorf("month %.16q: give year and month, such as 2026-11", s)
	}
	return MonthAt(t), nil
}

// LastOf returns the last instant of a month such as "2026-11" in the cycle's zone. The period that holds it starts in
// that month: what people mean by the period of November, whatever the anchor.
func (c Cycle) LastOf(month string) (time.Time, error) {
	loc, err := c.location()
	if err != nil {
		return time.Time{}, err
	}
	p, err := ParseMonth(month)
	if err != nil {
		return time.Time{}, err
	}
	y, m, _ := p.To.Date()
	return local(y, m, 1, 0, loc).Add(-1), nil
}

// Midnight returns the start of the day of t in the cycle's zone: 01:00 where a change of clocks skips midnight.
func (c Cycle) Midnight(t time.Time) (time.Time, error) {
	loc, err := c.location()
	if err != nil {
		return time.Time{}, err
	}
	y, m, d := t.In(loc).Date()
	return local(y, m, d, 0, loc).UTC(), nil
}

// Days counts the calendar days that the period touches in a zone: what a fee per month is shared by.
func Days(p Period, zone string) (int64, error) {
	loc, err := Cycle{Zone: zone}.location()
	if err != nil {
		return 0, fmt.Errorf("zone %.64q: %w", zone, err)
	}
	if !p.From.Before(p.To) {
		return 0, nil
	}
	return dayNumber(p.To.Add(-time.Nanosecond).In(loc)) - dayNumber(p.From.In(loc)) + 1, nil
}
