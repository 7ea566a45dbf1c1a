// Package alerts keeps what detection found and what people did about it: one alert per episode of a key's abuse, with its
// evidence, the action that was taken, and a timeline.
//
// Contract. [Store.Raise] joins a finding to the alert of the same key and episode, so that a thief's thousand requests
// make one alert; a finding that is told twice (a replay after a crash) counts once. A dismissed alert takes further
// findings in silence, unless they are more severe than what was dismissed: then it opens again. Every change is one
// transaction with its row in the audit trail; subscribers hear of it after the commit and cannot hold it up (package
// feed). Evidence and actor are JSON that this package stores and hands back without looking inside.
//
// The package takes no action on keys: whoever calls it suspends, and tells it with [Store.RecordAction].
package alerts

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/feed"
)

// Status is where an alert is in its life.
type Status string

// The life of an alert.
const (
	Open         Status = "open"
	Acknowledged Status = "acknowledged" // somebody looks at it
	Confirmed    Status = "confirmed"    // it was abuse
	Dismissed    Status = "dismissed"    // it was not
	Closed       Status = "closed"       // over; a further finding opens a new alert
)

// Severity is how bad it is.
type Severity string

// The severities, from the mildest.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

var severities = []Severity{Low, Medium, High, Critical}

// Rank is 1 for Low to 4 for Critical, 0 for an unknown one.
func (s Severity) Rank() int { return slices.Index(severities, s) + 1 }

// Action is what was done about a finding.
type Action string

// The ladder of actions, from the mildest.
const (
	Observe    Action = "observe"
	Flag       Action = "flag"
	Throttle   Action = "throttle"
	Quarantine Action = "quarantine"
	Suspend    Action = "suspend"
	Revoke     Action = "revoke"
)

var ladder = []Action{Observe, Flag, Throttle, Quarantine, Suspend, Revoke}

// Alert is one episode of a key's abuse, or of somebody's who guesses keys.
type Alert struct {
	ID        string
	KeyID     string // "" for guessing: no key is known
	AccountID string
	Episode   string // detection's name for what belongs together
	Status    Status
	Severity  Severity // the worst so far
	Action    Action   // the strongest so far
	Title     string
	Sentence  string // why, in words, of the newest finding
	PolicyID  string
	// PolicyRevision names the content of the policy file that the newest finding was judged by.
	PolicyRevision string
	Evidence       json.RawMessage
	Actor          json.RawMessage // who used the key, as detection saw it
	Findings       int64           // how many were joined
	Assignee       string
	Feedback       string // the reason given with confirm or dismiss
	FeedbackBy     string
	Verdict        Status // Confirmed or Dismissed; "" without one. It stays when the alert is closed.

	OpenedAt  time.Time
	UpdatedAt time.Time
	ClosedAt  time.Time // when it was confirmed, dismissed or closed; zero while it is not
	EventTime time.Time // of the newest finding, by the access log's clock
	EndedAt   time.Time // when detection found the episode to be over, by the same clock; zero while it goes on
	Version   int64
	Seq       int64 // place of the last change among all changes of all alerts
}

// Event is one entry of an alert's timeline.
type Event struct {
	N         int64
	At        time.Time
	EventTime time.Time // of a finding and of the end: by the access log's clock, which a backlog is behind; zero of what people do
	Actor     string
	Kind      string // opened, finding, action, ended, acknowledged, confirmed, dismissed, closed, reopened, assigned, comment
	Text      string
	Details   json.RawMessage
}

// Finding is what detection tells.
type Finding struct {
	ID             string // the same when it is told again; "" when that cannot happen
	KeyID          string // "" for guessing; then an episode is needed
	AccountID      string
	Episode        string // "" is one episode per key
	Severity       Severity
	Action         Action // "" is Observe
	Title          string
	Sentence       string
	PolicyID       string
	PolicyRevision string
	Evidence       json.RawMessage
	Actor          json.RawMessage
	EventTime      time.Time
	By             string // detector:<id>
	Ended          bool   // nothing more was found: the episode is over. It ends the timeline, and opens and joins nothing.

	// What similar alerts are found by.
	ASNs     []uint32
	Agents   []string
	Families []string // of evidence
}

