package keys_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func TestVerdicts(t *testing.T) {
	ctx, c := context.Background(), newClock()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), c.Now)
	registry := prometheus.NewRegistry()
	var overQuota sync.Map // ids for which the quota check says no
	v := newVerifier(t, s, keys.VerifierConfig{
		Bound: never, Registerer: registry,
		ASN: func(a netip.Addr) uint32 {
			if a == netip.MustParseAddr("203.0.113.66") {
				return 64500
			}
			return 64999
		},
		Quota: func(id string) (bool, string) {
			_, over := overQuota.Load(id)
			return !over, "the plan's requests are used up"
		},
	})
	plain, secret := issue(t, s, keys.New{AccountID: "acme", PlanID: "pro"})
	_, test := issue(t, s, keys.New{Environment: keys.Test})
	_, bound := issue(t, s, keys.New{AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}})
	_, scoped := issue(t, s, keys.New{Scopes: []string{"read", "orders:*"}})
	_, all := issue(t, s, keys.New{Scopes: []string{"*"}})
	_, expiring := issue(t, s, keys.New{ExpiresAt: c.Now().Add(time.Minute)})
	_, imported := issue(t, s, keys.New{Secret: "somebody-elses-key-0001"}) // the secret comes back to nobody
	if imported != "" {
		t.Error("an import returned the key")
	}
	suspended, suspendedKey := issue(t, s, keys.New{})
	if _, _, err := s.Suspend(ctx, suspended.ID, c.Now().Add(time.Hour), keys.By{Actor: "detector:x", Reason: "stolen"}); err != nil {
		t.Fatal(err)
	}
	revoked, revokedKey := issue(t, s, keys.New{})
	if _, _, err := s.Revoke(ctx, revoked.ID, keys.By{Actor: "user:ada", Reason: "leaked"}); err != nil {
		t.Fatal(err)
	}
	over, overKey := issue(t, s, keys.New{})
	overQuota.Store(over.ID, true)
	denied, deniedKey := issue(t, s, keys.New{})
	if _, _, err := s.Quarantine(ctx, denied.ID, []keys.Denied{
		{Kind: keys.DenyASN, Value: "64500"}, {Kind: keys.DenyAgent, Value: "Python-Requests"}, {Kind: keys.DenyCIDR, Value: "198.51.100.0/24", Until: c.Now().Add(time.Hour)},
	}, keys.By{Actor: "detector:x", Reason: "not the customer"}); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Minute)
	ip := netip.MustParseAddr
	for _, tc := range []struct {
		name   string
		r      keys.Request
		want   keys.Code
		reason string
	}{
		{"a good key", keys.Request{Key: secret}, keys.CodeValid, ""},
		{"by id", keys.Request{KeyID: plain.ID}, keys.CodeValid, ""},
		{"imported", keys.Request{Key: "somebody-elses-key-0001"}, keys.CodeValid, ""},
		{"nothing", keys.Request{}, keys.CodeMalformed, "typing error"},
		{"one letter wrong", keys.Request{Key: secret[:20] + "!" + secret[21:]}, keys.CodeMalformed, ""},
		{"cut", keys.Request{Key: secret[:35]}, keys.CodeMalformed, ""},
		{"endless", keys.Request{Key: strings.Repeat("x", 513)}, keys.CodeMalformed, ""},
		{"never issued", keys.Request{Key: "a-key-that-nobody-knows"}, keys.CodeNotFound, "no such key"},
		{"id never issued", keys.Request{KeyID: "key_x"}, keys.CodeNotFound, ""},
		{"suspended", keys.Request{Key: suspendedKey}, keys.CodeSuspended, "stolen"},
		{"revoked", keys.Request{Key: revokedKey}, keys.CodeRevoked, "leaked"},
		{"expired, by the millisecond", keys.Request{Key: expiring}, keys.CodeExpired, ""},
		{"test key in test", keys.Request{Key: test, Environment: keys.Test}, keys.CodeValid, ""},
		{"test key in production", keys.Request{Key: test, Environment: keys.Live}, keys.CodeWrongEnvironment, "test key"},
		{"allowed network", keys.Request{Key: bound, ClientIP: ip("192.0.2.77")}, keys.CodeValid, ""},
		{"allowed network, mapped", keys.Request{Key: bound, ClientIP: ip("::ffff:192.0.2.77")}, keys.CodeValid, ""},
		{"allowed network, version 6 with zone", keys.Request{Key: bound, ClientIP: ip("2001:db8::1%eth0")}, keys.CodeValid, ""},
		{"other network", keys.Request{Key: bound, ClientIP: ip("192.0.3.1")}, keys.CodeIPNotAllowed, "this address"},
		{"unknown address", keys.Request{Key: bound}, keys.CodeIPNotAllowed, "not known"},
		{"scope by name", keys.Request{Key: scoped, RequiredScopes: []string{"read"}}, keys.CodeValid, ""},
		{"scope by star", keys.Request{Key: scoped, RequiredScopes: []string{"read", "orders:write"}}, keys.CodeValid, ""},
		{"one scope missing", keys.Request{Key: scoped, RequiredScopes: []string{"read", "write"}}, keys.CodeScope, "write"},
		{"no scopes", keys.Request{Key: secret, RequiredScopes: []string{"read"}}, keys.CodeScope, "read"},
		{"all scopes", keys.Request{Key: all, RequiredScopes: []string{"read"}}, keys.CodeValid, ""},
		{"over quota", keys.Request{Key: overKey}, keys.CodeQuota, "used up"},
		{"the customer", keys.Request{Key: deniedKey, ClientIP: ip("203.0.113.1"), UserAgent: "acme/1.0"}, keys.CodeValid, ""},
		{"the thief's network, looked up", keys.Request{Key: deniedKey, ClientIP: ip("203.0.113.66")}, keys.CodeQuarantined, "not the customer"},
		{"the thief's network, given", keys.Request{Key: deniedKey, ASN: 64500, UserAgent: "acme/1.0"}, keys.CodeQuarantined, ""},
		{"the thief's client", keys.Request{Key: deniedKey, ClientIP: ip("203.0.113.1"), UserAgent: "Mozilla python-requests/2.31"}, keys.CodeQuarantined, ""},
		{"the thief's client by family", keys.Request{Key: deniedKey, ClientIP: ip("203.0.113.1"), Agent: "python-requests"}, keys.CodeQuarantined, ""},
		{"the thief's address", keys.Request{Key: deniedKey, ClientIP: ip("198.51.100.3"), UserAgent: "acme/1.0"}, keys.CodeQuarantined, ""},
		{"whoever does not say who it is", keys.Request{Key: deniedKey, ClientIP: ip("203.0.113.1")}, keys.CodeQuarantined, ""},
		{"whoever does not say where it is", keys.Request{Key: deniedKey, UserAgent: "acme/1.0"}, keys.CodeQuarantined, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := v.Verify(tc.r)
			if got.Code != tc.want || got.Valid != (tc.want == keys.CodeValid) || !strings.Contains(got.Reason, tc.reason) {
				t.Errorf("got %+v, want %s with %q", got, tc.want, tc.reason)
			}
		})
	}
	got := v.Verify(keys.Request{Key: secret})
	if want := (keys.Verdict{Valid: true, Code: keys.CodeValid, KeyID: plain.ID, AccountID: "acme", PlanID: "pro", Environment: keys.Live, Version: 1}); got != want {
		t.Errorf("verdict %+v, want %+v", got, want)
	}
	if got := v.Verify(keys.Request{Key: suspendedKey}); !got.SuspendedUntil.Equal(c.Now().Add(59 * time.Minute)) {
		t.Errorf("suspended until %v", got.SuspendedUntil)
	}
	c.Advance(time.Hour)
	if got := v.Verify(keys.Request{Key: suspendedKey}); !got.Valid {
		t.Errorf("when the suspension has ended: %+v", got)
	}
	if got := v.Verify(keys.Request{Key: deniedKey, ClientIP: ip("198.51.100.3"), UserAgent: "acme/1.0"}); !got.Valid {
		t.Errorf("when the quarantine has ended: %+v", got)
	}
	if n := testutil.CollectAndCount(registry, "tollkeeper_key_verifications_total"); n != len(keys.Codes()) {
		t.Errorf("%d codes are exported", n)
	}
}

