package api_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
	"github.com/tollkeeper/tollkeeper/quotas/meter"
)

func growth() map[string]any {
	return map[string]any{
		"name": "Growth", "currency": "USD",
		"charges": []any{
			map[string]any{"model": "flat", "price": "25", "name": "Base fee"},
			map[string]any{"meter": "requests", "model": "graduated", "tiers": []any{
				map[string]any{"up_to": "1000", "unit_price": "0"},
				map[string]any{"up_to": "5000", "unit_price": "0.0025"},
				map[string]any{"unit_price": "0.001"},
			}},
			map[string]any{"meter": "input_tokens", "model": "unit", "price": "0.0000015"},
		},
		"quotas": []any{map[string]any{"meter": "requests", "per": "account", "limit": 10000, "enforcement": "hard"}},
	}
}

// The billing team's way: draft a plan, publish it, put a customer on it, see use, quota and statement.
func TestFromPlanToStatement(t *testing.T) {
	f := newFixture(t)
	var plan gen.Plan
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201).into(&plan)
	require.EqualValues(t, 1, plan.Version)
	require.EqualValues(t, "draft", plan.Status)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).status(200).into(&plan)
	require.EqualValues(t, "published", plan.Status)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).problem(409, api.CodeConflict)
	f.as("viewer", "GET", "/v1/plans/growth", nil).status(200).into(&plan)
	f.as("viewer", "GET", "/v1/plans/growth?version=1", nil).status(200)
	f.as("viewer", "GET", "/v1/plans/none", nil).problem(404, api.CodeNotFound)
	var plans gen.PlanPage
	f.as("viewer", "GET", "/v1/plans", nil).status(200).into(&plans)
	require.GreaterOrEqual(t, len(plans.Items), 2)

	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Northwind Traders", "plan_id": "none"}).problem(400, api.CodeInvalidRequest)
	var account gen.Account
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Northwind Traders", "plan_id": "growth"}).status(201).into(&account)
	require.Equal(t, "growth", account.PlanId)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Again"}).problem(409, api.CodeExists)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"name": "Without an id"}).status(201)
	var accounts gen.AccountPage
	f.as("viewer", "GET", "/v1/accounts", nil).status(200).into(&accounts)
	require.Len(t, accounts.Items, 2)

	key, _ := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production"})
	hour := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	f.ledger.rows = []meter.KeyUsage{
		{KeyID: key.Id, Bucket: hour, Amounts: meter.Amounts{Requests: 5500, Errors: 12, RequestBytes: 1 << 40, ResponseBytes: 7, Units: map[string]int64{"input_tokens": 987654321}}},
		{KeyID: key.Id, Bucket: hour.Add(2 * time.Hour), Amounts: meter.Amounts{Requests: 500}},
	}
	for _, path := range []string{"/v1/usage?account_id=acc_northwind", "/v1/usage?key_id=" + key.Id} {
		var u gen.Usage
		f.as("billing", "GET", path+"&granularity=hour", nil).status(200).into(&u)
		require.Len(t, u.Items, 2)
		require.EqualValues(t, 6000, u.Total.Requests)
		require.EqualValues(t, 987654321, u.Total.Units["input_tokens"])
		require.EqualValues(t, 1<<40, u.Total.RequestBytes)
		require.True(t, u.Items[0].Sealed)
		require.False(t, u.Items[1].Sealed, "an hour after the seal may still grow")
		require.Equal(t, "2026-11-01T00:00:00Z", u.From.Format(time.RFC3339))
	}
	f.as("billing", "GET", "/v1/usage?account_id=acc_none", nil).problem(404, api.CodeNotFound)

	var q gen.QuotaList
	f.as("billing", "GET", "/v1/quotas?account_id=acc_northwind", nil).status(200).into(&q)
	require.Len(t, q.Items, 1)
	require.EqualValues(t, 6000, q.Items[0].Used)
	require.EqualValues(t, 4000, q.Items[0].Remaining)
	require.Equal(t, "2026-12-01T00:00:00Z", q.Items[0].Period.To.Format(time.RFC3339))
	f.as("billing", "GET", "/v1/quotas?key_id="+key.Id, nil).status(200)
	f.as("billing", "GET", "/v1/quotas?key_id=key_none", nil).problem(404, api.CodeNotFound)

	var st gen.Statement
	f.as("billing", "GET", "/v1/statements/preview?account_id=acc_northwind&period=2026-11", nil).status(200).into(&st)
	require.EqualValues(t, "preview", st.Kind)
	require.True(t, st.Basis.Provisional)
	require.Equal(t, "USD", st.Currency)
	var requests *gen.StatementLine
	for i := range st.Lines {
		if st.Lines[i].Meter == "requests" && st.Lines[i].PlanId == "growth" {
			requests = &st.Lines[i]
		}
	}
	require.NotNil(t, requests, "%+v", st.Lines)
	require.NotEmpty(t, requests.Steps, "the line shows its arithmetic")
	f.as("billing", "GET", "/v1/statements?account_id=acc_northwind&period=2026-11", nil).status(200)
	f.as("billing", "GET", "/v1/statements/none", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/statements/preview", nil).status(200)
}

