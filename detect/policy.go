package detect

import (
	"slices"
	"strings"
	"time"
)

// KeyAttributes is what the key store knows about a key and policies may ask for.
type KeyAttributes struct {
	Account     string
	Plan        string
	Environment string
	Tags        []string
}

// Policies say what is done about findings. They are immutable once made; see [ParsePolicies] for the file.
type Policies struct {
	Version int      `yaml:"version"`
	Caps    Caps     `yaml:"caps"`
	List    []Policy `yaml:"policies"`
	// Revision names the content of the file that they come from; "built-in" without one. Decisions carry it.
	Revision string `yaml:"-"`
}

// Caps bound what the engine may do however sure it is: the blast radius of an error in it. Beyond a cap findings are flagged,
// and say so.
type Caps struct {
	SuspensionsPerHour  int `yaml:"suspensions_per_hour"`  // 0: 10
	SuspensionsPerDay   int `yaml:"suspensions_per_day"`   // 0: 50
	SuspensionsPerMonth int `yaml:"suspensions_per_month"` // of 30 days; 0: no such cap
	// ShareOfKeys bounds the suspensions of a day by the keys that were seen; 0: 0.1. Below 20 keys it allows two.
	ShareOfKeys float64 `yaml:"share_of_keys"`
	FlagsPerDay int     `yaml:"flags_per_day"` // 0: no cap
	// FalseSuspensionsPerMonth bounds the suspensions of the last 30 days that people dismissed as false: from then on findings
	// are flags until the oldest is over. 0: no such cap. An engine does not know of it: whoever carries decisions out does.
	FalseSuspensionsPerMonth int `yaml:"false_suspensions_per_month"`
	// FalseAlertShare is the share of alerts that may be false, which sets how much evidence an alert needs: the more suspects there
	// are for each alert, the more. Above 0, below 1; 0: 0.2. See package fdr for what is promised.
	FalseAlertShare float64 `yaml:"false_alert_share"`
}

// Mode says whether a policy acts.
type Mode string

// Modes.
const (
	ModeEnforce Mode = "enforce"
	ModeObserve Mode = "observe" // decide and record, act on nothing
)

// Protection of keys that must not be touched.
type Protection string

// Protections.
const (
	ProtectedNone    Protection = ""
	ProtectedActions Protection = "actions" // at most a flag
	ProtectedFully   Protection = "all"     // not judged at all
)

// Policy is what is done about a set of keys. The first policy whose scope fits a key counts for it.
type Policy struct {
	ID    string `yaml:"id"`
	Scope Scope  `yaml:"scope"`
	Mode  Mode   `yaml:"mode"`
	// Suspend is what is done where the evidence is enough for a suspension: suspend, quarantine (falls back to suspend where the
	// actor cannot be told from the customer), throttle or flag.
	Suspend Action `yaml:"suspend"`
	// Families bounds what a finding led by that family may do.
	Families    map[Family]Action `yaml:"families"`
	Protected   Protection        `yaml:"protected"`
	Required    Required          `yaml:"required_evidence"`
	MinHistory  MinHistory        `yaml:"minimum_history"`
	TTL         Duration          `yaml:"ttl"`
	Maintenance []Window          `yaml:"maintenance"`
	// Changes is what is done about slow changes of a key's volume, drops and silence: observe (told, not alerted) or flag.
	Changes Action `yaml:"changes"`
}

// Scope chooses keys; an empty list chooses all. Lists are combined by "and", their values by "or".
type Scope struct {
	Plans        []string `yaml:"plans"`
	Accounts     []string `yaml:"accounts"`
	Tags         []string `yaml:"tags"`
	Environments []string `yaml:"environments"`
	Keys         []string `yaml:"keys"`
}

// Required is how much evidence, as -log10 of a probability, is wanted.
type Required struct {
	Flag    float64 `yaml:"flag"`
	Suspend float64 `yaml:"suspend"`
}

