package api_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestAuthorizeAnswersGateways(t *testing.T) {
	f := newFixture(t)
	f.peer = "127.0.0.1:5000"
	key, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production", "plan_id": "starter", "scopes": []string{"orders:read"}})

	for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH"} {
		for _, path := range []string{"/v1/authorize", "/v1/authorize/any/path?with=query", "/v1/authorize/"} {
			a := f.do(method, path, nil, header("X-Api-Key", secret)).status(200)
			require.Empty(t, a.body)
			require.Equal(t, key.Id, a.Header.Get("X-Tollkeeper-Key-Id"), "%s %s", method, path)
			require.Equal(t, "acc_northwind", a.Header.Get("X-Tollkeeper-Account"))
			require.Equal(t, "starter", a.Header.Get("X-Tollkeeper-Plan"))
			require.Equal(t, "VALID", a.Header.Get("X-Tollkeeper-Code"))
		}
	}
	f.do("GET", "/v1/authorize", nil, header("Authorization", "bearer "+secret)).status(200)
	f.do("GET", "/v1/authorize", nil, header("X-Api-Key", secret), header("X-Tollkeeper-Scope", "orders:read")).status(200)
	f.do("GET", "/v1/authorize", nil, header("X-Api-Key", secret), header("X-Tollkeeper-Scope", "orders:write")).problem(403, api.CodeKeyScope)

	a := f.do("GET", "/v1/authorize", nil)
	a.problem(401, api.CodeKeyMissing)
	require.Equal(t, `Bearer realm="api"`, a.Header.Get("WWW-Authenticate"))
	a = f.do("GET", "/v1/authorize", nil, header("X-Api-Key", "tk_live_nonsense"))
	a.problem(401, api.CodeKeyUnknown)
	require.Contains(t, a.Header.Get("WWW-Authenticate"), "invalid_token")
	f.do("GET", "/v1/authorize?api_key="+secret, nil).problem(401, api.CodeKeyMissing) // not unless told
}

func TestAuthorizeRefusesWithTheReason(t *testing.T) {
	f := newFixture(t)
	f.peer = "127.0.0.1:5000"
	key, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	by := keys.By{Actor: "detector:test", Reason: "the thief works from AS64500"}
	_, _, err := f.keys.Suspend(t.Context(), key.Id, f.clock.Now().AddDate(0, 0, 1), by)
	require.NoError(t, err)
	a := f.do("GET", "/v1/authorize", nil, header("X-Api-Key", secret))
	a.problem(403, api.CodeKeySuspended)
	require.Equal(t, "SUSPENDED", a.Header.Get("X-Tollkeeper-Code"))
	require.Equal(t, key.Id, a.Header.Get("X-Tollkeeper-Key-Id"), "so that the gateway's log names the key")
	require.NotContains(t, string(a.body), "AS64500", "the thief is not told what gave him away")
	_, _, err = f.keys.Revoke(t.Context(), key.Id, by)
	require.NoError(t, err)
	f.do("GET", "/v1/authorize", nil, header("X-Api-Key", secret)).problem(403, api.CodeKeyRevoked)
	require.NotContains(t, f.log.String(), secret)
}

// The answer tells whether a key is good, so not everybody may ask.
func TestWhoMayAskAuthorize(t *testing.T) {
	f := newFixture(t)
	_, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	key := header("X-Api-Key", secret)
	f.do("GET", "/v1/authorize", nil, key).problem(401, api.CodeUnauthenticated) // from afar
	f.do("GET", "/v1/authorize", nil, key, header("X-Tollkeeper-Token", f.token["platform"])).status(200)
	f.do("GET", "/v1/authorize", nil, key, header("X-Tollkeeper-Token", f.token["viewer"])).problem(403, api.CodeForbidden)
	f.do("GET", "/v1/authorize", nil, key, header("X-Tollkeeper-Token", "nonsense")).problem(401, api.CodeUnauthenticated)
	f.do("GET", "/v1/authorize", nil, key, header("X-Forwarded-For", "127.0.0.1")).problem(401, api.CodeUnauthenticated)
	f.peer = "127.0.0.1:5000"
	f.do("GET", "/v1/authorize", nil, key).status(200)

	g := newFixture(t, func(c *api.Config) { c.OpenAuthorize = false })
	g.peer = "127.0.0.1:5000"
	g.do("GET", "/v1/authorize", nil, key).problem(401, api.CodeUnauthenticated)
}

