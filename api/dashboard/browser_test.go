package dashboard_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/bind"
	"github.com/tollkeeper/tollkeeper/api/dashboard"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
	"github.com/tollkeeper/tollkeeper/quotas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the page over the real stores, with a few customers, one of them robbed.
type site struct {
	url      string
	link     string
	keys     *keys.Store
	verifier *keys.Verifier
	victim   string
	secret   string
	events   *api.Events
	tokens   *tokens.Store
	billing  *quotas.Service
	ledger   ledger
	quiet    bool
}

var robbery = json.RawMessage(`{"evidence": [
 {"family": "novelty", "detector": "network", "sentence": "Calls come from a network that this key never used", "observed": 214, "expected": 0.2, "low": 0, "high": 2, "window_seconds": 60, "p_value": 3e-9},
 {"family": "enumeration", "detector": "walk", "sentence": "Order numbers are walked one after the other, 96 % of them never asked for before", "observed": 0.96, "expected": 0.05, "low": 0, "high": 0.14, "window_seconds": 60, "p_value": 2e-12},
 {"family": "volume", "detector": "rate", "sentence": "Five times the usual calls for this hour of a Tuesday", "observed": 312, "expected": 61, "low": 44, "high": 83, "window_seconds": 60, "p_value": 4e-7}],
 "examples": [{"time_millis": 1795521601000, "method": "GET", "path": "/v1/orders/100231", "status": 200, "client_ip": "203.0.113.77", "country": "RO", "asn": 64511, "agent": "python-requests"},
 {"time_millis": 1795521601200, "method": "GET", "path": "/v1/orders/100232", "status": 404, "client_ip": "203.0.113.77", "country": "RO", "asn": 64511, "agent": "python-requests"}]}`)

type wave struct{ store *keys.Store }

func (w wave) Stats(ctx context.Context) (gen.Stats, error) {
	counts, err := w.store.Counts(ctx)
	st := gen.Stats{Now: time.Now().UTC(), Mode: gen.StatsModeEnforce, Demo: true, StepSeconds: 2, RequestsTotal: 1_284_220, Keys: map[string]int64{}, DeadLetters: 3}
	for s, n := range counts {
		st.Keys[string(s)] = n
	}
	for i := range 60 {
		at := st.Now.Add(time.Duration(i-60) * 2 * time.Second)
		st.RequestsPerSecond = append(st.RequestsPerSecond, gen.Point{At: at, Value: 46 + 14*math.Sin(float64(i)/7) + 6*math.Sin(float64(i)*1.7)})
		st.RefusedPerSecond = append(st.RefusedPerSecond, gen.Point{At: at, Value: max(0, float64(i-40)/3)})
	}
	return st, err
}

// told is one receiver that takes its messages and one that does not.
type told struct{}

func (told) ListReceivers(context.Context) ([]gen.Receiver, error) {
	now := time.Now().UTC()
	return []gen.Receiver{
		{Name: "chat", Host: "hooks.example", Format: "slack", On: []string{"opened"}, Severity: gen.SeverityMedium, State: "ok", Delivered: 12, DeliveredAt: now.Add(-3 * time.Minute)},
		{Name: "on-call", Host: "events.example", Format: "pagerduty", On: []string{"opened"}, Severity: gen.SeverityHigh, State: "failing", Waiting: 2, OldestAt: now.Add(-time.Minute), Problem: "it answered 502 Bad Gateway", ProblemAt: now},
	}, nil
}

func newSite(t *testing.T, quiet bool) *site {
	t.Helper()
	ctx := t.Context()
	db, err := sqlstore.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=synchronous(OFF)", quotas.Migrations())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	pepper, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	require.NoError(t, err)
	s := &site{events: api.NewEvents(0, time.Now), quiet: quiet}
	s.keys, err = keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper})
	require.NoError(t, err)
	s.verifier, err = keys.NewVerifier(s.keys, keys.VerifierConfig{Bound: time.Hour})
	require.NoError(t, err)
	require.NoError(t, s.verifier.Load(ctx))
	s.tokens, err = tokens.NewStore(ctx, db, tokens.Config{Secret: pepper.Derive("tokens"), Audit: s.keys.Audit()})
	require.NoError(t, err)
	s.billing, err = quotas.New(ctx, quotas.Config{DB: db, Source: &s.ledger, Accounts: owners{s.keys, s.verifier}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	found := alerts.NewStore(db, alerts.Config{Audit: s.keys.Audit()})
	if !quiet {
		s.seed(t, found)
	}
	files, built := dashboard.Files()
	require.True(t, built)
	b, billing := bind.NewKeys(s.keys, s.verifier), bind.NewBilling(s.billing, s.keys, s.verifier, time.Now)
	server, err := api.New(api.Config{
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Sessions: bind.NewTokens(s.tokens), Keys: b, Audit: b, Verifier: bind.NewVerifier(s.verifier),
		Alerts: bind.NewAlerts(found), Accounts: billing, Usage: billing, Billing: billing, Stats: wave{s.keys}, Events: s.events, Dashboard: files, Receivers: told{},
	})
	require.NoError(t, err)
	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		s.events.Close()
		web.Close()
	})
	s.url = web.URL
	s.link = s.linkFor(t, tokens.New{Name: "ada", Role: tokens.Admin})
	return s
}