// MinHistory is what must be known about a key before anything above a flag is done.
type MinHistory struct {
	Age      Duration `yaml:"age"`
	Requests uint32   `yaml:"requests"`
}

// Window is a time in which nothing above a flag is done: either From and To, or weekly.
type Window struct {
	From   time.Time `yaml:"from"`
	To     time.Time `yaml:"to"`
	Weekly string    `yaml:"weekly"` // such as "Sat 02:00-06:00", UTC; the end may be on the next day
	Reason string    `yaml:"reason"`

	start, until int // minutes of the week
}

func (w *Window) covers(t time.Time) bool {
	if w.Weekly == "" {
		return !t.Before(w.From) && t.Before(w.To)
	}
	const week = 7 * 24 * 60
	m := int(t.Weekday())*24*60 + t.Hour()*60 + t.Minute()
	return m >= w.start && m < w.until || m+week < w.until
}

// DefaultPolicies suspend and flag everywhere, with a day's time to live.
func DefaultPolicies() *Policies {
	p := &Policies{Version: 1, Revision: "built-in", List: []Policy{{ID: "default"}}}
	p.complete()
	return p
}

func (p *Policies) complete() {
	if p.Caps.SuspensionsPerHour == 0 {
		p.Caps.SuspensionsPerHour = 10
	}
	if p.Caps.SuspensionsPerDay == 0 {
		p.Caps.SuspensionsPerDay = 50
	}
	if p.Caps.ShareOfKeys == 0 {
		p.Caps.ShareOfKeys = 0.1
	}
	if p.Caps.FalseAlertShare == 0 {
		p.Caps.FalseAlertShare = DefaultFalseAlertShare
	}
	for i := range p.List {
		q := &p.List[i]
		if q.Mode == "" {
			q.Mode = ModeEnforce
		}
		if q.Suspend == 0 {
			q.Suspend = ActionSuspend
		}
		if q.Required.Flag == 0 {
			q.Required.Flag = DefaultRequiredFlag
		}
		if q.Required.Suspend == 0 {
			q.Required.Suspend = DefaultRequiredSuspend
		}
		if q.MinHistory.Requests == 0 {
			q.MinHistory.Requests = 20
		}
		if q.TTL.Duration == 0 {
			q.TTL.Duration = 24 * time.Hour
		}
	}
	if n := len(p.List); n == 0 || !p.List[n-1].Scope.all() {
		rest := Policy{
			ID: "default", Mode: ModeEnforce, Suspend: ActionSuspend, Required: Required{DefaultRequiredFlag, DefaultRequiredSuspend},
			MinHistory: MinHistory{Requests: 20}, TTL: Duration{24 * time.Hour},
		}
		p.List = append(p.List, rest)
	}
}

func (s *Scope) all() bool {
	return len(s.Plans)+len(s.Accounts)+len(s.Tags)+len(s.Environments)+len(s.Keys) == 0
}

func (s *Scope) fits(key string, a *KeyAttributes) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	if !in(s.Plans, a.Plan) || !in(s.Accounts, a.Account) || !in(s.Environments, a.Environment) {
		return false
	}
	if len(s.Tags) > 0 && !slices.ContainsFunc(s.Tags, func(t string) bool { return slices.Contains(a.Tags, t) }) {
		return false
	}
	return len(s.Keys) == 0 || slices.ContainsFunc(s.Keys, func(k string) bool {
		if prefix, ok := strings.CutSuffix(k, "*"); ok {
			return strings.HasPrefix(key, prefix)
		}
		return k == key
	})
}

// For returns the policy of a key. attributes may be nil.
func (p *Policies) For(key string, attributes func(keyID string) KeyAttributes) *Policy {
	var a KeyAttributes
	if attributes != nil {
		a = attributes(key)
	}
	for i := range p.List {
		if p.List[i].Scope.fits(key, &a) {
			return &p.List[i]
		}
	}
	return &p.List[len(p.List)-1]
}
