package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tollkeeper/tollkeeper/api"
	"github.com/tollkeeper/tollkeeper/api/gen"
)

func TestLifeOfAKey(t *testing.T) {
	f := newFixture(t)
	key, secret := f.issue(map[string]any{
		"account_id": "acc_northwind", "name": "production", "scopes": []string{"orders:*"}, "allowed_cidrs": []string{"203.0.113.0/24", "2001:db8::1"},
		"metadata": map[string]string{"team": "web"}, "tags": []string{"gold"},
	})
	require.True(t, strings.HasPrefix(secret, "tk_live_"))
	require.Equal(t, gen.KeyStatusActive, key.Status)

	verify := func() gen.VerifyData {
		var v gen.VerifyResponse
		f.as("platform", "POST", "/v1/keys/verify", map[string]any{"key": secret, "client_ip": "203.0.113.9", "scopes": []string{"orders:read"}}).status(200).into(&v)
		return v.Data
	}
	v := verify()
	require.True(t, v.Valid)
	require.Equal(t, key.Id, v.KeyId)

	res := f.as("security", "POST", "/v1/keys/"+key.Id+"/suspend", map[string]any{"reason": "seen in a public repository"}).status(200)
	res.into(&key)
	require.Equal(t, gen.KeyStatusSuspended, key.Status)
	require.Equal(t, "user:security", key.StatusActor)
	require.Equal(t, "seen in a public repository", key.StatusReason)
	v = verify()
	require.False(t, v.Valid, "a suspended key must be refused by the very next question")
	require.Equal(t, gen.VerifyCodeSUSPENDED, v.Code)

	f.as("security", "POST", "/v1/keys/"+key.Id+"/reinstate", map[string]any{"reason": "rotated"}).status(200)
	require.True(t, verify().Valid)

	f.as("security", "POST", "/v1/keys/"+key.Id+"/quarantine", map[string]any{"reason": "thief", "kind": "cidr", "value": "203.0.113.9"}).status(200).into(&key)
	require.Len(t, key.Quarantines, 1)
	require.Equal(t, gen.VerifyCodeQUARANTINED, verify().Code)
	f.as("security", "POST", "/v1/keys/"+key.Id+"/quarantine-release", map[string]any{"reason": "no thief"}).status(200)
	require.True(t, verify().Valid)

	var rotated gen.KeySecret
	narrow := map[string]any{"reason": "thief", "kind": "cidr", "value": "203.0.113.9/32", "agent": "curl"}
	f.as("security", "POST", "/v1/keys/"+key.Id+"/quarantine", narrow).status(200).into(&key)
	require.Equal(t, "curl", key.Quarantines[0].Agent)
	require.Equal(t, gen.VerifyCodeQUARANTINED, verify().Code, "it does not say that it is not curl")
	delete(narrow, "agent")
	f.as("security", "POST", "/v1/keys/"+key.Id+"/quarantine-release", narrow).status(200).into(&key)
	require.Len(t, key.Quarantines, 1, "that is another one")
	narrow["agent"] = "CURL"
	var free gen.Key
	f.as("security", "POST", "/v1/keys/"+key.Id+"/quarantine-release", narrow).status(200).into(&free)
	require.Empty(t, free.Quarantines)

	f.as("security", "DELETE", "/v1/keys/"+key.Id+"?reason=no", nil).problem(403, api.CodeForbidden)
	f.as("platform", "DELETE", "/v1/keys/"+key.Id, nil).problem(400, api.CodeInvalidRequest)
	gone, goneSecret := f.issue(map[string]any{"name": "gone"})
	f.as("platform", "DELETE", "/v1/keys/"+gone.Id+"?reason=customer+left", nil).status(204)
	f.as("platform", "GET", "/v1/keys/"+gone.Id, nil).problem(404, api.CodeNotFound)
	f.as("platform", "DELETE", "/v1/keys/"+gone.Id+"?reason=again", nil).problem(404, api.CodeNotFound)
	var refused gen.VerifyResponse
	f.as("platform", "POST", "/v1/keys/verify", map[string]any{"key": goneSecret}).status(200).into(&refused)
	require.Equal(t, gen.VerifyCodeNOTFOUND, refused.Data.Code)

	f.as("platform", "POST", "/v1/keys/"+key.Id+"/rotate", map[string]any{"grace_seconds": 60}).status(201).into(&rotated)
	require.NotEqual(t, secret, rotated.Secret)
	require.Equal(t, key.Id, rotated.Key.RotatedFrom)
	require.True(t, verify().Valid, "the old key is good during the grace period")
	f.clock.Advance(61 * time.Second)

	f.as("security", "POST", "/v1/keys/"+rotated.Key.Id+"/revoke", map[string]any{"reason": "customer left"}).status(200)
	f.as("security", "POST", "/v1/keys/"+rotated.Key.Id+"/reinstate", map[string]any{"reason": "came back"}).problem(409, api.CodeConflict)

	var trail gen.AuditPage
	f.as("security", "GET", "/v1/audit?target_id="+key.Id, nil).status(200).into(&trail)
	var actions []string
	for _, e := range trail.Items {
		actions = append(actions, e.Action)
	}
	require.Contains(t, actions, "key.suspend")
	require.NotContains(t, f.log.String(), secret, "a secret must not be in the log")
}