// A key bound to a network shows whose address was believed.
func TestTheClientsAddress(t *testing.T) {
	f := newFixture(t)
	_, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "bound", "allowed_cidrs": []string{"203.0.113.0/24"}})
	const good, bad = "203.0.113.7", "192.0.2.1"
	for _, c := range []struct {
		name, peer, forwarded, real string
		want                        int
	}{
		{"the peer itself", good + ":1", "", "", 200},
		{"a stranger's claim is not believed", bad + ":1", good, good, 403},
		{"a trusted proxy is", "127.0.0.1:1", good, "", 200},
		{"the last hop that is no proxy counts", "127.0.0.1:1", "192.0.2.1, 203.0.113.7, 10.1.1.1", "", 200},
		{"what stands left of it is the client's own claim", "127.0.0.1:1", "203.0.113.7, 192.0.2.1", "", 403},
		{"with a port", "127.0.0.1:1", "203.0.113.7:4711", "", 200},
		{"mapped", "127.0.0.1:1", "::ffff:203.0.113.7", "", 200},
		{"nonsense ends the walk", "127.0.0.1:1", "203.0.113.7, unknown", "", 403},
		{"X-Real-IP alone", "127.0.0.1:1", "", good, 200},
		{"X-Forwarded-For wins", "127.0.0.1:1", bad, good, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.in(t)
			f.peer = c.peer
			opts := []option{header("X-Api-Key", secret), header("X-Tollkeeper-Token", f.token["platform"])}
			if c.forwarded != "" {
				opts = append(opts, header("X-Forwarded-For", c.forwarded))
			}
			if c.real != "" {
				opts = append(opts, header("X-Real-IP", c.real))
			}
			f.do("GET", "/v1/authorize", nil, opts...).status(c.want)
		})
	}
}

func TestTheKeyInTheQuery(t *testing.T) {
	f := newFixture(t, func(c *api.Config) { c.AuthorizeQuery = "api_key" })
	f.peer = "127.0.0.1:5000"
	_, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	f.do("GET", "/v1/authorize?api_key="+secret, nil).status(200)
	f.do("GET", "/v1/authorize/path?x=1&api_key="+secret, nil).status(200)
	f.do("GET", "/v1/authorize", nil, header("X-Original-URI", "/orders?api_key="+secret)).status(200)
	f.do("GET", "/v1/authorize", nil, header("X-Forwarded-Uri", "/orders?api_key="+secret)).status(200)
	require.NotContains(t, f.log.String(), secret)
}

// fixed gives one verdict.
type fixed struct{ verdict gen.VerifyData }

func (v fixed) Verify(context.Context, api.VerifyQuery) gen.VerifyData { return v.verdict }

// A used-up quota says when to come back, in a status that the gateway can pass on.
func TestAuthorizeAtTheLimit(t *testing.T) {
	v := gen.VerifyData{
		Code: gen.VerifyCodeQUOTAEXCEEDED, KeyId: "key_a", RetryAfterSeconds: 17,
		Limit: gen.LimitState{Name: "requests", Limit: 1000, Remaining: 0, WindowSeconds: 60, ResetSeconds: 17},
	}
	f := newFixture(t, func(c *api.Config) { c.Verifier = fixed{v} })
	f.peer = "127.0.0.1:5000"
	a := f.do("GET", "/v1/authorize", nil, header("X-Api-Key", "any"))
	a.problem(429, api.CodeQuotaExceeded)
	require.Equal(t, "17", a.Header.Get("Retry-After"))
	require.Equal(t, `"requests";q=1000;w=60`, a.Header.Get("RateLimit-Policy"))
	require.Equal(t, `"requests";r=0;t=17`, a.Header.Get("RateLimit"))
	a = f.do("GET", "/v1/authorize?limit_status=403", nil, header("X-Api-Key", "any"))
	a.problem(403, api.CodeQuotaExceeded)
	require.Equal(t, "17", a.Header.Get("Retry-After"))
}
