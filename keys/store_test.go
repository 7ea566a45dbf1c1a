package keys_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// each runs a test on both engines with a store whose clock the test moves.
func each(t *testing.T, test func(t *testing.T, s *keys.Store, c *clock)) {
	t.Helper()
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		c := newClock()
		test(t, newStore(t, open(t), newPepper(t), c.Now), c)
	})
}

var sameKey = cmp.Options{cmpopts.IgnoreUnexported(keys.Key{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestAnIssuedKeyComesBackAsItWasAndItsSecretIsNowhere(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		n := keys.New{
			Name: "Billing job", AccountID: "acme", PlanID: "pro", Environment: keys.Test, Tags: []string{"team:billing", "x"},
			Scopes: []string{"orders:*"}, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")},
			ExpiresAt: c.Now().Add(time.Hour), Metadata: map[string]string{"owner": "Ärne \"quoted\""},
		}
		issued, secret := issue(t, s, n)
		got, err := s.Get(ctx, issued.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(issued, got, sameKey); d != "" {
			t.Errorf("read back (-issued +read):\n%s", d)
		}
		want := keys.Key{
			ID: issued.ID, Name: n.Name, AccountID: "acme", PlanID: "pro", Environment: keys.Test, Source: keys.Issued, Prefix: "tk_test_",
			Last4: secret[len(secret)-4:], Status: keys.Active, Reason: ada.Reason, Actor: ada.Actor, StatusAt: c.Now(), ExpiresAt: n.ExpiresAt,
			Tags: n.Tags, Scopes: n.Scopes, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Metadata: n.Metadata,
			Version: 1, Seq: 1, CreatedBy: ada.Actor, CreatedAt: c.Now(), UpdatedAt: c.Now(),
		}
		if d := cmp.Diff(want, got, sameKey); d != "" {
			t.Errorf("record (-want +got):\n%s", d)
		}
		if text := fmt.Sprintf("%+v %#v", got, issued); strings.Contains(text, secret) {
			t.Error("the record holds the secret")
		}
		if a, err := s.GetAccount(ctx, "acme"); err != nil || a.Name != "acme" {
			t.Errorf("the account: %+v, %v", a, err)
		}
	})
}

func TestWhatIsRefusedNamesTheField(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), newClock().Now)
	for _, c := range []struct {
		name, field string
		n           keys.New
	}{
		{"control character", "name", keys.New{Name: "a\x00b"}},
		{"long name", "name", keys.New{Name: strings.Repeat("x", 257)}},
		{"account with blank", "account_id", keys.New{AccountID: "a b"}},
		{"plan with slash", "plan_id", keys.New{PlanID: "../x"}},
		{"environment", "environment", keys.New{Environment: "prod"}},
		{"many tags", "tags", keys.New{Tags: make([]string, 21)}},
		{"bad tag", "tags[1]", keys.New{Tags: []string{"ok", "not ok"}}},
		{"bad scope", "scopes[0]", keys.New{Scopes: []string{""}}},
		{"no network", "allowed_cidrs[0]", keys.New{AllowedCIDRs: make([]netip.Prefix, 1)}},
		{"past expiry", "expires_at", keys.New{ExpiresAt: time.Unix(1, 0)}},
		{"metadata name", "metadata", keys.New{Metadata: map[string]string{"a b": ""}}},
		{"metadata size", "metadata", keys.New{Metadata: map[string]string{"a": strings.Repeat("x", 9000)}}},
		{"short import", "secret", keys.New{Secret: "hunter2"}},
		{"import with blank", "secret", keys.New{Secret: "correct horse battery staple"}},
		{"import of a mistyped key of ours", "secret", keys.New{Secret: "tk_live_0123456789abcdefghijkl000000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := s.Issue(context.Background(), c.n, ada)
			input, ok := errors.AsType[*keys.InputError](err)
			if !ok || input.Field != c.field || !errors.Is(err, keys.ErrInput) {
				t.Fatalf("got %v, want the field %s", err, c.field)
			}
			if c.n.Secret != "" && strings.Contains(err.Error(), c.n.Secret) {
				t.Error("the message quotes the key")
			}
		})
	}
	if _, _, err := s.Issue(context.Background(), keys.New{}, keys.By{}); !errors.Is(err, keys.ErrInput) {
		t.Errorf("without an actor: %v", err)
	}
}