func TestKeysAreListedFilteredAndPaged(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		account := "acc_northwind"
		if i == 4 {
			account = "acc_other"
		}
		f.clock.Advance(time.Second)
		f.issue(map[string]any{"account_id": account, "name": "key " + string(rune('a'+i))})
	}
	var seen []string
	path := "/v1/keys?limit=2"
	for path != "" {
		res := f.as("viewer", "GET", path, nil).status(200)
		var page gen.KeyPage
		res.into(&page)
		for _, k := range page.Items {
			seen = append(seen, k.Name)
		}
		path = ""
		if link := res.Header.Get("Link"); link != "" {
			require.Contains(t, link, `rel="next"`)
			path = strings.TrimPrefix(strings.Split(link, ">")[0], "<")
		}
	}
	require.Equal(t, []string{"key e", "key d", "key c", "key b", "key a"}, seen)

	var page gen.KeyPage
	f.as("viewer", "GET", "/v1/keys?q=key+C", nil).status(200).into(&page)
	require.Len(t, page.Items, 1)
	f.as("viewer", "GET", "/v1/keys?account_id=acc_other", nil).status(200).into(&page)
	require.Len(t, page.Items, 1)
	f.as("viewer", "GET", "/v1/keys?status=suspended", nil).status(200).into(&page)
	require.Empty(t, page.Items)
	p := f.as("viewer", "GET", "/v1/keys?cursor=nonsense", nil).problem(400, api.CodeInvalidRequest)
	require.Equal(t, "cursor", p.Errors[0].Parameter)
}

func TestChangesMeetTheirVersion(t *testing.T) {
	f := newFixture(t)
	key, _ := f.issue(map[string]any{"account_id": "acc_northwind", "name": "production", "expires_at": "2027-01-01T00:00:00Z"})
	at := "/v1/keys/" + key.Id
	res := f.as("platform", "GET", at, nil).status(200)
	tag := res.Header.Get("ETag")
	f.as("platform", "GET", at, nil, header("If-None-Match", tag)).status(http.StatusNotModified)

	f.as("platform", "PATCH", at, map[string]any{"name": "first"}, header("If-Match", tag)).status(200)
	f.as("platform", "PATCH", at, map[string]any{"name": "second"}, header("If-Match", tag)).problem(412, api.CodeVersionMismatch)
	f.as("security", "POST", at+"/suspend", map[string]any{"reason": "x"}, header("If-Match", tag)).problem(412, api.CodeVersionMismatch)
	f.as("platform", "PATCH", at, map[string]any{"name": "second"}, header("If-Match", "last week's")).problem(400, api.CodeInvalidRequest)

	f.as("platform", "GET", at, nil).status(200).into(&key)
	require.Equal(t, "first", key.Name)
	require.False(t, key.ExpiresAt.IsZero())
	var changed gen.Key
	f.as("platform", "PATCH", at, `{"expires_at": null, "tags": ["a"]}`).status(200).into(&changed)
	require.True(t, changed.ExpiresAt.IsZero(), "null clears")
	require.Equal(t, []string{"a"}, changed.Tags)
	require.Equal(t, "first", changed.Name, "what is left out stays")
}

func TestRepeatsOfOneRequestHaveOneEffect(t *testing.T) {
	f := newFixture(t)
	body := map[string]any{"account_id": "acc_northwind", "name": "once"}
	first := f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).status(201)
	again := f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).status(201)
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	var a, b gen.KeySecret
	first.into(&a)
	require.NoError(t, json.Unmarshal(again.body, &b))
	require.Equal(t, a.Key.Id, b.Key.Id)
	require.NotEmpty(t, a.Secret)
	require.Empty(t, b.Secret, "a secret is shown once")

	f.as("platform", "POST", "/v1/keys", map[string]any{"account_id": "acc_northwind", "name": "other"}, header("Idempotency-Key", "k-1")).
		problem(422, api.CodeIdempotencyReused)
	f.as("admin", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).status(201) // another caller's key is another key

	var page gen.KeyPage
	f.as("viewer", "GET", "/v1/keys", nil).status(200).into(&page)
	require.Len(t, page.Items, 2)

	f.advance(api.IdempotencyTTL + time.Minute)
	f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).status(201)
	f.as("viewer", "GET", "/v1/keys", nil).status(200).into(&page)
	require.Len(t, page.Items, 3)
}

// cutOff makes keys, and says that nobody knows whether it did.
type cutOff struct{ api.Keys }

type lostCommit struct{ error }

func (lostCommit) OutcomeUnknown() bool { return true }

func (c cutOff) CreateKey(ctx context.Context, by api.Change, k gen.KeyCreate) (gen.Key, string, error) {
	if _, _, err := c.Keys.CreateKey(ctx, by, k); err != nil {
		return gen.Key{}, "", err
	}
	return gen.Key{}, "", fmt.Errorf("issue a key: %w", lostCommit{errors.New("the connection was lost")})
}

// A client that repeats what it has no answer to must not have it done twice: it learns that it has to look.
func TestWhatMayHaveBeenDoneIsNotDoneAgainUnderTheSameIdempotencyKey(t *testing.T) {
	f := newFixture(t, func(c *api.Config) { c.Keys = cutOff{c.Keys} })
	body := map[string]any{"account_id": "acc_northwind", "name": "once"}
	f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).problem(500, api.CodeOutcomeUnknown)
	again := f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-1")).status(500)
	require.Equal(t, "true", again.Header.Get("Idempotency-Replayed"))
	require.Contains(t, string(again.body), `"code":"outcome_unknown"`)
	var page gen.KeyPage
	f.as("viewer", "GET", "/v1/keys", nil).status(200).into(&page)
	require.Len(t, page.Items, 1)
	f.as("platform", "POST", "/v1/keys", body, header("Idempotency-Key", "k-2")).problem(500, api.CodeOutcomeUnknown)
	f.as("viewer", "GET", "/v1/keys", nil).status(200).into(&page)
	require.Len(t, page.Items, 2, "a new key is a new request")
}
