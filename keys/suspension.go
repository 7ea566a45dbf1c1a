package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// Suspension is why all keys of an account are refused, whatever their own state, which it leaves alone: once it is lifted each key
// is what it would be without.
type Suspension struct {
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
}

// SuspendAccount makes every key of the account refused with ACCOUNT_SUSPENDED, also those that it is given later, within the same
// bound as [Store.Suspend] does for one. On a suspended account the first suspension stays, and changed is false.
func (s *Store) SuspendAccount(ctx context.Context, id string, by By) (a Account, changed bool, err error) {
	return s.changeAccount(ctx, id, "account.suspend", by, func(now time.Time) *Suspension {
		return &Suspension{Reason: by.Reason, Actor: by.Actor, At: now}
	})
}

// ReinstateAccount lifts the suspension of the account; one that is not suspended stays as it is. Keys that were suspended or revoked
// themselves, before or meanwhile, go on being refused.
func (s *Store) ReinstateAccount(ctx context.Context, id string, by By) (a Account, changed bool, err error) {
	return s.changeAccount(ctx, id, "account.reinstate", by, func(time.Time) *Suspension { return nil })
}

func (s *Store) changeAccount(ctx context.Context, id, action string, by By, to func(now time.Time) *Suspension) (out Account, changed bool, err error) {
	if err := by.check(); err != nil {
		return Account{}, false, err
	}
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		now := s.clockMillis()
		// It shares the numbers of keys, so that one question tells a verifier whether anything has changed.
		seq, err := sqlstore.NextSeq(ctx, tx, keysLedger, 1)
		if err != nil {
			return err
		}
		a, err := loadAccount(ctx, tx, id)
		if err != nil {
			return err
		}
		if by.IfVersion != 0 && by.IfVersion != a.Version {
			return fmt.Errorf("account %s has version %d, not %d: %w", id, a.Version, by.IfVersion, ErrVersion)
		}
		out = a
		before, next := a.status(), to(now)
		if (a.Suspension == nil) == (next == nil) {
			return errUnchanged
		}
		text, err := json.Marshal(next)
		if err != nil {
			return fmt.Errorf("suspension of account %s: %w", id, err)
		}
		a.Suspension, a.seq, a.Version, a.UpdatedAt = next, seq, a.Version+1, now
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET suspension = $2, seq = $3, version = $4, updated_at = $5 WHERE id = $1`,
			id, string(text), seq, a.Version, now.UnixMilli()); err != nil {
			return fmt.Errorf("save account %s: %w", id, err)
		}
		out = a
		return s.audit.Append(ctx, tx, audit.Entry{
			At: now, Actor: by.Actor, Action: action, TargetType: "account", TargetID: id, AccountID: id, Before: string(before), After: string(a.status()),
			Reason: by.Reason, RequestID: by.RequestID,
		})
	})
	if errors.Is(err, errUnchanged) {
		return out, false, nil
	}
	if err != nil {
		return Account{}, false, err
	}
	s.mu.RLock()
	appliers := s.accountAppliers
	s.mu.RUnlock()
	for _, apply := range appliers {
		apply([]Account{out})
	}
	return out, true, nil
}

// status is what the audit trail calls it.
func (a *Account) status() Status {
	if a.Suspension != nil {
		return Suspended
	}
	return Active
}

// CountPassing returns how many keys of an account are active themselves: those that its suspension refuses, or would.
func (s *Store) CountPassing(ctx context.Context, accountID string) (n int64, err error) {
	var w sqlstore.Where
	ms := s.now().UnixMilli()
	w.And("deleted_at = 0")
	w.And("account_id = ?", accountID)
	w.And(effectiveStatus+" = 'active'", ms, ms, ms)
	if err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM keys`+w.String(), w.Args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count keys of account: %w", err)
	}
	return n, nil
}

const changedAccounts = `SELECT ` + accountColumns + ` FROM accounts WHERE seq > $1 ORDER BY seq`

// suspendedAccounts is what memory holds of accounts: those that are suspended, and those that were since the process started.
type suspendedAccounts struct {
	mu sync.Mutex // one writer at a time
	m  atomic.Pointer[map[unique.Handle[string]]accountState]
}

// accountState is never changed, only replaced.
type accountState struct {
	seq       int64
	suspended bool
	since     Suspension
	reason    string
}

func (x *suspendedAccounts) find(account unique.Handle[string]) (accountState, bool) {
	m := x.m.Load()
	if m == nil {
		return accountState{}, false
	}
	state := (*m)[account]
	return state, state.suspended
}

// apply takes news of accounts, but for those of which it knows newer ones: they come from this process's commits and from the feed.
func (x *suspendedAccounts) apply(news []Account) {
	if len(news) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	next := map[unique.Handle[string]]accountState{}
	if old := x.m.Load(); old != nil {
		for k, v := range *old {
			next[k] = v
		}
	}
	for i := range news {
		a := &news[i]
		if id := unique.Make(a.ID); next[id].seq < a.seq {
			next[id] = a.state()
		}
	}
	x.m.Store(&next)
}

func (a *Account) state() accountState {
	s := accountState{seq: a.seq}
	if a.Suspension != nil {
		s.suspended, s.since, s.reason = true, *a.Suspension, "the account is suspended"
		if a.Suspension.Reason != "" {
			s.reason += ": " + a.Suspension.Reason
		}
	}
	return s
}

// readAccounts applies what has happened to accounts after a change.
func (v *Verifier) readAccounts(ctx context.Context, after int64) error {
	ctx, cancel := v.deadline(ctx)
	defer cancel()
	var news []Account
	err := eachRow(ctx, v.store.db.Read(), changedAccounts, []any{after}, func(row scanner) error {
		a, err := scanAccount(row)
		news = append(news, a)
		return err
	})
	if err != nil {
		return fmt.Errorf("read changes of accounts: %w", err)
	}
	v.accounts.apply(news)
	return nil
}

// AccountSuspended tells from memory whether and why an account is suspended.
func (v *Verifier) AccountSuspended(id string) (Suspension, bool) {
	state, suspended := v.accounts.find(unique.Make(id))
	return state.since, suspended
}