func TestASuspensionKeepsTheLongerAndEndsByItself(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		k, _ := issue(t, s, keys.New{})
		detector := keys.By{Actor: "detector:network", Reason: "two networks at once", AlertID: "alrt_1"}
		step := func(name string, until time.Duration, by keys.By, changed bool, want time.Duration, actor string) {
			t.Helper()
			at := time.Time{}
			if until != 0 {
				at = c.Now().Add(until)
			}
			got, did, err := s.Suspend(ctx, k.ID, at, by)
			if err != nil || did != changed || got.Status != keys.Suspended || got.Actor != actor {
				t.Fatalf("%s: changed %v, %s by %s, %v", name, did, got.Status, got.Actor, err)
			}
			if left := got.SuspendedUntil.Sub(c.Now()); (want == 0) != got.SuspendedUntil.IsZero() || (want != 0 && left != want) {
				t.Fatalf("%s: until %v, want %v", name, got.SuspendedUntil, want)
			}
		}
		step("first", time.Hour, detector, true, time.Hour, detector.Actor)
		step("the same again", time.Hour, detector, false, time.Hour, detector.Actor)
		step("shorter", time.Minute, ada, false, time.Hour, detector.Actor)
		step("longer", 2*time.Hour, ada, true, 2*time.Hour, ada.Actor)
		if _, _, err := s.Suspend(ctx, k.ID, c.Now().Add(-1), ada); !errors.Is(err, keys.ErrInput) {
			t.Errorf("in the past: %v", err)
		}
		c.Advance(2 * time.Hour)
		got, err := s.Get(ctx, k.ID)
		if err != nil || got.Status != keys.Active {
			t.Fatalf("after its time: %s, %v", got.Status, err)
		}
		if n, err := s.Sweep(ctx, 10); n != 1 || err != nil {
			t.Fatalf("sweep: %d, %v", n, err)
		}
		if n, err := s.Sweep(ctx, 10); n != 0 || err != nil {
			t.Fatalf("second sweep: %d, %v", n, err)
		}
		step("without end", 0, ada, true, 0, ada.Actor)
		step("any end is shorter", time.Hour, detector, false, 0, ada.Actor)
		got, did, err := s.Reinstate(ctx, k.ID, ada)
		if err != nil || !did || got.Status != keys.Active || !got.SuspendedUntil.IsZero() {
			t.Fatalf("reinstated: %+v, %v, %v", got, did, err)
		}
		if _, did, err = s.Reinstate(ctx, k.ID, ada); did || err != nil {
			t.Errorf("reinstated twice: %v, %v", did, err)
		}
		wantTrail(t, s, k.ID, "key.issue >active", "key.suspend active>suspended", "key.suspend suspended>suspended",
			"key.reinstate suspended>active", "key.suspend active>suspended", "key.reinstate suspended>active")
	})
}

// wantTrail compares the actions on a target, the oldest first, and checks that the chain is whole.
func wantTrail(t *testing.T, s *keys.Store, target string, want ...string) {
	t.Helper()
	page, _, err := s.Audit().List(context.Background(), s.DB().Read(), audit.Filter{TargetID: target})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(page) {
		got = append(got, e.Action+" "+e.Before+">"+e.After)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("audit trail (-want +got):\n%s", d)
	}
	if _, err := s.Audit().Verify(context.Background(), s.DB().Read()); err != nil {
		t.Errorf("the chain: %v", err)
	}
}

