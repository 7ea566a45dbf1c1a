package api_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestKeysThatWereMadeElsewhereAreTakenOver(t *testing.T) {
	f := newFixture(t)
	const first, second = "made-elsewhere-and-in-use-1", "made-elsewhere-and-in-use-2"
	body := map[string]any{"keys": []map[string]any{
		{"name": "first", "account_id": "acc_moved", "secret": first, "tags": []string{"a"}},
		{"name": "short", "secret": "short"},
		{"name": "nowhere", "secret": second + "-3", "allowed_cidrs": []string{"here"}},
		{"name": "none"},
		{"name": "second", "secret": second},
		{"name": "second, again", "secret": second},
	}}
	var a gen.KeyImportAnswer
	f.as("platform", "POST", "/v1/keys/import", map[string]any{"keys": body["keys"], "dry_run": true}).status(200).into(&a)
	require.Equal(t, []int64{2, 1, 3}, []int64{a.Imported, a.Known, a.Refused})
	require.Empty(t, a.Items[0].KeyId)

	a = gen.KeyImportAnswer{}
	f.as("platform", "POST", "/v1/keys/import", body).status(200).into(&a)
	require.Equal(t, []int64{2, 1, 3}, []int64{a.Imported, a.Known, a.Refused})
	require.Equal(t, a.Items[4].KeyId, a.Items[5].KeyId)
	require.Equal(t, "secret: a key has 16 to 512 bytes, this one 5", a.Items[1].Problem)
	require.Contains(t, a.Items[2].Problem, "allowed_cidrs: must be addresses or networks")
	require.Contains(t, a.Items[3].Problem, "secret: is missing")
	for at, secret := range map[int]string{0: first, 4: second} {
		var v gen.VerifyKey200JSONResponse
		f.as("platform", "POST", "/v1/keys/verify", map[string]any{"key": secret}).status(200).into(&v)
		require.Equal(t, a.Items[at].KeyId, v.Data.KeyId)
		require.Equal(t, gen.VerifyCodeVALID, v.Data.Code)
	}
	var k gen.Key
	f.as("platform", "GET", "/v1/keys/"+a.Items[0].KeyId, nil).status(200).into(&k)
	require.Equal(t, []any{"first", "acc_moved", []string{"a"}}, []any{k.Name, k.AccountId, k.Tags})

	again := gen.KeyImportAnswer{}
	f.as("platform", "POST", "/v1/keys/import", body).status(200).into(&again)
	require.Equal(t, []int64{0, 3, 3}, []int64{again.Imported, again.Known, again.Refused})
	require.NotContains(t, f.log.String(), "made-elsewhere")

	for _, role := range []string{"security", "billing", "viewer", "customer"} {
		f.as(role, "POST", "/v1/keys/import", body).problem(403, api.CodeForbidden)
	}
	many := make([]map[string]any, 1001)
	for i := range many {
		many[i] = map[string]any{"name": "n", "secret": fmt.Sprintf("made-elsewhere-%05d", i)}
	}
	for _, list := range []any{[]any{}, many} {
		f.as("platform", "POST", "/v1/keys/import", map[string]any{"keys": list}).problem(400, api.CodeInvalidRequest)
	}
}