// linkFor is the address that signs somebody in, once.
func (s *site) linkFor(t *testing.T, n tokens.New) string {
	t.Helper()
	_, code, err := s.tokens.CreateLink(t.Context(), n, "system:test")
	require.NoError(t, err)
	return s.url + "/login#" + code
}

func (s *site) seed(t *testing.T, found *alerts.Store) {
	t.Helper()
	ctx := t.Context()
	for _, c := range []struct{ account, name string }{
		{"acc_contoso", "mobile app"},
		{"acc_contoso", "nightly export"},
		{"acc_fabrikam", "warehouse sync"},
		{"acc_tailspin", "partner portal"},
		{"acc_wingtip", "staging"},
		{"acc_adventure", "checkout"},
		{"acc_litware", "reporting"},
		{"acc_northwind", "order service"},
	} {
		k, secret, err := s.keys.Issue(ctx, keys.New{AccountID: c.account, Name: c.name}, keys.By{Actor: "user:ada"})
		require.NoError(t, err)
		s.victim, s.secret = k.ID, secret
	}
	_, _, err := s.keys.SuspendAccount(ctx, "acc_wingtip", keys.By{Actor: "user:ada", Reason: "the invoice of May is overdue"})
	require.NoError(t, err)
	raise := func(id, account, title, sentence string, severity alerts.Severity, action alerts.Action, evidence json.RawMessage) string {
		r, err := found.Raise(ctx, alerts.Finding{
			KeyID: id, AccountID: account, Severity: severity, Action: action, Title: title, Sentence: sentence, By: "detector:engine", Evidence: evidence,
			Actor: json.RawMessage(`{"asn": 64511, "country": "RO", "agent": "python-requests", "addresses": ["203.0.113.77"], "requests": 214, "separable": true}`),
		})
		require.NoError(t, err)
		return r.Alert.ID
	}
	list, _, err := s.keys.List(ctx, keys.Filter{Text: "nightly"})
	require.NoError(t, err)
	raise(list[0].ID, list[0].AccountID, "More than usual", "Three times the usual volume since 40 minutes, from the usual network and client", alerts.Low, alerts.Flag,
		json.RawMessage(`{"evidence": [{"family": "volume", "detector": "rate", "sentence": "Three times the usual calls", "observed": 930, "expected": 310, "low": 240, "high": 390, "window_seconds": 600, "p_value": 0.0004}]}`))
	id := raise(s.victim, "acc_northwind", "Stolen key", "A new client in AS64511 (RO) walks order numbers while the customer's own servers go on as before", alerts.Critical, alerts.Suspend, robbery)
	s.events.Publish(gen.Event{Type: "key.stolen", Text: "The thief makes his first call with the key of order service", KeyId: s.victim})
	s.events.Publish(gen.Event{Type: "alert.opened", Text: "A new client in AS64511 (RO) walks order numbers", KeyId: s.victim, AlertId: id})
}

// browser opens a tab of a real Chromium and collects what its console complains about.
func browser(t *testing.T, width, height int64, dark bool) (context.Context, *complaints) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err, "the browser test needs Chromium: apt-get install chromium")
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(int(width), int(height)))
	// Not the test's context: that ends before the browser is closed.
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), opts...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(ctx)
	tab := ctx
	ctx, cancelTime := context.WithTimeout(ctx, 40*time.Second)
	t.Cleanup(func() {
		require.NoError(t, chromedp.Cancel(tab))
		cancelTime()
		cancelTab()
	})
	complaints := &complaints{}
	require.NoError(t, chromedp.Listen(ctx, complaints.hear))
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height)))
	return ctx, complaints
}

// complaints are what the browser's console says in red.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) hear(ev any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		c.list = append(c.list, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			c.list = append(c.list, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (c *complaints) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// steps does one thing after the other, each within its time, and says which one failed and what the page looked like.
func steps(t *testing.T, ctx context.Context, list ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for i, step := range list {
		bound, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := chromedp.Do(bound, step)
		cancel()
		if err != nil {
			shoot(t, ctx, t.Name()+"-failed")
			require.NoError(t, err, "step %d", i+1)
		}
	}
}

// shoot keeps a picture when TOLLKEEPER_SCREENSHOTS names a folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NotEmpty(t, png)
	if dir := os.Getenv("TOLLKEEPER_SCREENSHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
	}
}

