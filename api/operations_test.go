package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestReadiness(t *testing.T) {
	var broken error
	f := newFixture(t, func(c *api.Config) {
		c.Checks = []api.Check{
			{Name: "database", Run: func(context.Context) error { return nil }},
			{Name: "kafka", Run: func(context.Context) error { return broken }},
		}
	})
	var h gen.Health
	f.do("GET", "/livez", nil).status(200)
	f.do("GET", "/readyz", nil).status(200).into(&h)
	require.Len(t, h.Checks, 2)

	broken = errors.New("broker 10.0.0.1:9092 does not answer")
	a := f.do("GET", "/readyz", nil).status(503)
	require.NotContains(t, string(a.body), "10.0.0.1", "what exactly is wrong is told only when asked")
	for _, a := range []*answer{f.do("GET", "/readyz?verbose", nil), f.as("customer", "GET", "/readyz?verbose", nil), f.as("billing", "GET", "/readyz?verbose", nil)} {
		require.NotContains(t, string(a.status(503).body), "10.0.0.1", "and only to those who may know")
	}
	f.as("viewer", "GET", "/readyz?verbose", nil).status(503).into(&h)
	require.Contains(t, h.Checks[1].Detail, "does not answer")
	f.peer = "127.0.0.1:1"
	f.do("GET", "/readyz?verbose", nil).status(503).into(&h)
	require.Equal(t, gen.HealthStatusFailing, h.Status)
	require.Equal(t, "kafka", h.Checks[1].Name)
	require.Contains(t, h.Checks[1].Detail, "does not answer")
	f.do("GET", "/livez", nil).status(200) // a restart would not help

	broken = nil
	f.do("GET", "/readyz", nil).status(200)
	f.server.Stopping()
	f.do("GET", "/readyz", nil).status(503).into(&h)
	require.Equal(t, gen.HealthStatusStopping, h.Status)
}

// What the work goes on without does not take the node out of service, and is not hidden.
func TestAPartThatCanBeDoneWithoutDegradesReadiness(t *testing.T) {
	away := errors.New("cache.example:6379 does not answer")
	f := newFixture(t, func(c *api.Config) {
		c.Checks = []api.Check{
			{Name: "database", Run: func(context.Context) error { return nil }},
			{Name: "rate-limits", Run: func(context.Context) error { return away }, Optional: true},
		}
	})
	var h gen.Health
	f.do("GET", "/readyz", nil).status(200).into(&h)
	require.Equal(t, gen.HealthStatusOk, h.Status)
	require.Equal(t, gen.CheckStatusDegraded, h.Checks[1].Status)
	require.Empty(t, h.Checks[1].Detail)
	f.as("viewer", "GET", "/readyz?verbose", nil).status(200).into(&h)
	require.Equal(t, away.Error(), h.Checks[1].Detail)
	away = nil
	f.do("GET", "/readyz", nil).status(200).into(&h)
	require.Equal(t, gen.CheckStatusOk, h.Checks[1].Status)
}

// A check that hangs fails in time and holds up nobody.
func TestReadinessDoesNotHang(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := newFixture(t, func(c *api.Config) {
		c.Checks = []api.Check{{Name: "hangs", Run: func(context.Context) error { <-release; return nil }}}
	})
	began := time.Now()
	f.do("GET", "/readyz", nil).status(503)
	require.Less(t, time.Since(began), 4*time.Second)
}

// All that is stored may be years: an audit takes longer than other answers, or looks at some days.
func TestAnAuditHasTimeAndARange(t *testing.T) {
	letters := &auditor{}
	f := newFixture(t, func(c *api.Config) { c.DeadLetters = letters })
	f.as("platform", "GET", "/v1/ingest/audit", nil).status(200)
	require.Greater(t, letters.within, 5*time.Minute)
	require.Zero(t, letters.from)
	require.Zero(t, letters.to)
	f.as("platform", "GET", "/v1/ingest/audit?from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z", nil).status(200)
	require.Equal(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), letters.from)
	require.Equal(t, time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC), letters.to)
	f.as("platform", "GET", "/v1/ingest/audit?from=2026-03-08T00:00:00Z&to=2026-03-08T00:00:00Z", nil).status(400)
}

type auditor struct {
	api.DeadLetters
	from, to time.Time
	within   time.Duration
}

func (a *auditor) AuditIngest(ctx context.Context, from, to time.Time) (gen.IngestAudit, error) {
	deadline, _ := ctx.Deadline()
	a.from, a.to, a.within = from, to, time.Until(deadline)
	return gen.IngestAudit{Exact: true, Differences: []string{}, Notes: []string{}, Partitions: []gen.PartitionAudit{}, TooOld: gen.TooOldRecords{First: []gen.TooOldHour{}}}, nil
}

