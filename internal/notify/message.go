package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Kinds are the news of an alert that can be told.
var Kinds = []string{"opened", "action", "reopened", "confirmed", "dismissed", "closed"}

// Message tells of one thing that happened to an alert. Its JSON is what receivers read (docs/notifications.md): fields may
// be added, none is renamed or removed.
type Message struct {
	ID        string    `json:"-"` // the same however often it is sent
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	SentAt    time.Time `json:"sent_at"`   // set by [Sender.Send]
	Data      Data      `json:"data"`
}

// Data is the alert as it was when the message was written.
type Data struct {
	AlertID   string          `json:"alert_id"`
	KeyID     string          `json:"key_id"` // an id, never a key
	AccountID string          `json:"account_id"`
	Severity  alerts.Severity `json:"severity"`
	Status    alerts.Status   `json:"status"`
	Action    alerts.Action   `json:"action"` // the strongest so far
	Title     string          `json:"title"`
	Sentence  string          `json:"sentence"`       // why
	Note      string          `json:"note,omitempty"` // what was done, or the reason that a person gave
	By        string          `json:"by"`
	Families  []string        `json:"families,omitempty"` // of the evidence
	Actor     *Actor          `json:"actor"`              // who used the key; null when that is not known
	FirstSeen time.Time       `json:"first_seen"`
	LastSeen  time.Time       `json:"last_seen"`
	URL       string          `json:"url,omitempty"`
}

// Actor is who used the key, as detection saw it.
type Actor struct {
	ASN       uint32   `json:"asn"` // 0: not known
	Operator  string   `json:"operator"`
	Network   string   `json:"network"` // address prefix, where the number is not known
	Country   string   `json:"country"`
	Agent     string   `json:"agent"`
	Addresses []string `json:"addresses"` // the latest few
}

// tell writes the message about an entry of an alert's timeline. The entry's place makes the id, so that it is the same
// whoever writes it.
func tell(a *alerts.Alert, e *alerts.Event, publicURL string) Message {
	m := Message{
		ID: fmt.Sprintf("msg_%s_%d", strings.TrimPrefix(a.ID, "alrt_"), e.N), Type: "alert." + e.Kind, Timestamp: e.At,
		Data: Data{
			AlertID: a.ID, KeyID: a.KeyID, AccountID: a.AccountID, Severity: a.Severity, Status: a.Status, Action: a.Action, Title: a.Title, Sentence: a.Sentence,
			By: e.Actor, Families: families(a), FirstSeen: a.OpenedAt, LastSeen: a.EventTime,
		},
	}
	if e.Kind != "opened" && e.Text != a.Sentence { // of what detection opens the text is a sentence
		m.Data.Note = e.Text
	}
	var actor *Actor
	if json.Unmarshal(a.Actor, &actor) == nil && actor != nil { // one of another making is left out
		if actor.Addresses == nil {
			actor.Addresses = []string{}
		}
		m.Data.Actor = actor
	}
	if publicURL != "" {
		m.Data.URL = strings.TrimSuffix(publicURL, "/") + "/alerts/" + a.ID
	}
	return m
}

// families are those of an alert's evidence, each once.
func families(a *alerts.Alert) []string {
	var e struct{ Evidence []struct{ Family string } }
	if json.Unmarshal(a.Evidence, &e) != nil {
		return nil // of another making
	}
	var list []string
	for _, v := range e.Evidence {
		if v.Family != "" && !slices.Contains(list, v.Family) {
			list = append(list, v.Family)
		}
	}
	return list
}

// Test is a message that says of itself that it is none of an alert.
func Test(now time.Time) Message {
	now = now.UTC().Truncate(time.Millisecond)
	return Message{
		ID: sqlstore.NewID("msg_test_", now), Type: "test", Timestamp: now,
		Data: Data{
			Severity: alerts.Low, Status: alerts.Closed, Action: alerts.Observe, Title: "A test of Tollkeeper's notifications",
			Sentence: "Nothing happened: somebody tries whether alerts arrive here.", By: "system:test", FirstSeen: now, LastSeen: now,
		},
	}
}

// encode is JSON without the escapes that only HTML needs.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the message: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
