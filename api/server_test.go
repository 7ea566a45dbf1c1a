package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/bind"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
	"github.com/tollkeeper/tollkeeper/quotas"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// ledger stands in for ClickHouse: what each key used, by hour.
type ledger struct{ rows []meter.KeyUsage }

func (l *ledger) UsageByKey(_ context.Context, ids []string, from, to time.Time, _ meter.Granularity) ([]meter.KeyUsage, error) {
	var out []meter.KeyUsage
	for _, r := range l.rows {
		for _, id := range ids {
			if r.KeyID == id && !r.Bucket.Before(from) && r.Bucket.Before(to) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (l *ledger) SealedThrough(context.Context) (time.Time, error) {
	return time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), nil
}

// owners tells the quota service which keys belong to whom.
type owners struct {
	store    *keys.Store
	verifier *keys.Verifier
}

func (o owners) KeysOfAccount(ctx context.Context, id string) ([]string, error) {
	list, _, err := o.store.List(ctx, keys.Filter{AccountID: id, IncludeDeleted: true, Limit: 500})
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, err
}

func (o owners) AccountOfKey(id string) string {
	info, _ := o.verifier.KeyInfo(id)
	return info.AccountID
}

// fixture is the whole API over the real stores, on SQLite.
type fixture struct {
	t      testing.TB
	clock  *clock
	server *api.Server
	keys   *keys.Store
	alerts *alerts.Store
	tokens *tokens.Store
	ledger *ledger
	log    *bytes.Buffer
	token  map[string]string // role -> bearer
	doc    *openapi3.T
	peer   string
}

func newFixture(t testing.TB, change ...func(*api.Config)) *fixture {
	t.Helper()
	ctx := t.Context()
	f := &fixture{
		t: t, clock: &clock{t: time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)}, ledger: &ledger{}, log: &bytes.Buffer{},
		token: map[string]string{}, peer: "198.51.100.9:4000",
	}
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db") + "?_pragma=synchronous(OFF)"
	db, err := sqlstore.Open(ctx, dsn, quotas.Migrations())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	pepper, err := keys.LoadPepper(filepath.Join(t.TempDir(), "pepper"))
	require.NoError(t, err)
	f.keys, err = keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper, Now: f.clock.Now})
	require.NoError(t, err)
	verifier, err := keys.NewVerifier(f.keys, keys.VerifierConfig{Bound: 1000 * time.Hour})
	require.NoError(t, err)
	require.NoError(t, verifier.Load(ctx))
	f.alerts = alerts.NewStore(db, alerts.Config{Audit: f.keys.Audit(), Now: f.clock.Now})
	f.tokens, err = tokens.NewStore(ctx, db, tokens.Config{Secret: pepper.Derive("tokens"), Audit: f.keys.Audit(), Now: f.clock.Now})
	require.NoError(t, err)
	service, err := quotas.New(ctx, quotas.Config{
		DB: db, Source: f.ledger, Accounts: owners{f.keys, verifier}, Now: f.clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	billing := bind.NewBilling(service, f.keys, verifier, f.clock.Now)
	b, tok := bind.NewKeys(f.keys, verifier), bind.NewTokens(f.tokens)
	cfg := api.Config{
		Logger: slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: f.clock.Now,
		Registerer: prometheus.NewRegistry(), Sessions: tok, Tokens: tok, Keys: b, Audit: b, Verifier: bind.NewVerifier(verifier),
		Alerts: bind.NewAlerts(f.alerts), Accounts: billing, Usage: billing, Billing: billing,
		Idempotency: bind.NewIdempotency(db, f.clock.Now), OpenAuthorize: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")},
	}
	for _, c := range change {
		c(&cfg)
	}
	f.server, err = api.New(cfg)
	require.NoError(t, err)
	for _, role := range tokens.Roles() {
		n := tokens.New{Name: string(role), Role: role}
		if role == tokens.Customer {
			n.AccountID = "acc_northwind"
		}
		_, secret, err := f.tokens.Create(ctx, n, "system:test", "")
		require.NoError(t, err)
		f.token[string(role)] = secret
	}
	text, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	f.doc, err = openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	return f
}

// answer is a response that has been checked against the description.
type answer struct {
	*http.Response
	t    testing.TB
	body []byte
}

func (a *answer) status(want int) *answer {
	a.t.Helper()
	require.Equal(a.t, want, a.StatusCode, "%s", a.body)
	return a
}

func (a *answer) into(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.body, v), "%s", a.body)
}

func (a *answer) problem(status int, code api.Code) gen.Problem {
	a.t.Helper()
	a.status(status)
	require.Equal(a.t, "application/problem+json", a.Header.Get("Content-Type"))
	var p gen.Problem
	a.into(&p)
	require.Equal(a.t, string(code), p.Code, "%s", a.body)
	require.EqualValues(a.t, status, p.Status)
	require.Equal(a.t, a.Header.Get("X-Request-Id"), p.Instance)
	return p
}

