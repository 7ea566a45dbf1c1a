package keys_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestASuspendedAccountRefusesItsKeysAndLeavesThemAsTheyAre(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		by := keys.By{Actor: "user:ada", Reason: "has not paid since May", RequestID: "req-7"}
		secrets := map[string]string{}
		ids := map[string]string{}
		for _, name := range []string{"good", "suspended", "revoked", "other"} {
			account := "acme"
			if name == "other" {
				account = "umbrella"
			}
			k, secret := issue(t, s, keys.New{Name: name, AccountID: account})
			secrets[name], ids[name] = secret, k.ID
		}
		_, stray := issue(t, s, keys.New{Name: "of no account"})
		if _, _, err := s.Suspend(ctx, ids["suspended"], time.Time{}, ada); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Revoke(ctx, ids["revoked"], ada); err != nil {
			t.Fatal(err)
		}
		records := func() (list []keys.Key) {
			for _, name := range []string{"good", "suspended", "revoked", "other"} {
				k, err := s.Get(ctx, ids[name])
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, k)
			}
			return list
		}
		verdicts := func() map[string]keys.Code {
			out := map[string]keys.Code{"stray": v.Verify(keys.Request{Key: stray}).Code}
			for name, secret := range secrets {
				out[name] = v.Verify(keys.Request{Key: secret}).Code
			}
			return out
		}
		before, free := records(), verdicts()
		if n, err := s.CountPassing(ctx, "acme"); n != 1 || err != nil {
			t.Errorf("%d keys would be refused, %v", n, err)
		}

		c.Advance(time.Second)
		a, changed, err := s.SuspendAccount(ctx, "acme", by)
		if err != nil || !changed || a.Version != 2 || a.Suspension == nil || a.Suspension.Reason != by.Reason || a.Suspension.Actor != by.Actor || !a.Suspension.At.Equal(c.Now()) {
			t.Fatalf("%+v, %v, %v", a, changed, err)
		}
		refused := map[string]keys.Code{
			"good": keys.CodeAccountSuspended, "suspended": keys.CodeSuspended, "revoked": keys.CodeRevoked, "other": keys.CodeValid, "stray": keys.CodeValid,
		}
		if diff := cmp.Diff(refused, verdicts()); diff != "" {
			t.Errorf("suspended (-want +got):\n%s", diff)
		}
		got := v.Verify(keys.Request{Key: secrets["good"]})
		if got.Valid || got.Reason != "the account is suspended: has not paid since May" || got.KeyID != ids["good"] || got.AccountID != "acme" {
			t.Errorf("%+v", got)
		}
		_, later := issue(t, s, keys.New{AccountID: "acme"})
		if got := v.Verify(keys.Request{Key: later}); got.Code != keys.CodeAccountSuspended {
			t.Errorf("a key that was issued meanwhile: %+v", got)
		}
		if _, changed, err := s.SuspendAccount(ctx, "acme", keys.By{Actor: "user:bob", Reason: "again"}); err != nil || changed {
			t.Errorf("again: %v, %v", changed, err)
		}
		if since, ok := v.AccountSuspended("acme"); !ok || since.Reason != by.Reason {
			t.Errorf("in memory: %+v, %v", since, ok)
		}
		restarted := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		if got := restarted.Verify(keys.Request{Key: secrets["good"]}).Code; got != keys.CodeAccountSuspended {
			t.Errorf("after a restart: %s", got)
		}
		if renamed, err := s.PutAccount(ctx, "acme", "Acme Ltd", nil, ada); err != nil || renamed.Suspension == nil {
			t.Errorf("a new name lifted the suspension: %+v, %v", renamed, err)
		}

		if a, changed, err = s.ReinstateAccount(ctx, "acme", by); err != nil || !changed || a.Suspension != nil {
			t.Fatalf("%+v, %v, %v", a, changed, err)
		}
		if diff := cmp.Diff(free, verdicts()); diff != "" {
			t.Errorf("reinstated (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(before, records(), cmpopts.IgnoreUnexported(keys.Key{})); diff != "" {
			t.Errorf("the keys' records (-before +after):\n%s", diff)
		}
		if _, changed, err := s.ReinstateAccount(ctx, "acme", by); err != nil || changed {
			t.Errorf("again: %v, %v", changed, err)
		}
		for _, id := range []string{"nobody", ""} {
			if _, _, err := s.SuspendAccount(ctx, id, by); !errors.Is(err, keys.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if _, _, err := s.SuspendAccount(ctx, "acme", keys.By{Actor: "user:ada", IfVersion: 1}); !errors.Is(err, keys.ErrVersion) {
			t.Errorf("on an old version: %v", err)
		}

		list, _, err := s.Audit().List(ctx, s.DB().Read(), audit.Filter{TargetID: "acme"})
		if err != nil {
			t.Fatal(err)
		}
		var trail []string
		for i := range list {
			trail = append(trail, strings.Join([]string{list[i].Action, list[i].TargetType, list[i].Before, list[i].After, list[i].Actor, list[i].Reason, list[i].RequestID}, " "))
		}
		want := []string{
			"account.reinstate account suspended active user:ada has not paid since May req-7",
			"account.update account   user:ada asked by the customer req-1",
			"account.suspend account active suspended user:ada has not paid since May req-7",
		}
		if diff := cmp.Diff(want, trail); diff != "" {
			t.Errorf("audit trail (-want +got):\n%s", diff)
		}
	})
}

func TestASuspendedAccountIsRefusedByEveryProcessWithinTheBound(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, pepper := context.Background(), newPepper(t)
		here, there := newStore(t, open(t), pepper, nil), newStore(t, open(t), pepper, nil)
		near, far := newVerifier(t, here, keys.VerifierConfig{}), newVerifier(t, there, keys.VerifierConfig{})
		run(t, near)
		run(t, far)
		_, secret := issue(t, here, keys.New{AccountID: "acme"})
		await(t, "the new key to be valid elsewhere", func() bool { return far.Verify(keys.Request{Key: secret}).Valid })
		for range 3 {
			started := time.Now()
			if _, _, err := here.SuspendAccount(ctx, "acme", ada); err != nil {
				t.Fatal(err)
			}
			if got := near.Verify(keys.Request{Key: secret}).Code; got != keys.CodeAccountSuspended {
				t.Fatalf("when SuspendAccount returns the process itself says %s", got)
			}
			await(t, "its refusal elsewhere", func() bool { return !far.Verify(keys.Request{Key: secret}).Valid })
			if took := time.Since(started); took > keys.DefaultBound {
				t.Errorf("it took %v, the bound is %v", took, keys.DefaultBound)
			}
			await(t, "the suspension elsewhere", func() bool { return far.Verify(keys.Request{Key: secret}).Code == keys.CodeAccountSuspended })
			if _, _, err := here.ReinstateAccount(ctx, "acme", ada); err != nil {
				t.Fatal(err)
			}
			await(t, "the reinstatement elsewhere", func() bool { return far.Verify(keys.Request{Key: secret}).Valid })
		}
	})
}

// Old news, which a poll has read before a commit of this process, does not undo what came after.
func TestOldNewsOfAnAccountChangesNothing(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
	_, secret := issue(t, s, keys.New{AccountID: "acme"})
	suspended, _, err := s.SuspendAccount(context.Background(), "acme", ada)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.ReinstateAccount(context.Background(), "acme", ada); err != nil {
		t.Fatal(err)
	}
	keys.HearOfAccount(v, &suspended)
	if got := v.Verify(keys.Request{Key: secret}); !got.Valid {
		t.Errorf("%+v", got)
	}
}
