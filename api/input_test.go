package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestBadBodiesAreNamedByField(t *testing.T) {
	f := newFixture(t)
	const secret = "tk_live_thisIsASecretValue0000000000"
	for _, c := range []struct{ name, path, body, pointer, message string }{
		{"empty", "/v1/keys", "", "#", "a JSON object is needed"},
		{"not JSON", "/v1/keys", `{"name": `, "#", "is not JSON"},
		{"more", "/v1/keys", `{"name": "a"} {}`, "#", "there is more"},
		{"array", "/v1/keys", `[1]`, "#", "must be of type object"},
		{"missing", "/v1/keys", `{}`, "#/name", "is missing"},
		{"wrong type", "/v1/keys", `{"name": 7}`, "#/name", "must be of type string"},
		{"null", "/v1/keys", `{"name": null}`, "#/name", "must"},
		{"empty name", "/v1/keys", `{"name": ""}`, "#/name", "at least 1 character"},
		{"long name", "/v1/keys", `{"name": "` + strings.Repeat("x", 129) + `"}`, "#/name", "at most 128 characters"},
		{"unknown field", "/v1/keys", `{"name": "a", "nmae": "b"}`, "#/nmae", "is not a known field"},
		{"enum", "/v1/keys", `{"name": "a", "environment": "prod"}`, "#/environment", "must be one of live, test"},
		{"date", "/v1/keys", `{"name": "a", "expires_at": "tomorrow"}`, "#/expires_at", "must be a date-time such as 2026-12-01T00:00:00Z"},
		{"impossible date", "/v1/keys", `{"name": "a", "expires_at": "2026-02-31T00:00:00Z"}`, "#/expires_at", "must be a date-time such as 2026-12-01T00:00:00Z"},
		{"past", "/v1/keys", `{"name": "a", "expires_at": "2020-01-01T00:00:00Z"}`, "#/expires_at", "must be in the future"},
		{"nested", "/v1/keys", `{"name": "a", "tags": ["x", ""]}`, "#/tags/1", "at least 1 character"},
		{"twice", "/v1/keys", `{"name": "a", "tags": ["x", "x"]}`, "#/tags", "twice"},
		{"network", "/v1/keys", `{"name": "a", "allowed_cidrs": ["10.0.0.0/8", "10.0.0.300"]}`, "#/allowed_cidrs/1", "address or a network"},
		{"store's rule", "/v1/keys", `{"name": "a", "scopes": ["ok", "not ok"]}`, "#/scopes/1", "letters"},
		{"metadata", "/v1/keys", `{"name": "a", "metadata": {"a/b": 1}}`, "#/metadata/a~1b", "must be of type string"},
		{"float", "/v1/keys/k/rotate", `{"grace_seconds": 1.5}`, "#/grace_seconds", "must be of type integer"},
		{"huge", "/v1/keys/k/rotate", `{"grace_seconds": 99999999999}`, "#/grace_seconds", ""},
		{"no reason", "/v1/keys/k/suspend", `{}`, "#/reason", "is missing"},
		{"neither", "/v1/keys/verify", `{}`, "#/key", "either key or key_id"},
		{"address", "/v1/keys/verify", `{"key": "` + secret + `", "client_ip": "1.2.3"}`, "#/client_ip", "must be an address"},
		{"wrong name", "/v1/keys/verify", `{"apiKey": "` + secret + `"}`, "#/apiKey", "is not a known field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.in(t)
			a := f.as("admin", "POST", c.path, c.body)
			p := a.problem(400, api.CodeInvalidRequest)
			require.NotEmpty(t, p.Errors)
			require.Equal(t, c.pointer, p.Errors[0].Pointer, "%s", a.body)
			require.Contains(t, p.Errors[0].Detail, c.message)
			require.NotContains(t, string(a.body), secret)
		})
	}
	require.NotContains(t, f.log.String(), secret)
}

func TestAllWrongFieldsAreNamedAtOnce(t *testing.T) {
	f := newFixture(t)
	p := f.as("admin", "POST", "/v1/keys", `{"name": "", "environment": "x", "more": 1}`).problem(400, api.CodeInvalidRequest)
	var at []string
	for _, e := range p.Errors {
		at = append(at, e.Pointer)
	}
	require.Equal(t, []string{"#/environment", "#/more", "#/name"}, at)
}

