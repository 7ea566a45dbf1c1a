package detect

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Duration is a time.Duration that is written "36h" or "7d".
type Duration struct{ time.Duration }

// UnmarshalText reads a Go duration, or whole days.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err != nil || fmt.Sprint(n) != days || n < 0 {
			return fmt.Errorf("%q is no duration: write 36h or 7d", s)
		}
		d.Duration = time.Duration(n) * 24 * time.Hour
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration: write 36h or 7d", s)
	}
	d.Duration = v
	return nil
}

// MarshalText writes a Go duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// check tells bad everything that is wrong, with its place.
func (p *Policies) check(bad func(place, format string, args ...any)) {
	if p.Version != 1 {
		bad("version", "version is %d: write version: 1", p.Version)
	}
	c := &p.Caps
	for _, n := range []struct {
		name string
		n    int
	}{
		{"suspensions_per_hour", c.SuspensionsPerHour},
		{"suspensions_per_day", c.SuspensionsPerDay},
		{"suspensions_per_month", c.SuspensionsPerMonth},
		{"flags_per_day", c.FlagsPerDay},
		{"false_suspensions_per_month", c.FalseSuspensionsPerMonth},
	} {
		if n.n < 0 {
			bad("caps."+n.name, "caps.%s: a cap is negative: write a number from 1, or leave it out", n.name)
		}
	}
	if s := c.ShareOfKeys; s < 0 || s > 1 {
		bad("caps.share_of_keys", "caps.share_of_keys is %v: write a share between 0 and 1", s)
	}
	if s := c.FalseAlertShare; s < 0 || s >= 1 {
		bad("caps.false_alert_share", "caps.false_alert_share is %v: write a share above 0 and below 1 (default %v)", s, DefaultFalseAlertShare)
	}
	seen := map[string]bool{}
	for i := range p.List {
		q := &p.List[i]
		place := fmt.Sprintf("policies[%d]", i)
		name := q.ID
		switch {
		case name == "":
			name = place
			bad(place, "%s has no id: name it, so that decisions can refer to it", place)
		case seen[name]:
			bad(place+".id", "%s is defined twice: ids must be unique", name)
		}
		seen[q.ID] = true
		if i < len(p.List)-1 && q.Scope.all() {
			bad(place, "%s has no scope and hides those after it: move it to the end", name)
		}
		q.check(func(field, format string, args ...any) { bad(place+"."+field, name+": "+format, args...) })
	}
}

func (q *Policy) check(bad func(field, format string, args ...any)) {
	switch q.Mode {
	case "", ModeEnforce, ModeObserve:
	default:
		bad("mode", "mode is %q: write enforce or observe", q.Mode)
	}
	switch q.Protected {
	case ProtectedNone, ProtectedActions, ProtectedFully:
	default:
		bad("protected", "protected is %q: write actions or all, or leave it out", q.Protected)
	}
	if r := q.Required; r.Flag != 0 && (r.Flag < 1 || r.Flag > 50) {
		bad("required_evidence", "required_evidence.flag is %v: write a number between 1 and 50 (default %v)", r.Flag, DefaultRequiredFlag)
	}
	if r := q.Required; r.Suspend != 0 && (r.Suspend < 4 || r.Suspend > 50) {
		bad("required_evidence", "required_evidence.suspend is %v: write a number between 4 and 50 (default %v)", r.Suspend, DefaultRequiredSuspend)
	}
	if q.Changes > ActionFlag {
		bad("changes", "changes is %v: write observe or flag", q.Changes)
	}
	if q.TTL.Duration != 0 && q.TTL.Duration < time.Minute {
		bad("ttl", "ttl is %v: write at least 1m", q.TTL)
	}
	for j := range q.Maintenance {
		if err := q.Maintenance[j].check(); err != nil {
			bad(fmt.Sprintf("maintenance[%d]", j), "maintenance[%d]: %v", j, err)
		}
	}
}

func (w *Window) check() error {
	if w.Weekly == "" {
		if w.From.IsZero() || w.To.IsZero() || !w.From.Before(w.To) {
			return errors.New("write from and to as RFC 3339 times, from before to, or weekly")
		}
		return nil
	}
	if !w.From.IsZero() || !w.To.IsZero() {
		return errors.New("write either weekly, or from and to")
	}
	name, span, _ := strings.Cut(w.Weekly, " ")
	from, to, ok := strings.Cut(span, "-")
	start, err1 := time.Parse("15:04", from)
	end, err2 := time.Parse("15:04", to)
	day := -1
	for d := range 7 {
		if strings.EqualFold(time.Weekday(d).String()[:3], name) {
			day = d
		}
	}
	if !ok || err1 != nil || err2 != nil || day < 0 {
		return fmt.Errorf("weekly is %q: write it like Sat 02:00-06:00 (UTC)", w.Weekly)
	}
	w.start = day*24*60 + start.Hour()*60 + start.Minute()
	w.until = day*24*60 + end.Hour()*60 + end.Minute()
	if w.until <= w.start {
		w.until += 24 * 60
	}
	return nil
}
