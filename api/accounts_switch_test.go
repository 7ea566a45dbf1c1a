package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

// A customer who does not pay is cut off, and comes back as he was.
func TestAnAccountIsSuspendedAndReinstated(t *testing.T) {
	f := newFixture(t)
	f.peer = "127.0.0.1:5000"
	good, secret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	bad, badSecret := f.issue(map[string]any{"account_id": "acc_northwind", "name": "stolen"})
	_, other := f.issue(map[string]any{"account_id": "acc_other", "name": "production"})
	f.as("security", "POST", "/v1/keys/"+bad.Id+"/suspend", map[string]any{"reason": "theft"}).status(200)
	var before gen.Key
	f.as("viewer", "GET", "/v1/keys/"+good.Id, nil).status(200).into(&before)
	const account = "/v1/accounts/acc_northwind"
	why := map[string]any{"reason": "invoice 2026-0412 is overdue"}
	dry := map[string]any{"reason": "invoice 2026-0412 is overdue", "dry_run": true}
	code := func(secret string) gen.VerifyCode {
		var v gen.VerifyKey200JSONResponse
		f.as("platform", "POST", "/v1/keys/verify", map[string]any{"key": secret}).status(200).into(&v)
		return v.Data.Code
	}

	var s gen.AccountSwitched
	f.as("billing", "POST", account+"/suspend", dry).status(200).into(&s)
	require.True(t, s.Changed)
	require.EqualValues(t, 1, s.Keys, "the stolen one is refused anyway")
	require.Zero(t, s.Account.Suspension)
	require.Equal(t, gen.VerifyCodeVALID, code(secret), "a dry run changes nothing")
	f.as("billing", "POST", account+"/reinstate", dry).status(200).into(&s)
	require.False(t, s.Changed)

	f.as("billing", "POST", account+"/suspend", why).status(200).into(&s)
	require.True(t, s.Changed)
	require.EqualValues(t, 1, s.Keys)
	require.Equal(t, gen.AccountSuspension{Reason: "invoice 2026-0412 is overdue", Actor: "user:billing", At: f.clock.Now()}, s.Account.Suspension)
	require.Equal(t, gen.VerifyCodeACCOUNTSUSPENDED, code(secret))
	require.Equal(t, gen.VerifyCodeSUSPENDED, code(badSecret))
	require.Equal(t, gen.VerifyCodeVALID, code(other))
	a := f.do("GET", "/v1/authorize", nil, header("X-Api-Key", secret))
	a.problem(403, api.CodeAccountSuspended)
	require.Equal(t, "ACCOUNT_SUSPENDED", a.Header.Get("X-Tollkeeper-Code"))
	require.Equal(t, good.Id, a.Header.Get("X-Tollkeeper-Key-Id"))
	require.NotContains(t, string(a.body), "0412", "why is between the provider and the customer")
	var k gen.Key
	f.as("viewer", "GET", "/v1/keys/"+good.Id, nil).status(200).into(&k)
	require.Equal(t, gen.KeyStatusActive, k.Status, "the key's own state is left alone")
	require.Equal(t, s.Account.Suspension, k.AccountSuspension)
	require.Equal(t, before.Version, k.Version)
	var got gen.Account
	f.as("customer", "GET", account, nil).status(200).into(&got)
	require.Equal(t, "invoice 2026-0412 is overdue", got.Suspension.Reason, "the customer may know")

	f.as("security", "POST", account+"/suspend", map[string]any{"reason": "again"}).status(200).into(&s)
	require.False(t, s.Changed)
	require.Equal(t, "invoice 2026-0412 is overdue", s.Account.Suspension.Reason)

	s = gen.AccountSwitched{}
	f.as("platform", "POST", account+"/reinstate", map[string]any{"reason": "paid"}).status(200).into(&s)
	require.True(t, s.Changed)
	require.Zero(t, s.Account.Suspension)
	require.Equal(t, gen.VerifyCodeVALID, code(secret))
	require.Equal(t, gen.VerifyCodeSUSPENDED, code(badSecret))
	var after gen.Key
	f.as("viewer", "GET", "/v1/keys/"+good.Id, nil).status(200).into(&after)
	require.Equal(t, before, after)

	var trail gen.AuditPage
	f.as("security", "GET", "/v1/audit?target_id=acc_northwind", nil).status(200).into(&trail)
	require.Len(t, trail.Items, 2, "dry runs and what changed nothing leave no trace")
	require.Equal(t, []string{"account.reinstate", "user:platform", "paid"}, []string{trail.Items[0].Action, trail.Items[0].Actor, trail.Items[0].Reason})
	require.Equal(t, []string{"account.suspend", "active", "suspended"}, []string{trail.Items[1].Action, trail.Items[1].Before, trail.Items[1].After})

	for _, verb := range []string{"/suspend", "/reinstate"} {
		f.as("customer", "POST", account+verb, why).problem(403, api.CodeForbidden)
		f.as("viewer", "POST", account+verb, why).problem(403, api.CodeForbidden)
		f.as("billing", "POST", account+verb, map[string]any{}).problem(400, api.CodeInvalidRequest)
		f.as("billing", "POST", "/v1/accounts/acc_none"+verb, why).problem(404, api.CodeNotFound)
		f.as("billing", "POST", "/v1/accounts/acc_none"+verb, dry).problem(404, api.CodeNotFound)
	}
}