func TestAnalystSuspendsTheStolenKey(t *testing.T) {
	s := newSite(t, false)
	ctx, complaints := browser(t, 1440, 1000, false)
	steps(t, ctx,
		chromedp.Navigate(s.link),
		chromedp.WaitVisible(`[data-key="`+s.victim+`"]`),
		chromedp.WaitVisible(`.feed li.stolen`),
		chromedp.Click(`.card.critical .head`),
		chromedp.WaitVisible(`.card.critical .evidence`),
	)
	address, err := chromedp.Run(ctx, chromedp.Location())
	require.NoError(t, err)
	text, err := chromedp.Run(ctx, chromedp.Text(`.card.critical .detail`))
	require.NoError(t, err)
	require.NotContains(t, address, "#", "the code must not stay in the address bar")
	require.Contains(t, text, "never used")
	require.Contains(t, text, "expected")
	require.True(t, s.verifier.Verify(keys.Request{Key: s.secret}).Valid)
	text, err = chromedp.Run(ctx, chromedp.Text(`.keys table`))
	require.NoError(t, err)
	require.Regexp(t, `staging[^\n]*(\n[^\n]+)?\s+acc_wingtip\s*account suspended\s*the invoice of May is overdue`, text)
	require.Equal(t, 1, strings.Count(text, "account suspended"))
	text, err = chromedp.Run(ctx, chromedp.Text(`.receivers`))
	require.NoError(t, err)
	require.Regexp(t, `(?s)chat.*slack, hooks.example\s+12 taken, the last 3 min ago.*on-call.*failing; nothing taken so far, 2 waiting\s+it answered 502 Bad Gateway`, text)
	shoot(t, ctx, "alert-light")

	steps(t, ctx,
		chromedp.Click(`.card.critical button.danger`),
		chromedp.WaitVisible(`dialog[open]`),
		chromedp.Click(`dialog button[type=submit]`),
		chromedp.WaitVisible(`tr.suspended[data-key="`+s.victim+`"]`),
	)
	shoot(t, ctx, "suspended-light")
	v := s.verifier.Verify(keys.Request{Key: s.secret})
	require.Equal(t, keys.CodeSuspended, v.Code, "the very next call is refused")
	k, err := s.keys.Get(t.Context(), s.victim)
	require.NoError(t, err)
	require.Equal(t, "user:ada", k.Actor)

	// Somebody else's action shows without a reload.
	s.events.Publish(gen.Event{Type: "key.refused", Text: "The thief was refused", KeyId: s.victim})
	require.NoError(t, chromedp.Do(ctx, chromedp.WaitVisible(`.feed li.refused`)))

	// The alert is dismissed, and its key passes again.
	steps(t, ctx,
		chromedp.Click(`.card.critical .actions button:last-child`),
		chromedp.WaitVisible(`dialog[open]`),
		chromedp.Click(`dialog button[type=submit]`),
		chromedp.WaitNotPresent(`.card.critical`),
		chromedp.WaitVisible(`tr.active[data-key="`+s.victim+`"]`),
	)
	require.True(t, s.verifier.Verify(keys.Request{Key: s.secret}).Valid)

	// A link works once.
	steps(t, ctx,
		chromedp.Click(`//button[. = "Sign out"]`),
		chromedp.WaitVisible(`.login pre`),
		chromedp.Navigate("about:blank"),
		chromedp.Navigate(s.link),
		chromedp.WaitVisible(`.login .error`),
	)
	for _, c := range complaints.all() {
		require.True(t, strings.Contains(c, "401"), "the page complains: %s", c)
	}
}

func TestPageInTheDarkAndOnAPhone(t *testing.T) {
	s := newSite(t, false)
	ctx, complaints := browser(t, 1440, 1000, true)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(s.link), chromedp.WaitVisible(`.card.critical`), chromedp.Click(`.card.critical .head`), chromedp.WaitVisible(`.evidence`)))
	shoot(t, ctx, "alert-dark")

	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile)))
	overflow, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
	require.NoError(t, err)
	shoot(t, ctx, "phone-dark")
	require.False(t, overflow, "the page must not scroll sideways on a phone")
	require.Empty(t, complaints.all())
}

func TestPageWithoutData(t *testing.T) {
	s := newSite(t, true)
	ctx, complaints := browser(t, 1280, 800, false)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.link), chromedp.WaitVisible(`.keys .empty`)))
	text, err := chromedp.Run(ctx, chromedp.Text(`body`))
	require.NoError(t, err)
	require.Contains(t, text, "All quiet.")
	require.Contains(t, text, "No keys yet.")
	shoot(t, ctx, "empty-light")
	require.Empty(t, complaints.all())
}

// The documentation is one page without a script and without anything from elsewhere.
func TestDocumentationInTheBrowser(t *testing.T) {
	s := newSite(t, true)
	ctx, complaints := browser(t, 1280, 900, false)
	steps(t, ctx, chromedp.Navigate(s.url+"/docs#code-not_found"), chromedp.WaitVisible(`#SuspendKey`), chromedp.WaitVisible(`tr:target`))
	foreign, err := chromedp.Run(ctx, chromedp.Evaluate[int](`performance.getEntriesByType("resource").filter((r) => !r.name.startsWith(location.origin)).length`))
	require.NoError(t, err)
	require.Zero(t, foreign)
	steps(t, ctx, chromedp.Navigate(s.url+"/docs#CreateKey"), chromedp.WaitVisible(`#CreateKey`))
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	if dir := os.Getenv("TOLLKEEPER_SCREENSHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "docs.png"), png, 0o644))
	}
	require.Empty(t, complaints.all())
}
