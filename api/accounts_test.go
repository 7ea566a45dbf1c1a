package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

// A customer moves to a plan and pays in advance.
func TestCreditAndSubscriptions(t *testing.T) {
	f := newFixture(t)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).status(200)
	const account = "/v1/accounts/acc_northwind"
	f.as("billing", "GET", account+"/subscriptions", nil).problem(404, api.CodeNotFound)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Northwind Traders"}).status(201)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_other", "name": "Other"}).status(201)

	f.as("billing", "POST", account+"/subscriptions", map[string]any{"plan_id": "none"}).problem(404, api.CodeNotFound)
	var sub gen.Subscription
	f.as("billing", "POST", account+"/subscriptions", map[string]any{"plan_id": "growth", "starts_at": "2026-10-01T00:00:00Z"}).status(201).into(&sub)
	require.Equal(t, "growth", sub.PlanId)
	require.Equal(t, "2026-10-01T00:00:00Z", sub.StartsAt.Format(time.RFC3339))
	require.Equal(t, "user:billing", sub.CreatedBy)
	var subs gen.SubscriptionList
	f.as("customer", "GET", account+"/subscriptions", nil).status(200).into(&subs)
	require.Len(t, subs.Items, 1)
	f.as("customer", "POST", account+"/subscriptions", map[string]any{"plan_id": "growth"}).problem(403, api.CodeForbidden)
	for _, list := range []string{"subscriptions", "credits", "notifications"} {
		f.as("customer", "GET", "/v1/accounts/acc_other/"+list, nil).problem(404, api.CodeNotFound)
		f.as("customer", "GET", account+"/"+list, nil).status(200)
	}

	var credit gen.Credit
	f.as("billing", "POST", account+"/credits", map[string]any{"currency": "USD", "amount": "12.345"}).problem(400, api.CodeInvalidRequest)
	f.as("billing", "POST", account+"/credits", map[string]any{"currency": "USD", "amount": "120.50", "note": "paid by wire"}).status(201).into(&credit)
	require.EqualValues(t, "120.5", credit.Remaining)
	var credits gen.CreditList
	f.as("viewer", "GET", account+"/credits", nil).status(200).into(&credits)
	require.Len(t, credits.Items, 1)
	voided := gen.Credit{}
	f.as("billing", "POST", "/v1/credits/"+credit.Id+"/void", nil).status(200).into(&voided)
	require.EqualValues(t, "0", voided.Remaining)
	f.as("billing", "POST", "/v1/credits/"+credit.Id+"/void", nil).problem(404, api.CodeNotFound)
}
