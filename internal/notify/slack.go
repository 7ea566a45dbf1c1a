package notify

import (
	"fmt"
	"regexp"
	"strings"
)

var headlines = map[string]string{
	"alert.opened": "Alert", "alert.action": "Alert, action taken", "alert.reopened": "Alert reopened", "alert.confirmed": "Alert confirmed: it was abuse",
	"alert.dismissed": "Alert dismissed: it was no abuse", "alert.closed": "Alert closed", "test": "Test",
}

// slack is the message for Slack's incoming webhooks, which Mattermost takes too.
func (m *Message) slack() ([]byte, error) {
	d := &m.Data
	lines := []string{fmt.Sprintf("*%s* (%s): %s", headlines[m.Type], d.Severity, plain(d.Title))}
	if d.KeyID != "" {
		about := "Key " + plain(d.KeyID)
		if d.AccountID != "" {
			about += " of account " + plain(d.AccountID)
		}
		lines = append(lines, about)
	}
	for _, text := range []string{d.Sentence, d.Note} {
		if text != "" {
			lines = append(lines, plain(text))
		}
	}
	if d.URL != "" {
		lines = append(lines, "<"+plain(d.URL)+"|Open the alert>")
	}
	return encode(map[string]string{"text": strings.Join(lines, "\n")})
}

var (
	markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	// Slack calls everybody for <!channel>, which markup takes care of, Mattermost for the bare word.
	callAll = regexp.MustCompile(`(?i)@(all|channel|here)\b`)
)

// plain makes text that may come from an attacker, such as the name of a client, plain text to Slack and Mattermost.
func plain(s string) string { return callAll.ReplaceAllString(markup.Replace(s), "@\u200b$1") }
