package keys_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/keys"
)

// model is what a key should be, told without statuses: as facts, from which the status follows.
type model struct {
	id, secret string
	revoked    bool
	deleted    bool
	rotated    bool
	endsAt     time.Time // expiry or end of grace; zero: none
	ended      bool      // it was over once: that is final
	suspended  bool
	until      time.Time // of the suspension; zero: without end
	version    int64
	denied     map[string]time.Time // network → until; zero: without end
}

func (m *model) status(now time.Time) keys.Status {
	if !m.revoked && !m.endsAt.IsZero() && !now.Before(m.endsAt) {
		m.ended = true
	}
	if m.suspended && !m.until.IsZero() && !now.Before(m.until) {
		m.suspended = false
	}
	switch {
	case m.revoked:
		return keys.Revoked
	case m.ended:
		return keys.Expired
	case m.suspended:
		return keys.Suspended
	}
	return keys.Active
}

func (m *model) code(now time.Time) keys.Code {
	if m.deleted {
		return keys.CodeNotFound
	}
	return map[keys.Status]keys.Code{
		keys.Revoked: keys.CodeRevoked, keys.Expired: keys.CodeExpired, keys.Suspended: keys.CodeSuspended, keys.Active: keys.CodeValid,
	}[m.status(now)]
}

// machine drives a store and the model side by side. Its keys are those of an account of its own.
type machine struct {
	s       *keys.Store
	v       *keys.Verifier
	c       *clock
	account string
	keys    []*model
	last    *model // that something was done to
}

func (x *machine) pick(t *rapid.T) *model {
	if len(x.keys) == 0 {
		x.issue(t)
	}
	x.last = rapid.SampledFrom(x.keys).Draw(t, "key")
	return x.last
}

func (x *machine) issue(t *rapid.T) {
	n := keys.New{Name: "m", AccountID: x.account}
	m := &model{version: 1, denied: map[string]time.Time{}}
	if rapid.Bool().Draw(t, "expires") {
		n.ExpiresAt = x.c.Now().Add(draw(t, "after"))
		m.endsAt = n.ExpiresAt
	}
	k, secret, err := x.s.Issue(context.Background(), n, ada)
	if err != nil {
		t.Fatal(err)
	}
	m.id, m.secret = k.ID, secret
	x.last = m
	x.keys = append(x.keys, m)
}

func draw(t *rapid.T, name string) time.Duration {
	return time.Duration(rapid.IntRange(1, 20).Draw(t, name)) * time.Minute
}

// after checks what a change reported against what it should have: an error of some kind, or whether it changed anything.
func (m *model) after(t *rapid.T, err, want error, changed, should bool) {
	t.Helper()
	if m.deleted {
		want = keys.ErrNotFound
	}
	if want != nil {
		if !errors.Is(err, want) {
			t.Fatalf("error %v, want %v", err, want)
		}
		return
	}
	if err != nil || changed != should {
		t.Fatalf("changed %v, %v; want %v", changed, err, should)
	}
	if should {
		m.version++
	}
}

func (x *machine) suspend(t *rapid.T) {
	m, now := x.pick(t), x.c.Now()
	var until time.Time
	if rapid.Bool().Draw(t, "with end") {
		until = now.Add(draw(t, "for"))
	}
	status := m.status(now)
	_, changed, err := x.s.Suspend(context.Background(), m.id, until, ada)
	if status == keys.Revoked || status == keys.Expired {
		m.after(t, err, keys.ErrState, changed, false)
		return
	}
	longer := status == keys.Active || (!m.until.IsZero() && (until.IsZero() || until.After(m.until)))
	m.after(t, err, nil, changed, longer)
	if longer && !m.deleted {
		m.suspended, m.until = true, until
	}
}

func (x *machine) reinstate(t *rapid.T) {
	m, now := x.pick(t), x.c.Now()
	status := m.status(now)
	_, changed, err := x.s.Reinstate(context.Background(), m.id, ada)
	if status == keys.Revoked || status == keys.Expired {
		m.after(t, err, keys.ErrState, changed, false)
		return
	}
	m.after(t, err, nil, changed, status == keys.Suspended || len(m.denied) > 0)
	if !m.deleted {
		m.suspended, m.denied = false, map[string]time.Time{}
	}
}

func (x *machine) revoke(t *rapid.T) {
	m := x.pick(t)
	m.status(x.c.Now())
	_, changed, err := x.s.Revoke(context.Background(), m.id, ada)
	m.after(t, err, nil, changed, !m.revoked)
	m.revoked = true
}

func (x *machine) remove(t *rapid.T) {
	m := x.pick(t)
	status := m.status(x.c.Now())
	m.after(t, x.s.Delete(context.Background(), m.id, ada), nil, true, true)
	if status != keys.Expired {
		m.revoked = true
	}
	m.deleted = true
}

func (x *machine) rotate(t *rapid.T) {
	m, now := x.pick(t), x.c.Now()
	grace := time.Duration(0)
	if rapid.Bool().Draw(t, "grace") {
		grace = draw(t, "for")
	}
	status := m.status(now)
	r, err := x.s.Rotate(context.Background(), m.id, grace, ada)
	if status == keys.Revoked || status == keys.Expired || m.rotated {
		m.after(t, err, keys.ErrState, false, false)
		return
	}
	m.after(t, err, nil, true, true)
	if m.deleted {
		return
	}
	x.keys = append(x.keys, &model{id: r.Key.ID, secret: r.Secret, version: 1, endsAt: r.Key.ExpiresAt, denied: map[string]time.Time{}})
	m.rotated = true
	if status == keys.Active {
		if end := now.Add(grace); m.endsAt.IsZero() || end.Before(m.endsAt) {
			m.endsAt = end
		}
	} else {
		m.until = time.Time{} // who replaced a suspended key wants no end of its suspension
	}
}