// Who of the provider's people set up its terms is no customer's business.
func TestACustomerDoesNotLearnWhoWorksOnItsBills(t *testing.T) {
	f := newFixture(t)
	const account = "/v1/accounts/acc_northwind"
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Northwind Traders"}).status(201)
	f.as("billing", "POST", account+"/subscriptions", map[string]any{"plan_id": "default", "starts_at": "2026-10-01T00:00:00Z"}).status(201)
	f.as("billing", "POST", account+"/credits", map[string]any{"currency": "USD", "amount": "120.50"}).status(201)
	var issued gen.Statement
	f.as("billing", "POST", "/v1/statements", map[string]any{"account_id": "acc_northwind", "period": "2026-10"}).status(200).into(&issued)
	for role, want := range map[string]string{"viewer": "user:billing", "customer": ""} {
		var subs gen.SubscriptionList
		f.as(role, "GET", account+"/subscriptions", nil).status(200).into(&subs)
		require.Equal(t, want, subs.Items[0].CreatedBy, role)
		var credits gen.CreditList
		f.as(role, "GET", account+"/credits", nil).status(200).into(&credits)
		require.Equal(t, want, credits.Items[0].CreatedBy, role)
		var page gen.StatementPage
		f.as(role, "GET", "/v1/statements?account_id=acc_northwind", nil).status(200).into(&page)
		require.Equal(t, want, page.Items[0].IssuedBy, role)
		var st gen.Statement
		f.as(role, "GET", "/v1/statements/"+issued.Id, nil).status(200).into(&st)
		require.Equal(t, want, st.IssuedBy, role)
	}
}

func TestBadPlansAreNamedByField(t *testing.T) {
	f := newFixture(t)
	p := growth()
	p["charges"] = []any{map[string]any{"meter": "requests", "model": "graduated", "tiers": []any{
		map[string]any{"up_to": "1000", "unit_price": "0.1"}, map[string]any{"up_to": "1000", "unit_price": "0.2"},
	}}}
	a := f.as("billing", "POST", "/v1/plans/growth/versions", p)
	found := a.problem(400, api.CodeInvalidRequest)
	require.NotEmpty(t, found.Errors)
	require.Contains(t, found.Errors[0].Pointer, "#/charges/0/tiers", "%s", a.body)

	p["charges"] = []any{map[string]any{"meter": "requests", "model": "unit", "price": 0.1}}
	found = f.as("billing", "POST", "/v1/plans/growth/versions", p).problem(400, api.CodeInvalidRequest)
	require.Equal(t, "#/charges/0/price", found.Errors[0].Pointer, "a price is a decimal string, never a float")
	f.as("billing", "POST", "/v1/plans/Bad%20Id/versions", growth()).problem(400, api.CodeInvalidRequest)
}

