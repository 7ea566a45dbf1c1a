package alerts

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Filter selects alerts; zero fields select all.
type Filter struct {
	Statuses     []Status
	Judged       bool // only those with a verdict, closed ones included
	MinSeverity  Severity
	KeyID        string
	AccountID    string
	PolicyID     string
	Action       Action
	Assignee     string
	Text         string    // part of title, sentence or key id, in any case
	Since, Until time.Time // when it was opened: [Since, Until)
	Cursor       string
	Limit        int
}

// Get returns an alert.
func (s *Store) Get(ctx context.Context, id string) (Alert, error) {
	a, err := one(ctx, s.db.Read(), ` WHERE id = $1`, id)
	if err != nil {
		return Alert{}, fmt.Errorf("alert %q: %w", text(id, 40), err)
	}
	return a, nil
}

// Timeline returns an alert's events, the oldest first: at most a few hundred.
func (s *Store) Timeline(ctx context.Context, id string) ([]Event, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT n, at, event_at, actor, kind, text, details FROM alert_events WHERE alert_id = $1 ORDER BY n LIMIT 2000`, id)
	if err != nil {
		return nil, fmt.Errorf("read timeline: %w", err)
	}
	defer rows.Close()
	var list []Event
	for rows.Next() {
		var e Event
		var at, eventAt int64
		var details string
		if err := rows.Scan(&e.N, &at, &eventAt, &e.Actor, &e.Kind, &e.Text, &details); err != nil {
			return nil, fmt.Errorf("read timeline: %w", err)
		}
		e.At, e.EventTime, e.Details = sqlstore.Time(at), sqlstore.Time(eventAt), json.RawMessage(details)
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read timeline: %w", err)
	}
	return list, nil
}

// List returns matching alerts, the newest first, and the cursor of the next page, "" at the end.
func (s *Store) List(ctx context.Context, f Filter) ([]Alert, string, error) {
	limit, err := sqlstore.PageSize(f.Limit)
	if err != nil {
		return nil, "", fmt.Errorf("limit: %w: %w", err, ErrInput)
	}
	after, err := sqlstore.ParseCursor(f.Cursor)
	if err != nil {
		return nil, "", fmt.Errorf("cursor: %w: %w", err, ErrInput)
	}
	w, err := f.where()
	if err != nil {
		return nil, "", err
	}
	if after.ID != "" {
		w.And("(opened_at, id) < (?, ?)", after.Millis, after.ID)
	}
	list, err := query(ctx, s.db.Read(), w.String()+` ORDER BY opened_at DESC, id DESC LIMIT `+strconv.Itoa(limit+1), w.Args...)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	last := list[limit-1]
	return list[:limit], sqlstore.Cursor{Millis: last.OpenedAt.UnixMilli(), ID: last.ID}.String(), nil
}

func (f *Filter) where() (sqlstore.Where, error) {
	var w sqlstore.Where
	statuses := make([]string, len(f.Statuses))
	for i, st := range f.Statuses {
		switch st {
		case Open, Acknowledged, Confirmed, Dismissed, Closed:
			statuses[i] = string(st)
		default:
			return w, fmt.Errorf("status: %q is none of open, acknowledged, confirmed, dismissed, closed: %w", st, ErrInput)
		}
	}
	w.AnyOf("status", statuses)
	if f.Judged {
		w.And("verdict <> ''")
	}
	if f.MinSeverity != "" {
		if f.MinSeverity.Rank() == 0 {
			return w, fmt.Errorf("severity: %q is none of low, medium, high, critical: %w", f.MinSeverity, ErrInput)
		}
		w.And("severity >= ?", f.MinSeverity.Rank())
	}
	for _, c := range []struct{ column, value string }{
		{"key_id", f.KeyID}, {"account_id", f.AccountID}, {"policy_id", f.PolicyID}, {"action", string(f.Action)}, {"assignee", f.Assignee},
	} {
		if c.value != "" {
			w.And(c.column+" = ?", c.value)
		}
	}
	if f.Text != "" {
		p := sqlstore.Like(f.Text)
		w.And(`LOWER(title) LIKE LOWER(?) ESCAPE '\' OR LOWER(sentence) LIKE LOWER(?) ESCAPE '\' OR LOWER(key_id) LIKE LOWER(?) ESCAPE '\'`, p, p, p)
	}
	if !f.Since.IsZero() {
		w.And("opened_at >= ?", sqlstore.Millis(f.Since))
	}
	if !f.Until.IsZero() {
		w.And("opened_at < ?", sqlstore.Millis(f.Until))
	}
	return w, nil
}

