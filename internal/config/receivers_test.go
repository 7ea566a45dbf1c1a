package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// receiversFile writes a file of receivers beside the secrets that it may name.
func receiversFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, secret := range map[string]string{
		"chat": "https://hooks.example/services/T0canaryB0canary\n", "secret": goodSecret + "\n", "routing": "R0canary\n", "empty": "", "plain": "http://hooks.example/canary",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600))
	}
	path := filepath.Join(dir, "receivers.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestSeveralReceiversAreToldEachInItsOwnWay(t *testing.T) {
	path := receiversFile(t, `
receivers:
  - {name: chat, format: slack, url_file: chat, severity: low}
  - {name: siem, url: "https://siem.example:8443/in", secret_file: secret, "on": [opened, closed]}
  - {name: on-call, format: pagerduty, routing_key_file: routing, severity: critical, families: [novelty, enumeration]}
`)
	c, err := load(t, nil, "--notify-receivers", path, "--notify-url", "https://hooks.example/canary", "--notify-secret", goodSecret, "--notify-on", "opened")
	require.NoError(t, err)
	list, err := c.Receivers()
	require.NoError(t, err)
	require.Len(t, list, 4)
	key := list[0].Key
	require.Len(t, key, 24)
	require.Equal(t, []Receiver{
		{Name: "alerts", Format: "json", URL: "https://hooks.example/canary", Key: key, On: []string{"opened"}, Severity: "medium"},
		{Name: "chat", Format: "slack", URL: "https://hooks.example/services/T0canaryB0canary", On: []string{"opened", "action"}, Severity: "low"},
		{Name: "siem", Format: "json", URL: "https://siem.example:8443/in", Key: key, On: []string{"opened", "closed"}, Severity: "medium"},
		{
			Name: "on-call", Format: "pagerduty", URL: "https://events.pagerduty.com/v2/enqueue", RoutingKey: "R0canary", Severity: "critical",
			On: []string{"opened", "action", "reopened", "confirmed", "dismissed", "closed"}, Families: []string{"novelty", "enumeration"},
		},
	}, list)
	require.NotContains(t, c.Print(), "canary")

	c, err = load(t, nil)
	require.NoError(t, err)
	list, err = c.Receivers()
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestWhatIsWrongWithAReceiverIsSaidByItsNameAndField(t *testing.T) {
	good := "{name: chat, format: slack, url_file: chat}"
	for _, c := range []struct{ name, text, problem string }{
		{"no file of receivers", "", "names no receiver"},
		{"no YAML", "receivers: [", "is not a list of receivers"},
		{"a field that is none", "receivers: [{name: chat, format: slack, url_file: chat, colour: red}]", "colour"},
		{"no name", "receivers: [{format: slack, url_file: chat}]", "receiver 1: name"},
		{"an odd name", "receivers: [{name: 'Our Chat', format: slack, url_file: chat}]", `name: "Our Chat" is not`},
		{"a name twice", "receivers: [" + good + ", " + good + "]", "chat: name: is there twice"},
		{"the name of notify-url's", "receivers: [{name: alerts, format: slack, url_file: chat}]", "alerts: name: is that of the receiver which notify-url sets"},
		{"a format that is none", "receivers: [{name: chat, format: xml, url_file: chat}]", `chat: format: "xml" is not one of json, slack, pagerduty`},
		{"no address", "receivers: [{name: chat, format: slack}]", "chat: url_file: is missing"},
		{"two addresses", "receivers: [{name: siem, url: 'https://a.example/canary', url_file: chat, secret_file: secret}]", "siem: url: is there twice, as url_file too"},
		{"Slack's address in the open", "receivers: [{name: chat, format: slack, url: 'https://a.example/canary'}]", "chat: url: lets whoever knows it post there; put it into a file, and name that as url_file"},
		{"an address with a password in the open", "receivers: [{name: siem, url: 'https://u:canary@a.example', secret_file: secret}]", "siem: url: holds a password"},
		{"no such file", "receivers: [{name: chat, format: slack, url_file: none}]", "chat: url_file: cannot read"},
		{"an empty file", "receivers: [{name: chat, format: slack, url_file: empty}]", "chat: url_file: "},
		{"http elsewhere", "receivers: [{name: chat, format: slack, url_file: plain}]", "chat: url_file: has http:// to hooks.example, where others could read it on the way; use https://, or set insecure"},
		{"http elsewhere, on purpose", "receivers: [{name: chat, format: slack, url_file: plain, insecure: true}]", ""},
		{"JSON without a secret", "receivers: [{name: siem, url_file: chat}]", "siem: secret_file: is missing, so a receiver could not tell our messages from others'"},
		{"no secret", "receivers: [{name: siem, url_file: chat, secret_file: chat}]", "siem: secret_file: is not whsec_ and base64"},
		{"PagerDuty without a key", "receivers: [{name: pager, format: pagerduty}]", "pager: routing_key_file: is missing"},
		{"a key for another", "receivers: [{name: chat, format: slack, url_file: chat, routing_key_file: routing}]", "chat: routing_key_file: is for format pagerduty only"},
		{"unknown news", "receivers: [{name: chat, format: slack, url_file: chat, \"on\": [vanished]}]", `chat: on: "vanished" is not one of opened`},
		{"no news", "receivers: [{name: chat, format: slack, url_file: chat, \"on\": []}]", "chat: on: is empty"},
		{"an unknown severity", "receivers: [{name: chat, format: slack, url_file: chat, severity: bad}]", `chat: severity: "bad" is not one of low`},
		{"too many", "receivers: [" + strings.Repeat(good+", ", 17) + "]", "17 receivers are too many; the most is 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := load(t, nil, "--notify-receivers", receiversFile(t, c.text))
			require.NoError(t, err, "loading opens nothing")
			_, err = s.Receivers()
			if c.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.problem)
			require.ErrorContains(t, err, "notify-receivers: ")
			require.NotContains(t, err.Error(), "canary")
		})
	}
	s, err := load(t, nil, "--notify-receivers", "/none")
	require.NoError(t, err)
	_, err = s.Receivers()
	require.ErrorContains(t, err, `notify-receivers: cannot read "/none"`)
}
