package api_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestTheTrailIsListedByTime(t *testing.T) {
	f := newFixture(t)
	from := f.clock.Now()
	for i := range 4 {
		f.as("platform", "POST", "/v1/accounts", map[string]any{"name": fmt.Sprintf("Customer %d", i)}).status(201)
		f.advance(time.Hour)
	}
	listed := func(query string) (at []string) {
		var page gen.AuditPage
		f.as("security", "GET", "/v1/audit?action=account.create"+query, nil).status(200).into(&page)
		for _, e := range page.Items {
			at = append(at, e.At.Sub(from).String())
		}
		return at
	}
	since, until := "&from="+from.Add(time.Hour).Format(time.RFC3339), "&to="+from.Add(3*time.Hour).Format(time.RFC3339)
	require.Equal(t, []string{"3h0m0s", "2h0m0s", "1h0m0s"}, listed(since))
	require.Equal(t, []string{"2h0m0s", "1h0m0s", "0s"}, listed(until))
	require.Equal(t, []string{"2h0m0s", "1h0m0s"}, listed(since+until))
	f.as("security", "GET", "/v1/audit?from=2026-11-25T00:00:00Z&to=2026-11-25T00:00:00Z", nil).problem(400, api.CodeInvalidRequest)
}

func TestTheTrailIsCheckedForWhoeverReadsIt(t *testing.T) {
	f := newFixture(t)
	check := func(query string) (c gen.AuditCheck) {
		f.as("security", "GET", "/v1/audit/check"+query, nil).status(200).into(&c)
		return c
	}
	for i := range 3 {
		f.as("platform", "POST", "/v1/accounts", map[string]any{"name": fmt.Sprintf("Customer %d", i)}).status(201)
	}
	before := check("")
	require.True(t, before.Intact)
	require.Equal(t, int64(1), before.First)
	require.Regexp(t, fmt.Sprintf("^%d:[0-9a-f]{64}$", before.Entries), before.Head)
	f.as("platform", "POST", "/v1/accounts", map[string]any{"name": "Customer 4"}).status(201)
	after := check("?noted=" + before.Head)
	require.True(t, after.Intact)
	require.Equal(t, before.Entries+1, after.Entries)
	require.False(t, check(fmt.Sprintf("?noted=%d:%064x", before.Entries, 1)).Intact, "another entry than the one that was noted")

	require.NoError(t, f.keys.DB().WithTx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE audit_log SET actor = 'user:eve' WHERE seq = 2`)
		return err
	}))
	broken := check("")
	require.False(t, broken.Intact)
	require.Equal(t, int64(1), broken.Entries)
	require.Contains(t, broken.Problem, "row 2 does not match its hash")

	for _, noted := range []string{"12", "0:" + before.Head[2:], before.Head[:20], "x"} {
		f.as("security", "GET", "/v1/audit/check?noted="+noted, nil).problem(400, api.CodeInvalidRequest)
	}
	f.as("viewer", "GET", "/v1/audit/check", nil).status(200)
	for _, role := range []string{"customer", "billing", "platform"} {
		f.as(role, "GET", "/v1/audit/check", nil).problem(403, api.CodeForbidden)
	}
}

func TestWhatWasNotedOfAnEntryThatIsNoLongerKeptIsTheQuestionsFault(t *testing.T) {
	f := newFixture(t)
	f.as("platform", "POST", "/v1/accounts", map[string]any{"name": "Northwind"}).status(201)
	var first gen.AuditCheck
	f.as("security", "GET", "/v1/audit/check", nil).status(200).into(&first)
	f.advance(200 * 24 * time.Hour)
	for range 2 {
		f.as("platform", "POST", "/v1/accounts", map[string]any{"name": "Contoso"}).status(201)
	}
	for range 2 {
		_, err := f.keys.Audit().Expire(t.Context(), f.keys.DB(), f.clock.Now(), 100*24*time.Hour, 1000)
		require.NoError(t, err)
		f.advance(200 * 24 * time.Hour)
	}
	f.as("security", "GET", "/v1/audit/check?noted="+first.Head, nil).problem(400, api.CodeInvalidRequest)
	var now gen.AuditCheck
	f.as("security", "GET", "/v1/audit/check", nil).status(200).into(&now)
	require.True(t, now.Intact)
	require.Greater(t, now.First, first.Entries)
}