func TestRevocationIsFinalAndIdempotent(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		k, _ := issue(t, s, keys.New{})
		if got, did, err := s.Revoke(ctx, k.ID, ada); err != nil || !did || got.Status != keys.Revoked {
			t.Fatalf("%+v, %v, %v", got, did, err)
		}
		if _, did, err := s.Revoke(ctx, k.ID, ada); err != nil || did {
			t.Errorf("twice: %v, %v", did, err)
		}
		_, _, suspend := s.Suspend(ctx, k.ID, time.Time{}, ada)
		_, _, reinstate := s.Reinstate(ctx, k.ID, ada)
		_, rotate := s.Rotate(ctx, k.ID, 0, ada)
		_, _, quarantine := s.Quarantine(ctx, k.ID, []keys.Denied{{Kind: keys.DenyASN, Value: "1"}}, ada)
		for name, err := range map[string]error{"suspend": suspend, "reinstate": reinstate, "rotate": rotate, "quarantine": quarantine} {
			if state, ok := errors.AsType[*keys.StateError](err); !ok || state.Status != keys.Revoked || !errors.Is(err, keys.ErrState) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestUpdateIsGuardedByTheVersion(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		k, _ := issue(t, s, keys.New{Name: "a"})
		name, plan := "b", "pro"
		by := ada
		by.IfVersion = k.Version
		got, err := s.Update(ctx, k.ID, keys.Patch{Name: &name, PlanID: &plan}, by)
		if err != nil || got.Name != "b" || got.PlanID != "pro" || got.Version != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		if _, err := s.Update(ctx, k.ID, keys.Patch{Name: &name}, by); !errors.Is(err, keys.ErrVersion) {
			t.Errorf("with the old version: %v", err)
		}
		same, err := s.Update(ctx, k.ID, keys.Patch{Name: &name}, ada)
		if err != nil || same.Version != 2 {
			t.Errorf("an update to the same: version %d, %v", same.Version, err)
		}
		if _, err := s.Update(ctx, "key_none", keys.Patch{}, ada); !errors.Is(err, keys.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if _, err := s.Get(ctx, "tk_live_0123456789abcdefghijkl000000"); err == nil || strings.Contains(err.Error(), "0123456789abc") {
			t.Errorf("a key given as an id: %v", err)
		}
	})
}

func TestAKeyGetsItsAccountOnce(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		if _, err := s.EnsureExternal(ctx, []string{"consumer-7"}, ada); err != nil {
			t.Fatal(err)
		}
		acme, globex, none := "acme", "globex", ""
		if k, err := s.Update(ctx, "consumer-7", keys.Patch{AccountID: &acme}, ada); err != nil || k.AccountID != "acme" {
			t.Fatalf("a key that the log named gets an account: %+v, %v", k, err)
		}
		if _, err := s.GetAccount(ctx, "acme"); err != nil {
			t.Errorf("the account was not made: %v", err)
		}
		for _, to := range []*string{&globex, &none} {
			_, err := s.Update(ctx, "consumer-7", keys.Patch{AccountID: to}, ada)
			if e, ok := errors.AsType[*keys.InputError](err); !ok || e.Field != "account_id" || !strings.Contains(err.Error(), "acme") {
				t.Errorf("moved to %q: %v", *to, err)
			}
		}
		if got := v.Verify(keys.Request{KeyID: "consumer-7"}); got.AccountID != "acme" {
			t.Errorf("verified: %+v", got)
		}
	})
}

func TestQuarantineDeniesSomeActorsAndDismissingOneAlertLeavesTheOthers(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		k, _ := issue(t, s, keys.New{})
		one, two := keys.By{Actor: "detector:a", AlertID: "alrt_1"}, keys.By{Actor: "detector:b", AlertID: "alrt_2"}
		deny := func(by keys.By, d keys.Denied, changed bool) keys.Key {
			t.Helper()
			got, did, err := s.Quarantine(ctx, k.ID, []keys.Denied{d}, by)
			if err != nil || did != changed {
				t.Fatalf("quarantine of %+v: %v, %v", d, did, err)
			}
			return got
		}
		deny(one, keys.Denied{Kind: keys.DenyASN, Value: "AS64500", Until: c.Now().Add(time.Hour)}, true)
		deny(one, keys.Denied{Kind: keys.DenyASN, Value: "64500", Until: c.Now().Add(time.Minute)}, false)
		deny(two, keys.Denied{Kind: keys.DenyCIDR, Value: "192.0.2.9"}, true)
		if got, did, err := s.Reinstate(ctx, k.ID, one); err != nil || !did || len(got.Quarantine) != 1 || got.Quarantine[0].Value != "192.0.2.9/32" {
			t.Fatalf("dismissing the first alert left %+v, %v, %v", got.Quarantine, did, err)
		}
		if got, did, err := s.LiftQuarantine(ctx, k.ID, keys.Denied{Kind: keys.DenyCIDR, Value: "192.0.2.9"}, ada); err != nil || !did || len(got.Quarantine) != 0 {
			t.Fatalf("lifted: %+v, %v, %v", got.Quarantine, did, err)
		}
		for i := range keys.MaxQuarantine {
			deny(one, keys.Denied{Kind: keys.DenyASN, Value: fmt.Sprint(i + 1), Until: c.Now().Add(time.Hour)}, true)
		}
		if _, _, err := s.Quarantine(ctx, k.ID, []keys.Denied{{Kind: keys.DenyAgent, Value: "curl"}}, two); !errors.Is(err, keys.ErrInput) {
			t.Errorf("one too many: %v", err)
		}
		c.Advance(time.Hour)
		deny(two, keys.Denied{Kind: keys.DenyAgent, Value: "curl"}, true)
		for _, d := range []keys.Denied{{Kind: keys.DenyASN, Value: "x"}, {Kind: keys.DenyCIDR, Value: "x"}, {Kind: keys.DenyAgent, Value: " "}, {Kind: "planet", Value: "x"}, {Kind: keys.DenyAgent, Value: "curl", Agent: "curl"}} {
			if _, _, err := s.Quarantine(ctx, k.ID, []keys.Denied{d}, one); !errors.Is(err, keys.ErrInput) {
				t.Errorf("%+v: %v", d, err)
			}
		}
	})
}

