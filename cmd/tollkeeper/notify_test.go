package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/internal/demo"
)

const (
	notifySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	notifyCanary = "T0canaryB0canary" // in the receiver's address
)

// hook is what a receiver of alerts got.
type hook struct {
	ID   string
	Type string
	Data struct {
		AlertID  string `json:"alert_id"`
		KeyID    string `json:"key_id"`
		Severity string
		Action   string
		Sentence string
		Note     string
		URL      string
		Actor    struct {
			Agent     string
			Addresses []string
		}
	}
}

// hooks is a receiver that takes only what is signed, while it is up.
type hooks struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	down  bool
	turns int // how often it was asked while down
	got   []hook
}

func startHooks(t *testing.T) *hooks {
	h := &hooks{t: t}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/services/" + notifyCanary
	return h
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(notifySecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), raw)
	m := hook{ID: r.Header.Get("webhook-id")}
	switch {
	case r.URL.Path != "/services/"+notifyCanary:
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), json.Unmarshal(raw, &m) != nil:
		w.WriteHeader(http.StatusUnauthorized)
	case h.down:
		h.turns++
		http.Error(w, "not "+r.URL.Path, http.StatusBadGateway)
	default:
		h.got = append(h.got, m)
	}
}

func (h *hooks) set(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// nth returns one of the messages that were taken, from 0.
func (h *hooks) nth(n int) hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	require.Greater(h.t, len(h.got), n)
	return h.got[n]
}

// until waits for a message that is as wanted.
func (h *hooks) until(within time.Duration, want func(hook) bool) hook {
	h.t.Helper()
	var found hook
	eventually(h.t, within, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, m := range h.got {
			if want(m) {
				found = m
				return nil
			}
		}
		return fmt.Errorf("the receiver has %+v and was asked %d times while down", h.got, h.turns)
	})
	return found
}

func TestAStolenKeysSuspensionReachesTheReceiverAlsoAfterAnOutageAndARestart(t *testing.T) {
	dir, h := t.TempDir(), startHooks(t)
	urlFile, secretFile := filepath.Join(dir, "url"), filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(urlFile, []byte(h.url+"\n"), 0o600))
	require.NoError(t, os.WriteFile(secretFile, []byte(notifySecret+"\n"), 0o600))
	t.Setenv("TOLLKEEPER_NOTIFY_URL_FILE", urlFile)
	t.Setenv("TOLLKEEPER_NOTIFY_SECRET_FILE", secretFile)
	policy := filepath.Join(dir, "policy.yaml") // of ten keys two may be suspended in a day
	require.NoError(t, os.WriteFile(policy, []byte("version: 1\ncaps: {share_of_keys: 1}\npolicies: [{id: all}]\n"), 0o600))
	data := filepath.Join(dir, "data")
	args := []string{
		"--data", data, "--format", "tollkeeper", "--kafka-partitions", "1", "--policy", policy, "--log-level", "debug", "--log-format", "json",
		"--notify-on", "opened,action,dismissed",
	}
	s := serve(t, args...)
	customers, keys := history(t, s)
	g := demo.NewGateway(s.url, s.kafka, "access-log", keys)
	defer g.Close()
	id := 60_000
	steal := func(v *demo.Customer) {
		t.Helper()
		eventually(t, time.Minute, func() error {
			id++
			status, err := g.Pass(t.Context(), demo.Call{
				Customer: v, At: time.Now(), Method: "GET", Path: fmt.Sprintf("/v1/customers/%d", id), Status: 200, Millis: 11, Bytes: 1100,
				ClientIP: netip.MustParseAddr("139.59.3.7"), UserAgent: "scrapekit/0.9",
			})
			require.NoError(t, err)
			if status != http.StatusForbidden {
				return fmt.Errorf("the thief is still served")
			}
			return nil
		})
	}
	suspended := func(v *demo.Customer) func(hook) bool {
		return func(m hook) bool {
			return m.Type == "alert.action" && m.Data.KeyID == keys[v].ID && strings.HasPrefix(m.Data.Note, "suspended until ")
		}
	}

	steal(customers[0])
	m := h.until(10*time.Second, suspended(customers[0]))
	require.Equal(t, "high", m.Data.Severity)
	require.Equal(t, "suspend", m.Data.Action)
	require.NotEmpty(t, m.Data.Sentence)
	require.Equal(t, "scrapekit", m.Data.Actor.Agent)
	require.Equal(t, []string{"139.59.3.7"}, m.Data.Actor.Addresses)
	require.Empty(t, m.Data.URL, "no public-url is set")
	require.Equal(t, "alert.opened", h.nth(0).Type)
	require.Equal(t, m.Data.AlertID, h.nth(0).Data.AlertID)

	// The receiver goes away; another key is stolen; the server is restarted, with a public address now.
	h.set(true)
	steal(customers[1])
	eventually(t, 10*time.Second, func() error {
		if h.mu.Lock(); h.turns == 0 {
			h.mu.Unlock()
			return fmt.Errorf("the receiver was not asked")
		}
		h.mu.Unlock()
		return nil
	})
	metrics := newCanary(t, notifyCanary).get(s, "/metrics")
	require.Contains(t, string(metrics), `tollkeeper_notify_messages_total{outcome="refused",receiver="alerts"} 0`)
	require.NotContains(t, string(metrics), "tollkeeper_notify_oldest_seconds{receiver=\"alerts\"} 0\n")
	s.stop()
	first := s.output()
	h.set(false)
	addr := freeAddr(t)
	s = serve(t, append(args, "--listen", addr, "--public-url", "http://"+addr)...)
	again := h.until(20*time.Second, suspended(customers[1]))
	require.NotEqual(t, m.Data.AlertID, again.Data.AlertID)
	require.Equal(t, http.StatusOK, s.call("POST", "/v1/alerts/"+again.Data.AlertID+"/dismiss", map[string]any{"reason": "our own audit"}, nil))
	verdict := h.until(10*time.Second, func(m hook) bool { return m.Type == "alert.dismissed" })
	require.Equal(t, "our own audit", verdict.Data.Note)
	require.Equal(t, "http://"+addr+"/alerts/"+again.Data.AlertID, verdict.Data.URL)

	h.mu.Lock()
	seen := map[string]bool{}
	for _, m := range h.got {
		require.False(t, seen[m.ID], "message %s came twice without need", m.ID)
		seen[m.ID] = true
	}
	h.mu.Unlock()
	s.stop()
	require.Contains(t, first, "an alert does not reach the receiver")
	c := newCanary(t, notifyCanary, notifySecret)
	c.absent("what the server says", []byte(first+s.output()))
	c.folder(data)
	out, errOut, code := tollkeeper(t, "config", "print")
	require.Zero(t, code, errOut)
	c.absent("the printed settings", []byte(out+errOut))
	require.Contains(t, out, "/xxxxx")
}