func TestBadParametersAreNamed(t *testing.T) {
	f := newFixture(t)
	for path, name := range map[string]string{
		"/v1/keys?limit=0": "limit", "/v1/keys?limit=201": "limit", "/v1/keys?limit=x": "limit", "/v1/keys?limit=1&limit=2": "limit",
		"/v1/keys?status=gone": "status", "/v1/keys?nonsense=1": "nonsense", "/v1/keys?q=": "q", "/v1/keys?q=%ff": "q", "/v1/keys?q=a%00": "q",
		"/v1/keys/a%20b": "key_id", "/v1/usage": "key_id", "/v1/usage?key_id=a&account_id=b": "account_id",
		"/v1/usage?key_id=a&granularity=week": "granularity", "/v1/usage?key_id=a&from=yesterday": "from",
		"/v1/usage?key_id=a&from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z": "to",
		"/v1/usage?key_id=a&granularity=hour&from=1990-01-01T00:00:00Z":        "to",
		"/v1/statements?period=2026-13":                                        "period", "/v1/plans/starter?version=0": "version",
	} {
		p := f.as("admin", "GET", path, nil).problem(400, api.CodeInvalidRequest)
		require.NotEmpty(t, p.Errors, path)
		require.Equal(t, name, p.Errors[0].Parameter, path)
	}
	p := f.as("admin", "GET", "/v1/statements?period=nov", nil).problem(400, api.CodeInvalidRequest)
	require.Equal(t, "must be like 2026-11 (^[0-9]{4}-(0[1-9]|1[0-2])$)", p.Errors[0].Detail)
}

func TestBodiesOfTheWrongSizeOrKind(t *testing.T) {
	f := newFixture(t)
	f.as("admin", "POST", "/v1/keys", `{"name": "`+strings.Repeat("x", api.MaxBodyBytes)+`"}`).problem(413, api.CodeBodyTooLarge)
	f.as("admin", "POST", "/v1/keys", `{"name": "a"}`, header("Content-Type", "text/plain")).problem(415, api.CodeUnsupportedMediaType)
	f.as("admin", "POST", "/v1/keys", `{"name": "a"}`, header("Content-Type", "")).problem(415, api.CodeUnsupportedMediaType)
	f.as("admin", "POST", "/v1/keys", "{\"name\": \"\xff\xfe\"}").problem(400, api.CodeInvalidRequest)
	f.as("admin", "POST", "/v1/keys", strings.Repeat("[", 20_000)).problem(400, api.CodeInvalidRequest)
	f.as("admin", "POST", "/v1/keys", `{"name": "a"}`, header("Content-Type", "application/json; charset=utf-8")).status(201)
}

type broken struct{}

func (broken) Stats(context.Context) (gen.Stats, error) {
	return gen.Stats{}, errors.New("connect to 10.0.0.5: password hunter2 refused")
}

type panicking struct{}

func (panicking) Stats(context.Context) (gen.Stats, error) { panic("hunter2 is in a panic") }

// What goes wrong inside is told to the operator, not to the caller.
func TestFaultsStayInside(t *testing.T) {
	for name, stats := range map[string]api.Stats{"error": broken{}, "panic": panicking{}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(c *api.Config) { c.Stats = stats })
			a := f.as("viewer", "GET", "/v1/stats", nil)
			p := a.problem(500, api.CodeInternal)
			require.NotContains(t, string(a.body), "hunter2")
			require.Contains(t, f.log.String(), "hunter2")
			require.Contains(t, f.log.String(), p.Instance)
		})
	}
}

func TestWhatAnotherProcessServes(t *testing.T) {
	f := newFixture(t)
	f.as("viewer", "GET", "/v1/stats", nil).problem(503, api.CodeUnavailable)
	f.as("viewer", "GET", "/v1/dead-letters", nil).problem(503, api.CodeUnavailable)
}

// Whatever bytes come as a body, the answer is one that the description has, and no fault of ours.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"a"}`, `{"key":"tk_live_x","client_ip":"::1"}`, `[`, `{"expires_at":null,"tags":[]}`, "\x00", `{"name":1e999}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		g := newFixture(t)
		for _, path := range []string{"/v1/keys", "/v1/keys/verify", "/v1/plans/p/versions", "/v1/accounts"} {
			a := g.as("admin", "POST", path, body+" ")
			require.Less(t, a.StatusCode, 500, "%s %q: %s", path, body, a.body)
		}
	})
}
