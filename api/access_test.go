package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/internal/alerts"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
)

// Every operation of the description, called by a stranger, by every wrong role and by every right one.
func TestEveryOperationHasItsRoles(t *testing.T) {
	f := newFixture(t)
	operations := 0
	for path, item := range f.doc.Paths.Map() {
		for method, op := range item.Operations() {
			operations++
			var roles []string
			for _, r := range op.Extensions["x-roles"].([]any) {
				roles = append(roles, r.(string))
			}
			at := strings.NewReplacer("{version}", "1", "{", "", "}", "").Replace(path)
			t.Run(op.OperationID, func(t *testing.T) {
				if len(roles) == 1 && (roles[0] == "public" || roles[0] == "gateway") {
					return
				}
				f := f.in(t)
				f.do(method, at, "not JSON").problem(401, api.CodeUnauthenticated)
				for _, role := range tokens.Roles() {
					allowed := role == tokens.Admin
					for _, r := range roles {
						allowed = allowed || r == string(role)
					}
					if op.OperationID == "StreamEvents" && allowed {
						continue // does not end
					}
					a := f.as(string(role), method, at, "not JSON")
					if !allowed {
						a.problem(403, api.CodeForbidden)
						continue
					}
					require.NotContains(t, []int{401, 403, 500}, a.StatusCode, "%s: %s", role, a.body)
				}
			})
		}
	}
	require.Greater(t, operations, 35)
}

// Nothing is reachable that the description or this list does not name.
func TestNoRouteIsForgotten(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/v1/keys/", "/v1/keys/a/b", "/debug/pprof/", "/.env", "/v1/keys/a%2Fb"} {
		f.as("admin", "GET", path, nil).problem(404, api.CodeNotFound)
	}
	a := f.as("admin", "PUT", "/v1/keys", map[string]any{})
	a.problem(405, api.CodeMethodNotAllowed)
	require.Equal(t, "GET, POST", a.Header.Get("Allow"))
	a = f.as("admin", "GET", "/v1/tokens/tok_1", nil)
	a.problem(405, api.CodeMethodNotAllowed)
	require.Equal(t, "DELETE", a.Header.Get("Allow"))
	require.Equal(t, "POST", f.as("admin", "PUT", "/v1/keys/verify", nil).Header.Get("Allow"), "not what /v1/keys/{key_id} allows")
	f.do("GET", "/metrics", nil).problem(404, api.CodeNotFound) // none configured
}

func TestCredentialsThatAreNone(t *testing.T) {
	f := newFixture(t)
	a := f.do("GET", "/v1/keys", nil)
	a.problem(401, api.CodeUnauthenticated)
	require.Equal(t, `Bearer realm="tollkeeper"`, a.Header.Get("WWW-Authenticate"))
	for _, h := range []string{"Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer " + strings.Repeat("x", 4000), f.token["admin"]} {
		f.do("GET", "/v1/keys", nil, header("Authorization", h)).problem(401, api.CodeUnauthenticated)
	}
	f.do("GET", "/v1/keys", nil, header("Cookie", "tollkeeper_session="+f.token["admin"])).problem(401, api.CodeUnauthenticated)

	// Who guesses login codes is slowed down; those who have a credential behind the same address are not.
	for range 30 {
		f.do("POST", "/v1/session", map[string]any{"code": "tkt_guess"}).problem(401, api.CodeUnauthenticated)
	}
	f.do("POST", "/v1/session", map[string]any{"code": "tkt_guess"}).problem(429, api.CodeRateLimited)
	f.as("viewer", "GET", "/v1/keys", nil).status(200)
	require.NotContains(t, f.log.String(), "tkt_guess")
}

func TestCallersAreBounded(t *testing.T) {
	f := newFixture(t, func(c *api.Config) { c.RequestsPerMinute = 3 })
	for range 3 {
		require.Contains(t, f.as("viewer", "GET", "/v1/keys", nil).status(200).Header.Get("RateLimit-Policy"), `"caller";q=3;w=60`)
	}
	a := f.as("viewer", "GET", "/v1/keys", nil)
	a.problem(429, api.CodeRateLimited)
	require.Equal(t, "20", a.Header.Get("Retry-After"))
	require.Equal(t, `"caller";r=0;t=60`, a.Header.Get("RateLimit"))
	f.as("security", "GET", "/v1/keys", nil).status(200)
}

// Two tokens may have one name: what the one does neither uses up the other's calls nor answers the other's requests.
func TestNamesakesAreTwoCallers(t *testing.T) {
	f := newFixture(t, func(c *api.Config) { c.RequestsPerMinute = 3 })
	for _, role := range []tokens.Role{tokens.Platform, tokens.Customer} {
		n := tokens.New{Name: "backend", Role: role}
		if role == tokens.Customer {
			n.AccountID = "acc_northwind"
		}
		for _, number := range []string{" 1", " 2"} {
			_, secret, err := f.tokens.Create(t.Context(), n, "system:test", "")
			require.NoError(t, err)
			f.token[string(role)+number] = secret
		}
	}
	for range 3 {
		f.as("customer 1", "GET", "/v1/keys", nil).status(200)
	}
	f.as("customer 1", "GET", "/v1/keys", nil).problem(429, api.CodeRateLimited)
	f.as("customer 2", "GET", "/v1/keys", nil).status(200)
	for _, role := range []string{"platform 1", "platform 2"} {
		made := f.as(role, "POST", "/v1/keys", map[string]any{"account_id": "acc_northwind", "name": "one each"}, header("Idempotency-Key", "k-1")).status(201)
		require.Empty(t, made.Header.Get("Idempotency-Replayed"), role)
	}
}