func TestNotifyTestSaysWhatCameBack(t *testing.T) {
	h := startHooks(t)
	args := []string{"notify", "test", "--notify-url", h.url, "--notify-secret", notifySecret}
	out, errOut, code := tollkeeper(t, args...)
	require.Zero(t, code, errOut)
	require.Regexp(t, `^127\.0\.0\.1:\d+ took the message: it answered 200 after \d+ ms\n$`, out)
	require.Equal(t, "test", h.nth(0).Type)

	out, errOut, code = tollkeeper(t, append(args, "--json")...)
	require.Zero(t, code, errOut)
	var r notifyResult
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.True(t, r.Delivered)
	require.Equal(t, 200, r.Status)
	require.Equal(t, h.nth(1).ID, r.MessageID)

	h.set(true)
	out, errOut, code = tollkeeper(t, append(args, "--json")...)
	require.Equal(t, exitFailed, code)
	require.Regexp(t, `^tollkeeper: 127\.0\.0\.1:\d+ did not take the message: it answered 502 Bad Gateway\n$`, errOut)
	r = notifyResult{}
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.False(t, r.Delivered)
	require.Equal(t, 502, r.Status)
	require.Equal(t, "it answered 502 Bad Gateway", r.Problem)
	newCanary(t, notifyCanary, notifySecret).absent("the command's output", []byte(out+errOut))

	_, errOut, code = tollkeeper(t, "notify", "test")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "notify-url: is empty, so nobody is told of alerts")
	_, errOut, code = tollkeeper(t, "notify", "test", "--notify-url", "http://hooks.example/"+notifyCanary, "--notify-format", "slack")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "notify-url: has http:// to hooks.example")
	require.NotContains(t, errOut, "canary")
}

// A team's chat and its pager are told besides the one that notify-url names; which of them does not answer can be seen.
func TestSeveralReceiversAreTriedAndSeen(t *testing.T) {
	h, dir := startHooks(t), t.TempDir()
	for name, text := range map[string]string{"siem": h.url, "secret": notifySecret, "chat": "http://127.0.0.1:1/services/" + notifyCanary} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	file := filepath.Join(dir, "receivers.yaml")
	receivers := "receivers:\n- {name: siem, url_file: siem, secret_file: secret, families: [enumeration]}\n- {name: chat, format: slack, url_file: chat, severity: high}\n"
	require.NoError(t, os.WriteFile(file, []byte(receivers), 0o600))
	out, errOut, code := tollkeeper(t, "notify", "test", "--notify-receivers", file)
	require.Equal(t, exitFailed, code)
	require.Regexp(t, `^siem \(127\.0\.0\.1:\d+\) took the message: it answered 200 after \d+ ms\n$`, out)
	require.Equal(t, "tollkeeper: chat (127.0.0.1:1) did not take the message: it cannot be reached: connect: connection refused\n", errOut)
	out, errOut, code = tollkeeper(t, "notify", "test", "siem", "--json", "--notify-receivers", file)
	require.Zero(t, code, errOut)
	require.Contains(t, out, `"receiver":"siem"`)
	_, errOut, code = tollkeeper(t, "notify", "test", "sime", "--notify-receivers", file)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, `there is no receiver "sime"; there are siem, chat`)

	data := filepath.Join(dir, "data")
	s := serve(t, "--data", data, "--notify-receivers", file)
	out, errOut, code = tollkeeper(t, "notify", "status", "--data", data)
	require.Zero(t, code, errOut)
	require.Regexp(t, `(?m)^siem +127\.0\.0\.1:\d+ +json +ok +0 +0 +0 *$`, out)
	require.Regexp(t, `(?m)^chat +127\.0\.0\.1:1 +slack +ok `, out)
	newCanary(t, notifyCanary, notifySecret).absent("what the server says", []byte(s.output()+out+errOut))

	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(receivers, "enumeration", "enumerating")), 0o600))
	for _, command := range [][]string{{"config", "check"}, {"serve", "--data", filepath.Join(dir, "other")}} {
		_, errOut, code = tollkeeper(t, append(command, "--notify-receivers", file)...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errOut, `notify-receivers: siem: families: unknown family of evidence "enumerating": use one of [novelty`)
	}
}