// Counts returns how many alerts there are of each status.
func (s *Store) Counts(ctx context.Context) (map[Status]int64, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT status, COUNT(*) FROM alerts GROUP BY status`)
	if err != nil {
		return nil, fmt.Errorf("count alerts: %w", err)
	}
	defer rows.Close()
	counts := map[Status]int64{Open: 0, Acknowledged: 0, Confirmed: 0, Dismissed: 0, Closed: 0}
	for rows.Next() {
		var st Status
		var n int64
		if err := rows.Scan(&st, &n); err != nil {
			return nil, fmt.Errorf("count alerts: %w", err)
		}
		counts[st] = n
	}
	return counts, rows.Err()
}

// FalseActions counts the alerts that were dismissed since then although their key had been suspended or its actor
// quarantined.
func (s *Store) FalseActions(ctx context.Context, since time.Time) (int, error) {
	var n int
	if err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM alerts WHERE verdict = 'dismissed' AND action IN ('suspend', 'quarantine') AND closed_at >= $1`,
		sqlstore.Millis(since)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count false actions: %w", err)
	}
	return n, nil
}

// Similar is an alert that has something in common with another.
type Similar struct {
	Alert   Alert
	Score   int
	Because []string // "the same key", "network AS64500", ...
}

// What each thing in common weighs. A family of evidence is shared by many alerts and does not count alone.
const (
	weightKey    = 4
	weightASN    = 3
	weightAgent  = 2
	weightFamily = 1
	minScore     = 2
	perFacet     = 200 // the newest alerts that are looked at for each thing in common
)

// Similar returns up to limit alerts that share the key, the actor's network or client, or several families of evidence
// with the given one; those that share most come first, then the newest.
func (s *Store) Similar(ctx context.Context, id string, limit int) ([]Similar, error) {
	a, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Similar)
	note := func(ids []string, weight int, because string) {
		for _, other := range ids {
			if other == id {
				continue
			}
			if found[other] == nil {
				found[other] = &Similar{}
			}
			found[other].Score += weight
			found[other].Because = append(found[other].Because, because)
		}
	}
	ids, err := s.strings(ctx, `SELECT id FROM alerts WHERE key_id = $1 AND key_id <> '' ORDER BY opened_at DESC, id DESC LIMIT $2`, a.KeyID, perFacet)
	if err != nil {
		return nil, err
	}
	note(ids, weightKey, "the same key")
	for _, kind := range []struct {
		name, label string
		weight      int
	}{{"asn", "network AS", weightASN}, {"agent", "client ", weightAgent}, {"family", "evidence of ", weightFamily}} {
		values, err := s.strings(ctx, `SELECT value FROM alert_facets WHERE alert_id = $1 AND kind = $2 ORDER BY value`, id, kind.name)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			ids, err := s.strings(ctx, `SELECT alert_id FROM alert_facets WHERE kind = $1 AND value = $2 ORDER BY alert_id DESC LIMIT $3`, kind.name, v, perFacet)
			if err != nil {
				return nil, err
			}
			note(ids, kind.weight, kind.label+v)
		}
	}
	return s.best(ctx, found, limit)
}

func (s *Store) best(ctx context.Context, found map[string]*Similar, limit int) ([]Similar, error) {
	var ids []string
	for id, f := range found {
		if f.Score >= minScore {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(found[b].Score, found[a].Score), cmp.Compare(b, a)) // ids sort by time
	})
	var out []Similar
	for _, id := range ids[:min(len(ids), max(limit, 0))] {
		a, err := s.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		found[id].Alert = a
		out = append(out, *found[id])
	}
	return out, nil
}

func (s *Store) strings(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, fmt.Errorf("read alerts: %w", err)
		}
		list = append(list, v)
	}
	return list, rows.Err()
}
