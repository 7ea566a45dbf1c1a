package notify

import (
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
)

const maxSummaryRunes = 1024 // PagerDuty refuses more

// incident is an event of PagerDuty's Events API v2, which others that page people take too.
type incident struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
}

type payload struct {
	Summary   string    `json:"summary"`
	Source    string    `json:"source"`
	Severity  string    `json:"severity"`
	Timestamp time.Time `json:"timestamp"`
	Component string    `json:"component,omitempty"`
	Group     string    `json:"group,omitempty"`
	Class     string    `json:"class,omitempty"`
	Details   Data      `json:"custom_details"`
}

var urgency = map[alerts.Severity]string{alerts.Critical: "critical", alerts.High: "error", alerts.Medium: "warning", alerts.Low: "info"}

// pagerDuty is the message as an event: an alert is an incident from its opening until somebody has settled it. What decides is
// the alert's state and not the message's type, so that a suspension after the verdict wakes nobody again.
func (m *Message) pagerDuty(routingKey string) ([]byte, error) {
	d := &m.Data
	e := incident{RoutingKey: routingKey, Action: "trigger", DedupKey: d.AlertID, Client: "Tollkeeper", ClientURL: d.URL}
	settled := []alerts.Status{alerts.Confirmed, alerts.Dismissed, alerts.Closed}
	switch {
	case m.Type == "test":
		e.DedupKey = m.ID
	case slices.Contains(settled, d.Status):
		return encode(incident{RoutingKey: routingKey, Action: "resolve", DedupKey: d.AlertID})
	}
	summary := d.Title
	if d.KeyID != "" {
		summary += " (" + d.KeyID + ")"
	}
	if d.Sentence != "" {
		summary += ": " + d.Sentence
	}
	if r := []rune(summary); len(r) > maxSummaryRunes {
		summary = string(r[:maxSummaryRunes])
	}
	e.Payload = &payload{
		Summary: summary, Source: "tollkeeper", Severity: urgency[d.Severity], Timestamp: m.Timestamp,
		Component: d.KeyID, Group: d.AccountID, Class: m.Type, Details: *d,
	}
	return encode(e)
}
