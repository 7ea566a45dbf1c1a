package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const goodSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestWhoIsToldOfAlerts(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		problem string
	}{
		{"nobody", nil, ""},
		{"https and a secret", []string{"--notify-url", "https://hooks.example/canary", "--notify-secret", goodSecret}, ""},
		{"Slack has no secret", []string{"--notify-url", "https://hooks.example/canary", "--notify-format", "slack"}, ""},
		{"http on this machine", []string{"--notify-url", "http://127.0.0.1:9/canary", "--notify-secret", goodSecret}, ""},
		{"http on this machine by name", []string{"--notify-url", "http://localhost/canary", "--notify-secret", goodSecret}, ""},
		{"http elsewhere", []string{"--notify-url", "http://hooks.example/canary", "--notify-secret", goodSecret}, "notify-url: has http:// to hooks.example, where others could read it"},
		{"http elsewhere, on purpose", []string{"--notify-url", "http://hooks.example/canary", "--notify-secret", goodSecret, "--notify-insecure"}, ""},
		{"a name that begins like this machine", []string{"--notify-url", "http://127.0.0.1.example/canary", "--notify-secret", goodSecret}, "notify-url: has http://"},
		{"no scheme", []string{"--notify-url", "hooks.example/canary", "--notify-secret", goodSecret}, "notify-url: is not an address with https://"},
		{"no address at all", []string{"--notify-url", "https://ho oks/canary", "--notify-secret", goodSecret}, "notify-url: is not an address with https://"},
		{"no such port", []string{"--notify-url", "https://hooks.example:99999/canary", "--notify-secret", goodSecret}, `notify-url: "hooks.example:99999" has no valid port`},
		{"JSON without a secret", []string{"--notify-url", "https://hooks.example/canary"}, "notify-secret: is empty"},
		{"a secret without its prefix", []string{"--notify-secret", "canary9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "notify-secret: is not whsec_ and base64"},
		{"a secret that is too short", []string{"--notify-secret", "whsec_canary=="}, "notify-secret: is not whsec_ and base64"},
		{"an unknown format", []string{"--notify-format", "xml"}, `notify-format: "xml" is not one of json, slack`},
		{"unknown news", []string{"--notify-on", "opened,vanished"}, `notify-on: "vanished" is not one of opened, action`},
		{"no news", []string{"--notify-url", "https://hooks.example/canary", "--notify-secret", goodSecret, "--notify-on", ""}, "notify-on: is empty"},
		{"an unknown severity", []string{"--notify-severity", "bad"}, `notify-severity: "bad" is not one of low, medium, high, critical`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblem(t, c.problem, c.args...)
		})
	}
}

func TestWhoIsToldMayComeFromFilesAndIsPrintedByHostAlone(t *testing.T) {
	dir := t.TempDir()
	url, secret := filepath.Join(dir, "url"), filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(url, []byte("https://canary:canary@hooks.example:8443/canary?token=canary#canary\n"), 0o600))
	require.NoError(t, os.WriteFile(secret, []byte(goodSecret+"\n"), 0o600))
	c, err := load(t, []string{"TOLLKEEPER_NOTIFY_URL_FILE=" + url, "TOLLKEEPER_NOTIFY_SECRET_FILE=" + secret, "TOLLKEEPER_NOTIFY_ON=opened,closed"})
	require.NoError(t, err)
	require.Equal(t, []string{"opened", "closed"}, c.NotifyOn)
	key, err := c.NotifyKey()
	require.NoError(t, err)
	require.Len(t, key, 24)
	printed := c.Print()
	require.Contains(t, printed, "notify-url: https://hooks.example:8443/xxxxx\n")
	require.Contains(t, printed, "notify-secret: xxxxx\n")
	require.NotContains(t, printed, "canary")
	require.NotContains(t, printed, goodSecret[6:])
}