func TestDeletedKeysAreGoneFromSightButKeepTheirRecord(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		k, secret := issue(t, s, keys.New{})
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		if err := s.Delete(ctx, k.ID, ada); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, k.ID); !errors.Is(err, keys.ErrNotFound) {
			t.Errorf("Get: %v", err)
		}
		if got := v.Verify(keys.Request{Key: secret}).Code; got != keys.CodeNotFound {
			t.Errorf("Verify: %s", got)
		}
		if id, known := v.Resolve([]byte(secret)); id != k.ID || !known {
			t.Errorf("a late log line resolves to %s, %v", id, known)
		}
		if list, _, err := s.List(ctx, keys.Filter{IncludeDeleted: true}); err != nil || len(list) != 1 || list[0].DeletedAt.IsZero() {
			t.Errorf("List: %+v, %v", list, err)
		}
		if err := s.Delete(ctx, k.ID, ada); !errors.Is(err, keys.ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestListFiltersAndPages(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		var ids []string
		for i := range 7 {
			n := keys.New{Name: fmt.Sprintf("key 10%% %d", i), AccountID: []string{"acme", "globex"}[i%2], Tags: []string{fmt.Sprintf("n:%d", i)}}
			if i == 0 {
				n.Environment, n.ExpiresAt = keys.Test, c.Now().Add(time.Hour)
			}
			k, _ := issue(t, s, n)
			ids = append(ids, k.ID)
			c.Advance(time.Duration(i%3) * time.Millisecond) // some are made in the same millisecond
		}
		suspend := func(i int, until time.Time) {
			t.Helper()
			if _, _, err := s.Suspend(ctx, ids[i], until, ada); err != nil {
				t.Fatal(err)
			}
		}
		suspend(1, time.Time{})
		suspend(2, c.Now().Add(time.Minute))
		c.Advance(2 * time.Hour) // 0 has expired, the suspension of 2 is over; nobody has swept
		for _, cse := range []struct {
			name string
			f    keys.Filter
			want []int
		}{
			{"all", keys.Filter{}, []int{0, 1, 2, 3, 4, 5, 6}},
			{"account", keys.Filter{AccountID: "globex"}, []int{1, 3, 5}},
			{"active", keys.Filter{Statuses: []keys.Status{keys.Active}}, []int{2, 3, 4, 5, 6}},
			{"suspended or expired", keys.Filter{Statuses: []keys.Status{keys.Suspended, keys.Expired}}, []int{0, 1}},
			{"environment", keys.Filter{Environment: keys.Test}, []int{0}},
			{"tag", keys.Filter{Tag: "n:3"}, []int{3}},
			{"half a tag", keys.Filter{Tag: "n:"}, nil},
			{"text", keys.Filter{Text: "10% 4"}, []int{4}},
			{"text that is no pattern", keys.Filter{Text: "1_%"}, nil},
			{"id in capitals", keys.Filter{Text: strings.ToUpper(ids[5])}, []int{5}},
			{"source", keys.Filter{Source: keys.Observed}, nil},
			{"quarantined", keys.Filter{Quarantined: true}, nil},
		} {
			var got []int
			for cursor, pages := "", 0; ; pages++ {
				f := cse.f
				f.Cursor, f.Limit = cursor, 2
				page, next, err := s.List(ctx, f)
				if err != nil {
					t.Fatalf("%s: %v", cse.name, err)
				}
				for _, k := range page {
					got = append(got, slices.Index(ids, k.ID))
				}
				if cursor = next; next == "" || pages > 9 {
					break
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, cse.want) {
				t.Errorf("%s: %v, want %v", cse.name, got, cse.want)
			}
		}
		counts, err := s.Counts(ctx)
		if d := cmp.Diff(map[keys.Status]int64{keys.Active: 5, keys.Suspended: 1, keys.Expired: 1, keys.Revoked: 0}, counts); d != "" || err != nil {
			t.Errorf("counts (-want +got): %s %v", d, err)
		}
		for name, f := range map[string]keys.Filter{"cursor": {Cursor: "!"}, "limit": {Limit: -1}, "status": {Statuses: []keys.Status{"x"}}} {
			if _, _, err := s.List(ctx, f); !errors.Is(err, keys.ErrInput) {
				t.Errorf("bad %s: %v", name, err)
			}
		}
	})
}
