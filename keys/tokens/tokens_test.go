package tokens_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(sqltest.Main(m)) }

var secret = []byte("for tests")

func newStore(t *testing.T, db *sqlstore.DB, now func() time.Time) *tokens.Store {
	t.Helper()
	s, err := tokens.NewStore(context.Background(), db, tokens.Config{Secret: secret, Audit: audit.New(secret), Now: now, Poll: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clock is moved by the test.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_700_000_000_000)
	return c
}
func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func TestATokenWorksUntilItExpiresOrIsRevoked(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, c := context.Background(), newClock()
		db := open(t)
		s := newStore(t, db, c.Now)
		r, token, err := s.Create(ctx, tokens.New{Name: "gateway", Role: tokens.Platform, ExpiresAt: c.Now().Add(time.Minute)}, "user:ada", "req")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Authenticate(token); err != nil || got != r || got.Role != tokens.Platform || got.Last4 != token[len(token)-4:] {
			t.Errorf("authenticated as %+v, %v; want %+v", got, err, r)
		}
		for name, bad := range map[string]string{
			"empty": "", "other": "tkt_0000", "cut": token[:len(token)-1], "padded": token + "0", "in capitals": strings.ToUpper(token), "long": "tkt_" + strings.Repeat("0", 1000),
		} {
			if _, err := s.Authenticate(bad); !errors.Is(err, tokens.ErrUnauthenticated) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.Advance(time.Minute)
		if _, err := s.Authenticate(token); !errors.Is(err, tokens.ErrUnauthenticated) {
			t.Errorf("after its expiry: %v", err)
		}
		r, token, err = s.Create(ctx, tokens.New{Name: "acme", Role: tokens.Customer, AccountID: "acme"}, "user:ada", "")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Revoke(ctx, r.ID, "user:ada", ""); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Authenticate(token); !errors.Is(err, tokens.ErrUnauthenticated) {
			t.Errorf("revoked: %v", err)
		}
		if err := s.Revoke(ctx, "tok_none", "user:ada", ""); !errors.Is(err, tokens.ErrNotFound) {
			t.Errorf("revoking nothing: %v", err)
		}
		trail, _, err := audit.New(secret).List(ctx, db.Read(), audit.Filter{TargetType: "token"})
		if err != nil || len(trail) != 3 {
			t.Errorf("audit trail: %d rows, %v; want two creations and one revocation", len(trail), err)
		}
		list, next, err := s.List(ctx, tokens.Token, "", 1)
		if err != nil || len(list) != 1 || list[0].ID != r.ID || list[0].RevokedAt.IsZero() || next == "" {
			t.Errorf("list: %+v, %q, %v", list, next, err)
		}
		if list, next, err = s.List(ctx, tokens.Token, next, 1); err != nil || len(list) != 1 || next != "" {
			t.Errorf("second page: %+v, %q, %v", list, next, err)
		}
	})
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	c := newClock()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), c.Now)
	for name, n := range map[string]tokens.New{
		"no name":                {Role: tokens.Admin},
		"unknown role":           {Name: "x", Role: "root"},
		"customer of no account": {Name: "x", Role: tokens.Customer},
		"admin of an account":    {Name: "x", Role: tokens.Admin, AccountID: "acme"},
		"past expiry":            {Name: "x", Role: tokens.Admin, ExpiresAt: c.Now()},
	} {
		if _, _, err := s.Create(context.Background(), n, "user:ada", ""); !errors.Is(err, tokens.ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := s.List(context.Background(), "", "x", 0); !errors.Is(err, tokens.ErrInput) {
		t.Errorf("bad cursor: %v", err)
	}
}

func TestALinkGivesOneSessionToOneOfManyWhoTry(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, c := context.Background(), newClock()
		here, there := newStore(t, open(t), c.Now), newStore(t, open(t), c.Now)
		_, code, err := here.CreateLink(ctx, tokens.New{Name: "admin", Role: tokens.Admin}, "system:start")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := here.Authenticate(code); !errors.Is(err, tokens.ErrUnauthenticated) {
			t.Errorf("the code as a bearer token: %v", err)
		}
		var won atomic.Int64
		var running sync.WaitGroup
		for i := range 6 {
			running.Go(func() {
				s := []*tokens.Store{here, there}[i%2]
				r, session, err := s.Exchange(ctx, code, "")
				if errors.Is(err, tokens.ErrUnauthenticated) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				won.Add(1)
				if got, err := s.Authenticate(session); err != nil || got.ID != r.ID || got.Kind != tokens.Session || got.Role != tokens.Admin {
					t.Errorf("the session: %+v, %v", got, err)
				}
			})
		}
		running.Wait()
		if won.Load() != 1 {
			t.Errorf("%d got a session", won.Load())
		}
		_, late, err := here.CreateLink(ctx, tokens.New{Name: "admin", Role: tokens.Admin}, "system:start")
		if err != nil {
			t.Fatal(err)
		}
		c.Advance(tokens.LinkLifetime)
		if _, _, err := here.Exchange(ctx, late, ""); !errors.Is(err, tokens.ErrUnauthenticated) {
			t.Errorf("an old link: %v", err)
		}
	})
}

func TestOtherProcessesHearOfChangesAndOldSessionsAreRemoved(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, c := context.Background(), newClock()
		here, there := newStore(t, open(t), c.Now), newStore(t, open(t), c.Now)
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- there.Run(running) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		r, token, err := here.Create(ctx, tokens.New{Name: "x", Role: tokens.Viewer}, "user:ada", "")
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the token", func() bool { _, err := there.Authenticate(token); return err == nil })
		if err := here.Revoke(ctx, r.ID, "user:ada", ""); err != nil {
			t.Fatal(err)
		}
		await(t, "its revocation", func() bool { _, err := there.Authenticate(token); return err != nil })
		if _, _, err := here.CreateLink(ctx, tokens.New{Name: "admin", Role: tokens.Admin}, "system:start"); err != nil {
			t.Fatal(err)
		}
		c.Advance(40 * 24 * time.Hour)
		await(t, "the old link to go", func() bool {
			list, _, err := here.List(ctx, "", "", 0)
			return err == nil && len(list) == 1 && list[0].ID == r.ID
		})
	})
}

func TestTokensAreRefusedWhenTheDatabaseWasSilentForLong(t *testing.T) {
	c := newClock()
	s := newStore(t, sqltest.New(t, sqlstore.SQLite)(t), c.Now)
	_, token, err := s.Create(context.Background(), tokens.New{Name: "x", Role: tokens.Viewer}, "user:ada", "")
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(tokens.GraceBound)
	if _, err := s.Authenticate(token); err != nil {
		t.Errorf("for the bound: %v", err)
	}
	c.Advance(time.Millisecond)
	if _, err := s.Authenticate(token); !errors.Is(err, tokens.ErrUnauthenticated) {
		t.Errorf("for longer: %v", err)
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A connection that hangs is given up: once the database answers again, what others changed meanwhile is known at once.
func TestADatabaseThatHangsIsNoticed(t *testing.T) {
	open := sqltest.New(t, sqlstore.Postgres)
	db := open(t)
	logs := make(lines, 100)
	s, err := tokens.NewStore(context.Background(), db, tokens.Config{
		Secret: secret, Audit: audit.New(secret), Poll: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	err = db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		select {
		case line := <-logs:
			if !strings.Contains(line, "does not answer") {
				t.Errorf("it said %q", line)
			}
		case <-time.After(30 * time.Second):
			t.Error("a poll that hangs was waited for")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// lines hands on what is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}