func TestTokensOverREST(t *testing.T) {
	f := newFixture(t)
	var made gen.TokenSecret
	f.as("admin", "POST", "/v1/tokens", map[string]any{"name": "edge", "role": "platform"}).status(201).into(&made)
	require.NotEmpty(t, made.Secret)
	f.token["edge"] = made.Secret
	f.as("edge", "GET", "/v1/keys", nil).status(200)
	var page gen.TokenPage
	a := f.as("admin", "GET", "/v1/tokens", nil).status(200)
	a.into(&page)
	require.NotEmpty(t, page.Items)
	require.NotContains(t, string(a.body), made.Secret)
	f.as("admin", "DELETE", "/v1/tokens/"+made.Token.Id, nil).status(204)
	f.as("edge", "GET", "/v1/keys", nil).problem(401, api.CodeUnauthenticated)
	f.as("admin", "DELETE", "/v1/tokens/none", nil).problem(404, api.CodeNotFound)
	p := f.as("admin", "POST", "/v1/tokens", map[string]any{"name": "portal", "role": "customer"}).problem(400, api.CodeInvalidRequest)
	require.Equal(t, "#/account_id", p.Errors[0].Pointer)
	for _, path := range []string{"/v1/tokens", "/v1/login-links"} {
		customer := map[string]any{"name": "portal", "role": "customer", "account_id": "acc_nrothwind"}
		p = f.as("admin", "POST", path, customer).problem(400, api.CodeInvalidRequest)
		require.Equal(t, "there is no such account", p.Errors[0].Detail)
		f.as("admin", "POST", "/v1/accounts", map[string]any{"id": "acc_of_" + path[4:], "name": "Theirs"}).status(201)
		customer["account_id"] = "acc_of_" + path[4:]
		f.as("admin", "POST", path, customer).status(201)
	}

	var link gen.LoginLink
	f.as("admin", "POST", "/v1/login-links", map[string]any{"name": "bob", "role": "security"}).status(201).into(&link)
	_, code, ok := cutHash(link.Path)
	require.True(t, ok)
	var who gen.Session
	f.do("POST", "/v1/session", map[string]any{"code": code}).status(200).into(&who)
	require.Equal(t, "user:bob", who.Subject)
	require.Equal(t, gen.RoleSecurity, who.Role)
}

func cutHash(path string) (before, after string, ok bool) {
	for i := range path {
		if path[i] == '#' {
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

func TestMetricsAreForScrapers(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := newFixture(t, func(c *api.Config) {
		c.Registerer, c.Metrics = reg, promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	})
	f.do("GET", "/metrics", nil).problem(401, api.CodeUnauthenticated)
	f.as("billing", "GET", "/metrics", nil).problem(403, api.CodeForbidden)
	f.as("viewer", "GET", "/metrics", nil).status(200)
	f.peer = "127.0.0.1:1"
	f.do("GET", "/metrics", nil, header("X-Forwarded-For", "198.51.100.1")).problem(401, api.CodeUnauthenticated)
	f.do("GET", "/v1/authorize", nil)
	f.do("PROPFIND", "/v1/keys", nil)
	a := f.do("GET", "/metrics", nil).status(200)
	require.Contains(t, string(a.body), `tollkeeper_api_request_seconds_count{method="GET",route="/v1/authorize",status="401"} 1`)
	require.Contains(t, string(a.body), `tollkeeper_api_verdicts_total{code="MISSING_KEY",operation="authorize"} 1`)
	require.NotContains(t, string(a.body), "PROPFIND", "a client cannot make labels up")
}

func TestTheDescriptionIsServed(t *testing.T) {
	f := newFixture(t)
	require.Contains(t, string(f.do("GET", "/openapi.yaml", nil).status(200).body), "openapi: 3.1")
	var doc map[string]any
	require.NoError(t, json.Unmarshal(f.do("GET", "/openapi.json", nil).status(200).body, &doc))
	page := string(f.do("GET", "/docs", nil).status(200).body)
	require.Contains(t, page, `id="code-version_mismatch"`, "a problem's type leads to its description")
	require.Contains(t, page, "Suspend a key")
	require.NotContains(t, page, "<script")
	require.NotContains(t, page, "https://", "nothing comes from elsewhere")
}

func TestThePageIsServed(t *testing.T) {
	f := newFixture(t, func(c *api.Config) {
		c.Dashboard = fstest.MapFS{"index.html": {Data: []byte("<html>page")}, "assets/a-123.js": {Data: []byte("js")}, "favicon.svg": {Data: []byte("<svg/>")}}
	})
	for _, path := range []string{"/", "/login", "/alerts/alrt_1"} {
		a := f.do("GET", path, nil).status(200)
		require.Equal(t, "no-cache", a.Header.Get("Cache-Control"))
		require.Contains(t, string(a.body), "page")
	}
	a := f.do("GET", "/assets/a-123.js", nil).status(200)
	require.Contains(t, a.Header.Get("Cache-Control"), "immutable")
	require.Contains(t, a.Header.Get("Content-Type"), "javascript")
	f.do("GET", "/assets/../index.html", nil).problem(404, api.CodeNotFound)
	f.do("GET", "/assets/", nil).problem(404, api.CodeNotFound)
	require.Equal(t, "image/svg+xml", f.do("GET", "/favicon.svg", nil).status(200).Header.Get("Content-Type"))

	g := newFixture(t)
	p := g.do("GET", "/", nil, header("Accept", "text/html")).problem(http.StatusNotFound, api.CodeNotFound)
	require.Contains(t, p.Detail, "/docs")
}