func TestResolveNamesUnknownKeysByTheirHashAndMakesNothingOfThem(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
	k, secret := issue(t, s, keys.New{})
	if id, known := v.Resolve([]byte(secret)); id != k.ID || !known {
		t.Errorf("a known key: %s, %v", id, known)
	}
	rapid.Check(t, func(t *rapid.T) {
		junk := rapid.OneOf(rapid.String(), rapid.StringMatching(`tk_(live|test)_[0-9A-Za-z]{28}`)).Draw(t, "junk")
		id, known := v.Resolve([]byte(junk))
		again, _ := v.Resolve([]byte(junk))
		if known || len(id) != 20 || !strings.HasPrefix(id, "unk_") || id != again {
			t.Fatalf("junk resolves to %q, %v, then %q", id, known, again)
		}
		v.Verify(keys.Request{Key: junk})
		v.Verify(keys.Request{KeyID: junk})
		if _, ok := v.KeyInfo(id); ok || keys.Observable(id) {
			t.Fatalf("a record may be made of %s", id)
		}
	})
	if n := v.Count(); n != 1 {
		t.Errorf("%d keys are held after many look-ups of what does not exist", n)
	}
}

func TestNegativeLookUpsLeaveNothingInMemory(t *testing.T) {
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range 100_000 {
		guess := fmt.Sprintf("guess-%016d", i)
		if got := v.Verify(keys.Request{Key: guess}).Code; got != keys.CodeNotFound {
			t.Fatalf("%s: %s", guess, got)
		}
		v.Verify(keys.Request{KeyID: guess})
		v.Resolve([]byte(guess))
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("100,000 guesses left %d bytes behind", grown)
	}
}

