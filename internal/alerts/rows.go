package alerts

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

const columns = `id, key_id, account_id, episode, status, severity, action, title, sentence, policy_id, evidence, actor, findings, assignee,
	feedback, feedback_by, opened_at, updated_at, closed_at, event_time, version, seq, ended_at,
	verdict, policy_revision`

const columnCount = 25

func scan(row interface{ Scan(...any) error }) (Alert, error) {
	var a Alert
	var severity int
	var evidence, actor string
	var opened, updated, closed, event, ended int64
	if err := row.Scan(&a.ID, &a.KeyID, &a.AccountID, &a.Episode, &a.Status, &severity, &a.Action, &a.Title, &a.Sentence, &a.PolicyID, &evidence,
		&actor, &a.Findings, &a.Assignee, &a.Feedback, &a.FeedbackBy, &opened, &updated, &closed, &event, &a.Version, &a.Seq, &ended, &a.Verdict, &a.PolicyRevision); err != nil {
		return Alert{}, err
	}
	if severity < 1 || severity > len(severities) {
		return Alert{}, fmt.Errorf("alert %s has severity %d", a.ID, severity)
	}
	a.Severity, a.Evidence, a.Actor = severities[severity-1], json.RawMessage(evidence), json.RawMessage(actor)
	a.OpenedAt, a.UpdatedAt, a.ClosedAt, a.EventTime = sqlstore.Time(opened), sqlstore.Time(updated), sqlstore.Time(closed), sqlstore.Time(event)
	a.EndedAt = sqlstore.Time(ended)
	return a, nil
}

// query returns the alerts that "SELECT ... FROM alerts" + rest gives.
func query(ctx context.Context, q sqlstore.Querier, rest string, args ...any) ([]Alert, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM alerts`+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	defer rows.Close()
	var list []Alert
	for rows.Next() {
		a, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read alerts: %w", err)
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return list, nil
}

func one(ctx context.Context, q sqlstore.Querier, rest string, args ...any) (Alert, error) {
	a, err := scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM alerts`+rest, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return Alert{}, ErrNotFound
	}
	if err != nil {
		return Alert{}, fmt.Errorf("read alert: %w", err)
	}
	return a, nil
}

// updateSQL sets every column of the row with the id $1.
var updateSQL = func() string {
	var b strings.Builder
	b.WriteString("UPDATE alerts SET ")
	for i, c := range strings.Split(columns, ",")[1:] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s = $%d", strings.TrimSpace(c), i+2)
	}
	return b.String() + " WHERE id = $1"
}()

func save(ctx context.Context, tx *sql.Tx, a *Alert, isNew bool) error {
	stmt := updateSQL
	if isNew {
		stmt = `INSERT INTO alerts (` + columns + `) VALUES ` + sqlstore.Placeholders(1, columnCount)
	}
	if _, err := tx.ExecContext(ctx, stmt, a.ID, a.KeyID, a.AccountID, a.Episode, string(a.Status), a.Severity.Rank(), string(a.Action), a.Title,
		a.Sentence, a.PolicyID, string(a.Evidence), string(a.Actor), a.Findings, a.Assignee, a.Feedback, a.FeedbackBy, sqlstore.Millis(a.OpenedAt),
		sqlstore.Millis(a.UpdatedAt), sqlstore.Millis(a.ClosedAt), sqlstore.Millis(a.EventTime), a.Version, a.Seq, sqlstore.Millis(a.EndedAt), string(a.Verdict), a.PolicyRevision); err != nil {
		return fmt.Errorf("save alert: %w", err)
	}
	return nil
}

// findingOf returns the alert that a finding was joined to, nil when there is none.
func findingOf(ctx context.Context, q sqlstore.Querier, findingID string) (*Alert, error) {
	if findingID == "" {
		return nil, nil
	}
	a, err := one(ctx, q, ` WHERE id = (SELECT alert_id FROM alert_events WHERE finding_id = $1)`, findingID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// timeline appends an event. The findings of an alert beyond a bound are only counted.
func (s *Store) timeline(ctx context.Context, tx *sql.Tx, a *Alert, e Event, findingID string) error {
	if e.Kind == "finding" && a.Findings > maxFindingEvents {
		return nil
	}
	if len(e.Details) == 0 {
		e.Details = json.RawMessage("null")
	}
	finding := sql.NullString{String: findingID, Valid: findingID != ""}
	if _, err := tx.ExecContext(ctx, `INSERT INTO alert_events (alert_id, n, at, event_at, actor, kind, text, details, finding_id)
		SELECT $1, COALESCE(MAX(n), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM alert_events WHERE alert_id = $1`,
		a.ID, sqlstore.Millis(e.At), sqlstore.Millis(e.EventTime), e.Actor, e.Kind, e.Text, string(e.Details), finding); err != nil {
		return fmt.Errorf("extend the timeline: %w", err)
	}
	return nil
}

// facets adds what similar alerts are found by.
func facets(ctx context.Context, tx *sql.Tx, id string, f *Finding) error {
	var list [][2]string
	for _, asn := range f.ASNs {
		list = append(list, [2]string{"asn", strconv.FormatUint(uint64(asn), 10)})
	}
	for _, v := range f.Agents {
		list = append(list, [2]string{"agent", text(v, maxTitleBytes)})
	}
	for _, v := range f.Families {
		list = append(list, [2]string{"family", text(v, maxTitleBytes)})
	}
	for _, v := range list[:min(len(list), maxFacets)] {
		if _, err := tx.ExecContext(ctx, `INSERT INTO alert_facets (kind, value, alert_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, v[0], v[1], id); err != nil {
			return fmt.Errorf("save what the alert has in common: %w", err)
		}
	}
	return nil
}

func entry(action string, a *Alert, before string, by By, now time.Time) audit.Entry {
	details, err := json.Marshal(map[string]string{"key_id": a.KeyID})
	if err != nil { // cannot be: strings always marshal
		details = nil
	}
	return audit.Entry{
		At: now, Actor: by.Actor, Action: action, TargetType: "alert", TargetID: a.ID, AccountID: a.AccountID, Before: before,
		After: string(a.Status), Reason: by.Reason, RequestID: by.RequestID, Details: details,
	}
}