// By says who makes a change and why.
type By struct {
	Actor     string // user:<name>, detector:<id>, api, system:<part>
	Reason    string
	RequestID string
	IfVersion int64 // 0: whatever the version is
}

// The errors that callers tell apart.
var (
	ErrNotFound = errors.New("no such alert")
	ErrVersion  = errors.New("the alert was changed by somebody else: read it again and repeat")
	ErrState    = errors.New("the alert's status does not allow this")
	ErrInput    = errors.New("invalid value")
)

// Bounds of what is stored.
const (
	maxTitleBytes    = 300
	maxTextBytes     = 4000
	maxJSONBytes     = 256 << 10
	maxFacets        = 32
	maxFindingEvents = 200 // further findings of an alert are counted but not listed
	ledger           = "alerts"
)

// Config is what a Store needs beside its database.
type Config struct {
	Audit  *audit.Log       // required
	Now    func() time.Time // nil: time.Now
	Poll   time.Duration    // how often other processes' changes are asked for; 0: 500 ms
	Logger *slog.Logger     // nil: none
}

// Change is what subscribers are told.
type Change struct {
	Kind  string // an Event's kind; "" when another process made the change
	Alert Alert
}

// Store keeps alerts. It is safe for concurrent use.
type Store struct {
	db  *sqlstore.DB
	cfg Config
	hub feed.Hub[Change]

	mu  sync.Mutex
	own map[int64]struct{} // changes made here that the poll has not passed yet; nil while nobody polls
}

// NewStore returns a store on db.
func NewStore(db *sqlstore.DB, cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Poll == 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{db: db, cfg: cfg}
}

// Subscribe returns the changes from now on, those of other processes included while Run runs.
func (s *Store) Subscribe(buffer int) *feed.Subscription[Change] { return s.hub.Subscribe(buffer) }

func (s *Store) clock() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// Raised is what became of a finding.
type Raised struct {
	Alert     Alert
	Opened    bool // a new alert, or one that opened again: worth telling people
	Duplicate bool // told before: nothing was changed
}

// Raise joins a finding to its alert, or opens one. The end of an episode whose alert is closed changes nothing: the alert
// that is returned is then the zero one.
func (s *Store) Raise(ctx context.Context, f Finding) (Raised, error) {
	if err := f.check(); err != nil {
		return Raised{}, err
	}
	var out Raised
	var kind string
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		out, kind = Raised{}, "finding"
		now := s.clock()
		// Taking the number locks the ledger, so two processes cannot both open an alert for one episode.
		seq, err := s.next(ctx, tx)
		if err != nil {
			return err
		}
		if a, err := findingOf(ctx, tx, f.ID); err != nil || a != nil {
			if a != nil {
				out = Raised{Alert: *a, Duplicate: true}
			}
			return err
		}
		a, err := one(ctx, tx, ` WHERE key_id = $1 AND episode = $2 AND status <> 'closed'`, f.KeyID, f.Episode)
		switch {
		case errors.Is(err, ErrNotFound) && f.Ended: // of an alert that people have closed
			kind = ""
			return nil
		case errors.Is(err, ErrNotFound):
			a, kind, out.Opened = f.open(now), "opened", true
		case err != nil:
			return err
		}
		before := a.Status
		switch {
		case f.Ended:
			kind, a.EndedAt = "ended", f.EventTime
		case kind == "finding" && f.join(&a):
			kind, out.Opened = "reopened", true
		}
		a.UpdatedAt, a.Seq, a.Version = now, seq, a.Version+1
		if err := save(ctx, tx, &a, kind == "opened"); err != nil {
			return err
		}
		if err := s.timeline(ctx, tx, &a, Event{At: now, EventTime: f.EventTime, Actor: f.By, Kind: kind, Text: f.Sentence, Details: f.Evidence}, f.ID); err != nil {
			return err
		}
		if err := facets(ctx, tx, a.ID, &f); err != nil {
			return err
		}
		out.Alert = a
		if !out.Opened {
			return nil // the timeline has it; the audit trail is for changes of status
		}
		status := ""
		if kind == "reopened" {
			status = string(before)
		}
		return s.cfg.Audit.Append(ctx, tx, entry("alert."+strings.TrimSuffix(kind, "ed"), &a, status, By{Actor: f.By, Reason: f.Title}, now))
	})
	if err != nil {
		return Raised{}, fmt.Errorf("raise alert for %s: %w", cmp.Or(f.KeyID, f.Episode), err)
	}
	if !out.Duplicate && kind != "" {
		s.hub.Publish(Change{Kind: kind, Alert: out.Alert})
	}
	return out, nil
}