// A closed period is billed, late records correct it, and both go into a spreadsheet.
func TestStatementsAreIssuedCorrectedAndExported(t *testing.T) {
	f := newFixture(t)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_tailspin", "name": "Tailspin Toys"}).status(201)
	key, _ := f.issue(map[string]any{"account_id": "acc_tailspin", "name": "production"})
	use := func(requests int64) {
		f.ledger.rows = []meter.KeyUsage{{KeyID: key.Id, Bucket: time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC), Amounts: meter.Amounts{Requests: requests}}}
	}
	use(20_000)
	november, october := map[string]any{"account_id": "acc_tailspin", "period": "2026-11"}, map[string]any{"account_id": "acc_tailspin", "period": "2026-10"}
	f.as("billing", "POST", "/v1/statements", november).problem(409, api.CodeConflict)
	f.as("billing", "POST", "/v1/statements", map[string]any{"account_id": "acc_none", "period": "2026-10"}).problem(404, api.CodeNotFound)
	var st, again gen.Statement
	f.as("billing", "POST", "/v1/statements", october).status(200).into(&st)
	require.Equal(t, "4", st.Total)
	f.as("billing", "POST", "/v1/statements", october).status(200).into(&again)
	require.Equal(t, st.Number, again.Number)

	var c gen.StatementCorrection
	f.as("billing", "POST", "/v1/statements/"+st.Id+"/correct", nil).status(200).into(&c)
	require.False(t, c.Changed)
	use(30_000)
	f.as("billing", "POST", "/v1/statements/"+st.Id+"/correct", nil).status(200).into(&c)
	require.True(t, c.Changed)
	require.Equal(t, "4", c.Correction.Total)
	require.Equal(t, st.Id, c.Correction.Corrects)
	f.as("billing", "POST", "/v1/statements/"+c.Correction.Id+"/correct", nil).problem(409, api.CodeConflict)
	f.as("billing", "POST", "/v1/statements/none/correct", nil).problem(404, api.CodeNotFound)

	var whole, broken gen.StatementsCheck
	f.as("viewer", "GET", "/v1/statements/check", nil).status(200).into(&whole)
	require.Equal(t, gen.StatementsCheck{Intact: true, Statements: 2}, whole)
	require.NoError(t, f.keys.DB().WithTx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE quota_statements SET body = REPLACE(body, 'acc_tailspin', 'acc_other') WHERE seq = 2`)
		return err
	}))
	f.as("viewer", "GET", "/v1/statements/check", nil).status(200).into(&broken)
	require.False(t, broken.Intact)
	require.EqualValues(t, 1, broken.Statements)
	require.Contains(t, broken.Problem, "is not what was issued")
	f.as("customer", "GET", "/v1/statements/check", nil).problem(403, api.CodeForbidden)

	for path, want := range map[string]string{
		"/v1/statements/" + st.Id + "/csv":                                               "line,requests,API requests,graduated,,,,20000,,,4,4.00\n",
		"/v1/usage/csv?account_id=acc_tailspin&from=2026-10-01T00:00:00Z":                "total,,,30000,0,0,0\n",
		"/v1/usage/csv?granularity=hour&key_id=" + key.Id + "&from=2026-10-01T00:00:00Z": "2026-10-05T09:00:00Z,2026-10-05T10:00:00Z,true,30000,0,0,0\n",
	} {
		a := f.as("viewer", "GET", path, nil).status(200)
		require.Equal(t, "text/csv", a.Header.Get("Content-Type"))
		require.Contains(t, string(a.body), want)
		require.NotContains(t, string(a.body), `"`)
	}
	f.as("viewer", "GET", "/v1/usage/csv", nil).problem(400, api.CodeInvalidRequest)
	f.as("customer", "GET", "/v1/statements/"+st.Id+"/csv", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/usage/csv?account_id=acc_tailspin", nil).problem(404, api.CodeNotFound)
}
