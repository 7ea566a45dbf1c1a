package detect

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
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

// ParsePolicies reads a policy file. The error joins everything that is wrong with it, each with the place and what to write.
func ParsePolicies(file []byte) (*Policies, error) {
	p := &Policies{}
	if err := yaml.UnmarshalWithOptions(file, p, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("policies: %s", yaml.FormatError(err, false, true))
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.complete()
	return p, nil
}

func (p *Policies) check() error {
	var all []error
	bad := func(format string, args ...any) { all = append(all, fmt.Errorf("policies: "+format, args...)) }
	if p.Version != 1 {
		bad("version is %d: write version: 1", p.Version)
	}
	if c := p.Caps; c.SuspensionsPerHour < 0 || c.SuspensionsPerDay < 0 || c.SuspensionsPerMonth < 0 || c.FlagsPerDay < 0 || c.FalseSuspensionsPerMonth < 0 {
		bad("caps: a cap is negative: write a number from 1, or leave it out")
	}
	if s := p.Caps.ShareOfKeys; s < 0 || s > 1 {
		bad("caps.share_of_keys is %v: write a share between 0 and 1", s)
	}
	if s := p.Caps.FalseAlertShare; s < 0 || s >= 1 {
		bad("caps.false_alert_share is %v: write a share above 0 and below 1 (default %v)", s, DefaultFalseAlertShare)
	}
	seen := map[string]bool{}
	for i := range p.List {
		q := &p.List[i]
		at := fmt.Sprintf("policies[%d]", i)
		if q.ID == "" {
			bad("%s has no id: name it, so that decisions can refer to it", at)
		} else {
			at = q.ID
		}
		if seen[q.ID] {
			bad("%s is defined twice: ids must be unique", at)
		}
		seen[q.ID] = true
		if i < len(p.List)-1 && q.Scope.all() {
			bad("%s has no scope and hides those after it: move it to the end", at)
		}
		all = append(all, q.check(at)...)
	}
	return errors.Join(all...)
}

func (q *Policy) check(at string) (all []error) {
	bad := func(format string, args ...any) {
		all = append(all, fmt.Errorf("policies: "+at+": "+format, args...))
	}
	switch q.Mode {
	case "", ModeEnforce, ModeObserve:
	default:
		bad("mode is %q: write enforce or observe", q.Mode)
	}
	switch q.Protected {
	case ProtectedNone, ProtectedActions, ProtectedFully:
	default:
		bad("protected is %q: write actions or all, or leave it out", q.Protected)
	}
	if r := q.Required; r.Flag != 0 && (r.Flag < 1 || r.Flag > 50) {
		bad("required_evidence.flag is %v: write a number between 1 and 50 (default %v)", r.Flag, DefaultRequiredFlag)
	}
	if r := q.Required; r.Suspend != 0 && (r.Suspend < 4 || r.Suspend > 50) {
		bad("required_evidence.suspend is %v: write a number between 4 and 50 (default %v)", r.Suspend, DefaultRequiredSuspend)
	}
	if q.Changes > ActionFlag {
		bad("changes is %v: write observe or flag", q.Changes)
	}
	if q.TTL.Duration != 0 && q.TTL.Duration < time.Minute {
		bad("ttl is %v: write at least 1m", q.TTL)
	}
	for j := range q.Maintenance {
		if err := q.Maintenance[j].check(); err != nil {
			bad("maintenance[%d]: %v", j, err)
		}
	}
	return all
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
