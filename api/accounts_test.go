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

	f.as("billing", "POST", account+"/subscriptions", map[string]any{"plan_id": "none"}).problem(400, api.CodeInvalidRequest)
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

// What is refused leaves nothing: an account that was made without its plan would stand in the way of the next try.
func TestAnAccountIsNotMadeForAPlanThatTakesNobody(t *testing.T) {
	f := newFixture(t)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201)
	open := func() *answer {
		return f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_new", "name": "New", "plan_id": "growth"})
	}
	open().problem(400, api.CodeInvalidRequest) // it is a draft
	f.as("billing", "GET", "/v1/accounts/acc_new", nil).problem(404, api.CodeNotFound)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).status(200)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201) // the next draft changes nothing
	open().status(201)
}

// A customer may know what it pays for, and nobody else's terms.
func TestACustomerReadsItsOwnPlan(t *testing.T) {
	f := newFixture(t)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).status(200)
	for _, id := range []string{"acc_northwind", "acc_other"} {
		f.as("billing", "POST", "/v1/accounts", map[string]any{"id": id, "name": id}).status(201)
	}
	const plan = "/v1/accounts/acc_northwind/plan"
	var p gen.Plan
	f.as("customer", "GET", plan, nil).status(200).into(&p)
	require.Equal(t, "default", p.Id)
	f.as("billing", "POST", "/v1/accounts/acc_northwind/subscriptions", map[string]any{"plan_id": "growth", "starts_at": "2026-11-20T00:00:00Z", "plan_version": 1}).status(201)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201)
	f.as("billing", "POST", "/v1/plans/growth/versions/2/publish", nil).status(200)

	var whole, seen gen.Plan
	f.as("billing", "GET", "/v1/plans/growth?version=1", nil).status(200).into(&whole)
	require.NotEmpty(t, whole.CreatedBy)
	f.as("customer", "GET", plan, nil).status(200).into(&seen)
	require.EqualValues(t, 1, seen.Version, "the version that it is on, not the newest")
	require.NotEmpty(t, seen.Charges)
	require.NotEmpty(t, seen.Quotas)
	require.Empty(t, seen.CreatedBy)
	whole.CreatedBy = ""
	require.Equal(t, whole, seen)
	f.as("viewer", "GET", plan, nil).status(200).into(&seen)
	require.Equal(t, "user:billing", seen.CreatedBy)

	f.as("customer", "GET", "/v1/accounts/acc_other/plan", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/accounts/acc_none/plan", nil).problem(404, api.CodeNotFound)
	f.as("billing", "GET", "/v1/accounts/acc_none/plan", nil).problem(404, api.CodeNotFound)
	f.as("customer", "GET", "/v1/plans/growth", nil).problem(403, api.CodeForbidden)
	f.as("customer", "GET", "/v1/plans", nil).problem(403, api.CodeForbidden)
}

// A trial ends by itself, a subscription when it is told to; both are answered with what is wrong when there is none.
func TestASubscriptionEnds(t *testing.T) {
	f := newFixture(t)
	f.as("billing", "POST", "/v1/plans/growth/versions", growth()).status(201)
	f.as("billing", "POST", "/v1/plans/growth/versions/1/publish", nil).status(200)
	f.as("billing", "POST", "/v1/accounts", map[string]any{"id": "acc_northwind", "name": "Northwind Traders"}).status(201)
	const subscriptions = "/v1/accounts/acc_northwind/subscriptions"
	tomorrow := map[string]any{}
	f.as("billing", "POST", "/v1/accounts/acc_none/subscriptions/end", tomorrow).problem(404, api.CodeNotFound)
	p := f.as("billing", "POST", subscriptions+"/end", tomorrow).problem(409, api.CodeConflict)
	require.Equal(t, `Account "acc_northwind" has no subscription on 2026-11-25.`, p.Detail)
	p = f.as("billing", "POST", subscriptions, map[string]any{"plan_id": "growth", "plan_version": 2}).problem(400, api.CodeInvalidRequest)
	require.Equal(t, "#/plan_id", p.Errors[0].Pointer)

	trial := map[string]any{"plan_id": "growth", "starts_at": "2026-11-20T00:00:00Z", "ends_at": "2026-12-20T09:00:00Z"}
	var sub gen.Subscription
	f.as("billing", "POST", subscriptions, trial).status(201).into(&sub)
	require.Equal(t, "2026-12-20T00:00:00Z", sub.EndsAt.Format(time.RFC3339))
	f.as("customer", "POST", subscriptions+"/end", tomorrow).problem(403, api.CodeForbidden)
	f.as("billing", "POST", subscriptions+"/end", tomorrow).status(200).into(&sub)
	require.Equal(t, "2026-11-25T00:00:00Z", sub.EndsAt.Format(time.RFC3339))
	p = f.as("billing", "POST", subscriptions+"/end", map[string]any{"ends_at": "2026-12-01T00:00:00Z"}).problem(409, api.CodeConflict)
	require.Equal(t, `Account "acc_northwind" has no subscription on 2026-12-01; the last, to growth, ended at 2026-11-25T00:00:00Z.`, p.Detail)
	var subs gen.SubscriptionList
	f.as("customer", "GET", subscriptions, nil).status(200).into(&subs)
	require.Len(t, subs.Items, 1)
	require.Equal(t, sub.EndsAt, subs.Items[0].EndsAt)
}