func (f *Finding) open(now time.Time) Alert {
	return Alert{
		ID: sqlstore.NewID("alrt_", now), KeyID: f.KeyID, AccountID: f.AccountID, Episode: f.Episode, Status: Open, Severity: f.Severity,
		Action: f.Action, Title: f.Title, Sentence: f.Sentence, PolicyID: f.PolicyID, PolicyRevision: f.PolicyRevision, Evidence: f.Evidence, Actor: f.Actor, Findings: 1,
		OpenedAt: now, EventTime: f.EventTime,
	}
}

// join adds a further finding to a and reports whether a, which was settled, is open again.
func (f *Finding) join(a *Alert) (reopened bool) {
	worse := f.Severity.Rank() > a.Severity.Rank()
	a.Findings++
	a.EndedAt = time.Time{}
	if f.PolicyRevision != "" {
		a.PolicyID, a.PolicyRevision = f.PolicyID, f.PolicyRevision
	}
	if worse {
		a.Severity = f.Severity
	}
	if worse || f.Severity == a.Severity { // a milder one does not hide what the worst one said
		a.Title, a.Sentence, a.Evidence, a.Actor = f.Title, f.Sentence, f.Evidence, f.Actor
	}
	if slices.Index(ladder, f.Action) > slices.Index(ladder, a.Action) {
		a.Action = f.Action
	}
	if f.EventTime.After(a.EventTime) {
		a.EventTime = f.EventTime
	}
	if a.Status == Dismissed && worse {
		a.Status, a.ClosedAt = Open, time.Time{}
		return true
	}
	return false
}

func (f *Finding) check() error {
	if f.Action == "" {
		f.Action = Observe
	}
	f.Title, f.Sentence = text(f.Title, maxTitleBytes), text(f.Sentence, maxTextBytes)
	f.EventTime = f.EventTime.UTC().Truncate(time.Millisecond)
	for _, j := range []*json.RawMessage{&f.Evidence, &f.Actor} {
		if len(*j) == 0 {
			*j = json.RawMessage("null")
		}
		if len(*j) > maxJSONBytes || !json.Valid(*j) {
			return fmt.Errorf("evidence and actor: must be JSON of at most %d bytes: %w", maxJSONBytes, ErrInput)
		}
	}
	switch {
	case f.KeyID == "" && f.Episode == "" || f.By == "" || f.Title == "":
		return fmt.Errorf("a finding needs a key or an episode, a title and who found it: %w", ErrInput)
	case f.Severity.Rank() == 0:
		return fmt.Errorf("severity: %q is none of low, medium, high, critical: %w", f.Severity, ErrInput)
	case !slices.Contains(ladder, f.Action):
		return fmt.Errorf("action: %q is none of observe, flag, throttle, quarantine, suspend, revoke: %w", f.Action, ErrInput)
	}
	return nil
}

// text makes s fit to be shown, and cuts it: a finding must not be lost because it has much to say.
func text(s string, bound int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > bound {
		s = strings.ToValidUTF8(s[:bound-3], "") + "…"
	}
	return s
}