func TestObservedKeysAreMadeOnceAndCanBeSuspended(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		ids := []string{"consumer-1", "consumer-2", "consumer-1", "unk_0123456789abcdef", "", " x", "a\nb", "tk_live_0123456789abcdefghijkl000000", strings.Repeat("x", 257)}
		for i := range 1200 {
			ids = append(ids, fmt.Sprint("bulk ", i))
		}
		added, err := v.Observe(ctx, ids)
		if err != nil || len(added) != 1202 {
			t.Fatalf("added %d, %v", len(added), err)
		}
		for name, again := range map[string]func(context.Context, []string) ([]string, error){
			"verifier": v.Observe,
			"store": func(ctx context.Context, ids []string) ([]string, error) {
				return s.EnsureExternal(ctx, ids, keys.By{Actor: "api"})
			},
		} {
			if added, err := again(ctx, ids); err != nil || len(added) != 0 {
				t.Errorf("%s, again: added %v, %v", name, added, err)
			}
		}
		if _, _, err := s.Suspend(ctx, "consumer-1", time.Time{}, ada); err != nil {
			t.Fatal(err)
		}
		if got := v.Verify(keys.Request{KeyID: "consumer-1"}).Code; got != keys.CodeSuspended {
			t.Errorf("suspended by id: %s", got)
		}
		if got := v.Verify(keys.Request{Key: "consumer-2"}).Code; got != keys.CodeNotFound {
			t.Errorf("its id given as a key: %s", got)
		}
		if _, err := s.Rotate(ctx, "consumer-2", 0, ada); !errors.Is(err, keys.ErrState) {
			t.Errorf("rotation: %v", err)
		}
		if info, ok := v.KeyInfo("consumer-2"); !ok || info.Source != keys.Observed || info.Status != keys.Active {
			t.Errorf("info: %+v, %v", info, ok)
		}
	})
}

func TestObservedKeysAreBounded(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), newPepper(t), nil)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never, MaxObserved: 3})
	for i, want := range []int{2, 1, 0} {
		added, err := v.Observe(ctx, []string{fmt.Sprint("a", i), fmt.Sprint("b", i), "a0"})
		if err != nil || len(added) != want {
			t.Errorf("call %d made %v, %v; want %d", i, added, err, want)
		}
	}
	issue(t, s, keys.New{}) // the bound is for observed keys alone
}