type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// as calls with the token of a role.
func (f *fixture) as(role, method, path string, body any, opts ...option) *answer {
	f.t.Helper()
	return f.do(method, path, body, append([]option{header("Authorization", "Bearer "+f.token[role])}, opts...)...)
}

func (f *fixture) do(method, path string, body any, opts ...option) *answer {
	f.t.Helper()
	var r io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(f.t, err)
		r = bytes.NewReader(raw)
	}
	req := httptest.NewRequestWithContext(f.t.Context(), method, path, r)
	req.RemoteAddr = f.peer
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, o := range opts {
		o(req)
	}
	w := httptest.NewRecorder()
	f.server.Handler().ServeHTTP(w, req)
	res := w.Result()
	a := &answer{Response: res, t: f.t, body: w.Body.Bytes()}
	f.conforms(req, a)
	return a
}

// conforms checks status, media type and body against the description.
func (f *fixture) conforms(req *http.Request, a *answer) {
	f.t.Helper()
	op := f.operation(req.Method, req.URL.Path)
	if op == nil {
		return
	}
	ref := op.Responses.Status(a.StatusCode)
	if ref == nil {
		ref = op.Responses.Default()
	}
	require.NotNil(f.t, ref, "%s answered %d, which the description lacks", op.OperationID, a.StatusCode)
	if len(a.body) == 0 {
		require.Empty(f.t, ref.Value.Content, "%s: %d has no body", op.OperationID, a.StatusCode)
		return
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	media := ref.Value.Content.Get(kind)
	require.NotNil(f.t, media, "%s: %d has media type %q", op.OperationID, a.StatusCode, kind)
	if strings.HasSuffix(kind, "json") {
		var v any
		require.NoError(f.t, json.Unmarshal(a.body, &v))
		require.NoError(f.t, media.Schema.Value.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableFormatValidation(), openapi3.MultiErrors()),
			"%s: %s", op.OperationID, a.body)
		unknown(f.t, op.OperationID, "#", media.Schema.Value, v)
	}
	for name, h := range ref.Value.Headers {
		if h.Value.Required {
			require.NotEmpty(f.t, a.Header.Get(name), "%s: header %s", op.OperationID, name)
		}
	}
}

// unknown fails for fields that the description does not name: what is not described, clients cannot rely on.
func unknown(t testing.TB, where, at string, s *openapi3.Schema, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			p := s.Properties[name]
			if p == nil {
				require.True(t, s.AdditionalProperties.Schema != nil || s.AdditionalProperties.Has != nil || s.Type == nil,
					"%s answers a field that is not described: %s/%s", where, at, name)
				continue
			}
			unknown(t, where, at+"/"+name, p.Value, inner)
		}
	case []any:
		for _, inner := range v {
			if s.Items != nil {
				unknown(t, where, at+"/-", s.Items.Value, inner)
			}
		}
	}
}

func (f *fixture) operation(method, path string) *openapi3.Operation {
	var best *openapi3.Operation
	exact := -1
	for pattern, item := range f.doc.Paths.Map() {
		if n := match(pattern, path); n > exact {
			if op := item.GetOperation(method); op != nil {
				best, exact = op, n
			}
		}
	}
	return best
}

// match returns the number of literal segments, or -1.
func match(pattern, path string) int {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range a {
		switch {
		case strings.HasPrefix(a[i], "{"):
		case a[i] != b[i]:
			return -1
		default:
			n++
		}
	}
	return n
}

// issue makes a key over REST and returns it with its secret.
func (f *fixture) issue(body map[string]any) (gen.Key, string) {
	f.t.Helper()
	var made gen.KeySecret
	f.as("platform", "POST", "/v1/keys", body).status(201).into(&made)
	require.NotEmpty(f.t, made.Secret)
	return made.Key, made.Secret
}

func (l *ledger) EachKey(_ context.Context, from, to time.Time, each func(meter.KeyUsage) error) error {
	for _, r := range l.rows {
		if !r.Bucket.Before(from) && r.Bucket.Before(to) {
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// in gives the fixture to a sub-test.
func (f *fixture) in(t testing.TB) *fixture {
	g := *f
	g.t = t
	return &g
}

// advance moves the clock and lets the token store know that its database still answers.
func (f *fixture) advance(d time.Duration) {
	f.t.Helper()
	f.clock.Advance(d)
	_, _, err := f.tokens.Create(f.t.Context(), tokens.New{Name: "later", Role: tokens.Viewer}, "system:test", "")
	require.NoError(f.t, err)
}