// A customer sees its own account, and of others not even that they exist.
func TestACustomerSeesItsOwn(t *testing.T) {
	f := newFixture(t)
	mine, _ := f.issue(map[string]any{"account_id": "acc_northwind", "name": "mine"})
	theirs, _ := f.issue(map[string]any{"account_id": "acc_other", "name": "theirs"})
	raise := func(k gen.Key) string {
		r, err := f.alerts.Raise(t.Context(), alerts.Finding{
			KeyID: k.Id, AccountID: k.AccountId, Severity: alerts.High, Action: alerts.Suspend, Title: "stolen", By: "detector:test",
		})
		require.NoError(t, err)
		return r.Alert.ID
	}
	myAlert, theirAlert := raise(mine), raise(theirs)

	same := func(path, other, none string) {
		t.Helper()
		masked := f.as("customer", "GET", path+other, nil).problem(404, api.CodeNotFound)
		missing := f.as("customer", "GET", path+none, nil).problem(404, api.CodeNotFound)
		masked.Instance, missing.Instance = "", ""
		require.Equal(t, missing, masked, "another's must look as what never was")
	}
	f.as("customer", "GET", "/v1/keys/"+mine.Id, nil).status(200)
	same("/v1/keys/", theirs.Id, "key_none")
	f.as("customer", "GET", "/v1/alerts/"+myAlert, nil).status(200)
	same("/v1/alerts/", theirAlert, "alrt_none")
	f.as("customer", "GET", "/v1/alerts/"+myAlert+"/timeline", nil).status(200)
	f.as("customer", "GET", "/v1/alerts/"+theirAlert+"/timeline", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/usage?key_id="+mine.Id, nil).status(200)
	same("/v1/usage?key_id=", theirs.Id, "key_none")
	same("/v1/usage?account_id=", "acc_other", "acc_none")
	f.as("customer", "GET", "/v1/quotas", nil).status(200)
	same("/v1/quotas?account_id=", "acc_other", "acc_none")
	f.as("customer", "GET", "/v1/accounts/acc_northwind", nil).status(200)
	same("/v1/accounts/", "acc_other", "acc_none")
	f.as("customer", "GET", "/v1/statements/preview", nil).status(200)
	same("/v1/statements/preview?account_id=", "acc_other", "acc_none")

	for path, want := range map[string]int{
		"/v1/keys": 1, "/v1/keys?account_id=acc_other": 0, "/v1/keys?q=theirs": 0, "/v1/alerts": 1, "/v1/alerts?account_id=acc_other": 0,
		"/v1/alerts?key_id=" + theirs.Id: 0, "/v1/accounts": 1, "/v1/statements?account_id=acc_other": 0,
	} {
		var page struct{ Items []any }
		f.as("customer", "GET", path, nil).status(200).into(&page)
		require.Len(t, page.Items, want, path)
	}
}

func TestDashboardSession(t *testing.T) {
	f := newFixture(t)
	_, code, err := f.tokens.CreateLink(t.Context(), tokens.New{Name: "ada", Role: tokens.Admin}, "system:test")
	require.NoError(t, err)
	a := f.do("POST", "/v1/session", map[string]any{"code": code}).status(200)
	cookie := a.Header.Get("Set-Cookie")
	require.Contains(t, cookie, "HttpOnly")
	require.Contains(t, cookie, "SameSite=Strict")
	value := strings.Split(cookie, ";")[0]
	f.do("POST", "/v1/session", map[string]any{"code": code}).problem(401, api.CodeUnauthenticated) // once

	var who gen.Session
	f.do("GET", "/v1/session", nil, header("Cookie", value)).status(200).into(&who)
	require.Equal(t, "user:ada", who.Subject)
	_, token, _ := strings.Cut(value, "=")
	f.do("GET", "/v1/session", nil, header("Authorization", "Bearer "+token)).problem(401, api.CodeUnauthenticated)

	// Another site's page cannot use the cookie, whatever the browser thinks of SameSite.
	change := map[string]any{"account_id": "acc_x", "name": "n"}
	f.do("POST", "/v1/keys", change, header("Cookie", value), header("Sec-Fetch-Site", "cross-site")).problem(403, api.CodeCrossOrigin)
	f.do("POST", "/v1/keys", change, header("Cookie", value), header("Origin", "https://evil.example")).problem(403, api.CodeCrossOrigin)
	f.do("POST", "/v1/keys", change, header("Cookie", value), header("Sec-Fetch-Site", "same-origin")).status(201)

	f.do("DELETE", "/v1/session", nil, header("Cookie", value)).status(204)
	f.do("GET", "/v1/session", nil, header("Cookie", value)).problem(401, api.CodeUnauthenticated)
	require.NotContains(t, f.log.String(), code)
	require.NotContains(t, f.log.String(), token)
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/livez", "/v1/keys", "/nothing"} {
		a := f.do("GET", path, nil, header("X-Request-Id", "trace-1234"))
		require.Equal(t, "trace-1234", a.Header.Get("X-Request-Id"))
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
		require.Contains(t, a.Header.Get("Content-Security-Policy"), "default-src 'self'")
	}
	a := f.do("GET", "/livez", nil, header("X-Request-Id", "a b\"c<script>"))
	require.NotContains(t, a.Header.Get("X-Request-Id"), "<", "an id that is no word is replaced")
	require.Equal(t, http.StatusOK, a.StatusCode)
}