func TestImportsAreFoundUnderEveryVersionOfThePepper(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "pepper")
	load := func() *keys.Pepper {
		p, err := keys.LoadPepper(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	db := sqltest.New(t, sqlstore.SQLite)(t)
	old := newStore(t, db, load(), nil)
	k, secret := issue(t, old, keys.New{Secret: "", Name: "old"})
	if _, _, err := old.Issue(ctx, keys.New{Secret: "imported-key-000001"}, ada); err != nil {
		t.Fatal(err)
	}
	behind := newVerifier(t, old, keys.VerifierConfig{Bound: never})
	run(t, behind)
	junk, _ := behind.Resolve([]byte("nobody's"))
	behindPepper, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.ExtendPepper(path); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, db, load(), nil)
	v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
	fresh, freshSecret := issue(t, s, keys.New{})
	if got := v.Verify(keys.Request{Key: secret}); got.KeyID != k.ID {
		t.Errorf("the old key: %+v", got)
	}
	if got := v.Verify(keys.Request{Key: freshSecret}); got.KeyID != fresh.ID {
		t.Errorf("the new key: %+v", got)
	}
	if id, _ := v.Resolve([]byte("nobody's")); id != junk {
		t.Errorf("an unknown key was %s and is now %s", junk, id)
	}
	if _, _, err := s.Issue(ctx, keys.New{Secret: "imported-key-000001"}, ada); !errors.Is(err, keys.ErrDuplicate) {
		t.Errorf("imported again: %v", err)
	}
	if _, err := s.Audit().Verify(ctx, db.Read()); err != nil {
		t.Errorf("the audit trail: %v", err)
	}
	await(t, "the process with the old file to say so", func() bool {
		err := behind.Ready()
		return err != nil && strings.Contains(err.Error(), "version 2 of the pepper")
	})
	if p, err := keys.ParsePepper(behindPepper); err != nil {
		t.Error(err)
	} else if _, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: p}); err == nil || !strings.Contains(err.Error(), "2 versions") {
		t.Errorf("starting with the old file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: load()}); err == nil || !strings.Contains(err.Error(), "another pepper") {
		t.Errorf("with a lost pepper: %v", err)
	}
}

func TestDuplicateImportsAreRefusedWhole(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		one := keys.New{Secret: "imported-key-000001"}
		if _, _, err := s.Issue(ctx, one, ada); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Issue(ctx, one, ada); !errors.Is(err, keys.ErrDuplicate) {
			t.Errorf("twice: %v", err)
		}
		two := keys.New{Secret: "imported-key-000002"}
		if _, err := s.IssueMany(ctx, []keys.New{two, two}, ada); !errors.Is(err, keys.ErrDuplicate) {
			t.Errorf("twice in one call: %v", err)
		}
		if _, err := s.IssueMany(ctx, []keys.New{{Name: "x"}, one}, ada); !errors.Is(err, keys.ErrDuplicate) {
			t.Errorf("one of two: %v", err)
		}
		if list, _, err := s.List(ctx, keys.Filter{}); err != nil || len(list) != 1 {
			t.Errorf("%d keys, %v", len(list), err)
		}
		wantTrail(t, s, mustList(t, s)[0].ID, "key.import >active")
	})
}

func mustList(t *testing.T, s *keys.Store) []keys.Key {
	t.Helper()
	list, _, err := s.List(context.Background(), keys.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// More than any statement takes, and no multiple of what one takes.
func TestAThousandKeysAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		list := make([]keys.New, 1_003)
		for i := range list {
			list[i] = keys.New{Name: fmt.Sprint("n", i), AccountID: fmt.Sprint("a", i%100)}
		}
		issued, err := s.IssueMany(context.Background(), list, ada)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 500, 1_002} {
			if got := v.Verify(keys.Request{Key: issued[i].Secret}); !got.Valid || got.KeyID != issued[i].Key.ID {
				t.Errorf("key %d: %+v", i, got)
			}
		}
		if got, err := s.Audit().Verify(context.Background(), s.DB().Read()); got.Rows != int64(len(list)) || err != nil {
			t.Errorf("audit trail: %+v, %v", got, err)
		}
	})
}