func (x *machine) quarantine(t *rapid.T) {
	m, now := x.pick(t), x.c.Now()
	network := rapid.SampledFrom([]string{"64500", "64501"}).Draw(t, "network")
	var until time.Time
	if rapid.Bool().Draw(t, "with end") {
		until = now.Add(draw(t, "for"))
	}
	status := m.status(now)
	_, changed, err := x.s.Quarantine(context.Background(), m.id, []keys.Denied{{Kind: keys.DenyASN, Value: network, Until: until}}, ada)
	if status == keys.Revoked || status == keys.Expired {
		m.after(t, err, keys.ErrState, changed, false)
		return
	}
	had, is := m.denied[network]
	over := is && !had.IsZero() && !now.Before(had)
	longer := !is || over || (!had.IsZero() && (until.IsZero() || until.After(had)))
	m.after(t, err, nil, changed, longer)
	if m.deleted || !longer {
		return
	}
	for other, end := range m.denied { // those that are over make room
		if !end.IsZero() && !now.Before(end) {
			delete(m.denied, other)
		}
	}
	m.denied[network] = until
}

// sweep may raise versions, by one for each key that time has changed.
func (x *machine) sweep(t *rapid.T) {
	if _, err := x.s.Sweep(context.Background(), 1000); err != nil {
		t.Fatal(err)
	}
}

func (x *machine) check(t *rapid.T) {
	now := x.c.Now()
	for _, m := range x.keys {
		want := m.code(now)
		for _, r := range []keys.Request{{Key: m.secret, ASN: 64999}, {KeyID: m.id, ASN: 64999}} {
			got := x.v.Verify(r)
			if got.Code != want || got.Valid != (want == keys.CodeValid) {
				t.Fatalf("key %s is %+v, want %s", m.id, got, want)
			}
		}
		for network, until := range m.denied {
			asn := map[string]uint32{"64500": 64500, "64501": 64501}[network]
			if over := !until.IsZero() && !now.Before(until); want == keys.CodeValid && !over {
				if got := x.v.Verify(keys.Request{Key: m.secret, ASN: asn}); got.Code != keys.CodeQuarantined {
					t.Fatalf("key %s from network %s: %+v", m.id, network, got)
				}
			}
		}
	}
	x.checkRecords(t)
}

// checkRecords reads the records of all keys at once, and that of the key something was done to by its id as well: to read each by its id
// after every step is most of the test's time, and tells no more.
func (x *machine) checkRecords(t *rapid.T) {
	ctx, now := context.Background(), x.c.Now()
	list, next, err := x.s.List(ctx, keys.Filter{AccountID: x.account, Limit: sqlstore.MaxPage})
	if err != nil || next != "" {
		t.Fatalf("list: %v, more at %q", err, next)
	}
	records := map[string]*keys.Key{}
	for i := range list {
		records[list[i].ID] = &list[i]
	}
	for _, m := range x.keys {
		k, ok := records[m.id]
		if ok == m.deleted {
			t.Fatalf("key %s is listed: %v, and deleted: %v", m.id, ok, m.deleted)
		}
		if m == x.last {
			byID, err := x.s.Get(ctx, m.id)
			if m.deleted != errors.Is(err, keys.ErrNotFound) || (err == nil && (byID.Version != k.Version || byID.Status != k.Status)) {
				t.Fatalf("key %s by its id: %+v, %v; listed as %+v", m.id, byID, err, k)
			}
		}
		if m.deleted {
			continue
		}
		if k.Status != m.status(now) || k.Version < m.version || len(k.Quarantine) != len(m.denied) {
			t.Fatalf("record of %s: %s, version %d; want %s, version at least %d", m.id, k.Status, k.Version, m.status(now), m.version)
		}
		m.version = k.Version
	}
}

// Whatever is done to keys, in whatever order and time, store, memory and a simple model agree.
func TestLifecycleAgainstAModel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		t.Parallel()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		runs := 0
		rapid.Check(t, func(t *rapid.T) {
			runs++
			x := &machine{s: s, v: v, c: c, account: fmt.Sprint("run-", runs)}
			t.Repeat(map[string]func(*rapid.T){
				"issue": x.issue, "suspend": x.suspend, "reinstate": x.reinstate, "revoke": x.revoke, "delete": x.remove,
				"rotate": x.rotate, "quarantine": x.quarantine, "sweep": x.sweep,
				"wait": func(t *rapid.T) { c.Advance(draw(t, "for")) },
				"":     x.check,
			})
		})
		ctx := context.Background()
		if _, err := s.Audit().Verify(ctx, s.DB().Read()); err != nil {
			t.Error(err)
		}
		// A verifier that reads everything anew knows the same as the one that heard of every change.
		fresh, err := keys.NewVerifier(s, keys.VerifierConfig{Bound: never})
		if err == nil {
			err = fresh.Load(ctx)
		}
		if err != nil || fresh.Count() != v.Count() {
			t.Errorf("read anew: %d keys, %v; want %d", fresh.Count(), err, v.Count())
		}
		for cursor := ""; ; {
			list, next, err := s.List(ctx, keys.Filter{IncludeDeleted: true, Cursor: cursor, Limit: sqlstore.MaxPage})
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range list {
				r := keys.Request{KeyID: k.ID, ASN: 64500}
				if a, b := v.Verify(r), fresh.Verify(r); a != b {
					t.Errorf("key %s is %+v, read anew %+v", k.ID, a, b)
				}
			}
			if cursor = next; next == "" {
				break
			}
		}
	})
}
