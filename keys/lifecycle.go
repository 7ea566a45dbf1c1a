package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// errUnchanged ends a change that would alter nothing: no version, no audit row, no event.
var errUnchanged = errors.New("unchanged")

// edit is one change of one record: fn alters k and may return details for the audit row.
type edit func(k *Key, now time.Time) (json.RawMessage, error)

// change reads the record, lets time have its effect, applies fn and writes record and audit row in one transaction.
// changed is false when fn found nothing to do. The ledger is locked first, so changes of keys happen one after the other,
// on every process, and fn sees the newest record.
func (s *Store) change(ctx context.Context, id, action string, by By, fn edit) (out Key, changed bool, err error) {
	if err := by.check(); err != nil {
		return Key{}, false, err
	}
	err = s.db.WithTx(ctx, func(tx *sql.Tx) error {
		now := s.clockMillis()
		seq, err := sqlstore.NextSeq(ctx, tx, keysLedger, 1)
		if err != nil {
			return err
		}
		k, err := loadKey(ctx, tx, id)
		if err != nil {
			return err
		}
		if !k.DeletedAt.IsZero() {
			return fmt.Errorf("key %s was deleted: %w", id, ErrNotFound)
		}
		if by.IfVersion != 0 && by.IfVersion != k.Version {
			return fmt.Errorf("key %s has version %d, not %d: %w", id, k.Version, by.IfVersion, ErrVersion)
		}
		stored := k.Status
		var entries []audit.Entry
		if k.settle(now) {
			entries = append(entries, clockEntry(&k, stored, now))
		}
		before, account := k.Status, k.AccountID
		extra, err := fn(&k, now)
		if errors.Is(err, errUnchanged) {
			out = k
		}
		if err != nil {
			return err
		}
		k.Version, k.Seq, k.UpdatedAt = k.Version+1, seq, now
		e := entry(action, &k, before, by, now)
		if extra != nil {
			e.Details = extra
		}
		if k.AccountID != account {
			if err := ensureAccounts(ctx, tx, []Key{k}, now); err != nil {
				return err
			}
		}
		if err := saveKey(ctx, tx, &k); err != nil {
			return err
		}
		out = k
		return s.audit.Append(ctx, tx, append(entries, e)...)
	})
	if errors.Is(err, errUnchanged) {
		return out, false, nil
	}
	if err != nil {
		return Key{}, false, err
	}
	s.publish(action, out)
	return out, true, nil
}

func clockEntry(k *Key, before Status, now time.Time) audit.Entry {
	action := "key.expire"
	if k.Status == Active {
		action = "key.reinstate"
	}
	return entry(action, k, before, By{Actor: systemActor, Reason: k.Reason}, now)
}

func final(k *Key, change string) error {
	hint := "issue a new key"
	if k.Status == Expired && k.RotatedTo != "" {
		hint = "its successor is " + k.RotatedTo
	}
	return &StateError{KeyID: k.ID, Status: k.Status, Change: change, Hint: hint}
}

func (k *Key) isFinal() bool { return k.Status == Revoked || k.Status == Expired }

// Update changes a record's description. An account is given once: use is billed to the account of its key, so a key that
// went to another would take its past along, out of bills that were issued and into those of a stranger. Errors: ErrNotFound,
// ErrVersion, [*StateError], [*InputError].
func (s *Store) Update(ctx context.Context, id string, p Patch, by By) (Key, error) {
	if err := p.check(s.now()); err != nil {
		return Key{}, err
	}
	k, _, err := s.change(ctx, id, "key.update", by, func(k *Key, _ time.Time) (json.RawMessage, error) {
		if k.isFinal() && p.ExpiresAt != nil {
			return nil, final(k, "change the expiry of")
		}
		if p.AccountID != nil && k.AccountID != "" && *p.AccountID != k.AccountID {
			return nil, &InputError{"account_id", "the key and what it used belong to " + k.AccountID + " for good: issue a key for the other account"}
		}
		var fields []string
		set(&fields, "name", &k.Name, p.Name)
		set(&fields, "account_id", &k.AccountID, p.AccountID)
		set(&fields, "plan_id", &k.PlanID, p.PlanID)
		setList(&fields, "tags", &k.Tags, p.Tags)
		setList(&fields, "scopes", &k.Scopes, p.Scopes)
		setList(&fields, "allowed_cidrs", &k.AllowedCIDRs, p.AllowedCIDRs)
		set(&fields, "expires_at", &k.ExpiresAt, p.ExpiresAt)
		if p.Metadata != nil {
			k.Metadata = *p.Metadata
			fields = append(fields, "metadata")
		}
		if len(fields) == 0 {
			return nil, errUnchanged
		}
		return details("fields", fields), nil
	})
	return k, err
}

func set[T comparable](fields *[]string, name string, to *T, from *T) {
	if from != nil && *from != *to {
		*to = *from
		*fields = append(*fields, name)
	}
}

func setList[T comparable](fields *[]string, name string, to *[]T, from *[]T) {
	if from != nil && !slices.Equal(*from, *to) {
		*to = *from
		*fields = append(*fields, name)
	}
}

// Suspend makes a key refused until the given time, the zero time meaning until somebody reinstates it. On a key that is
// suspended already the longer suspension stays, with its reason; changed tells whether that was this one. Suspending a
// revoked or expired key is a [*StateError].
func (s *Store) Suspend(ctx context.Context, id string, until time.Time, by By) (k Key, changed bool, err error) {
	until = until.UTC().Truncate(time.Millisecond)
	return s.change(ctx, id, "key.suspend", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		switch {
		case k.isFinal():
			return nil, final(k, "suspend")
		case !until.IsZero() && !until.After(now):
			return nil, &InputError{"until", "must be in the future"}
		case k.Status == Suspended && (k.SuspendedUntil.IsZero() || (!until.IsZero() && !until.After(k.SuspendedUntil))):
			return nil, errUnchanged
		}
		if k.Status != Suspended {
			k.StatusAt = now
		}
		k.Status, k.SuspendedUntil = Suspended, until
		k.Reason, k.Actor, k.AlertID = by.Reason, by.Actor, by.AlertID
		return details("until", until, "alert_id", by.AlertID), nil
	})
}

// Revoke makes a key refused for good. Revoking a revoked key changes nothing.
func (s *Store) Revoke(ctx context.Context, id string, by By) (k Key, changed bool, err error) {
	return s.change(ctx, id, "key.revoke", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		if k.Status == Revoked {
			return nil, errUnchanged
		}
		k.revoke(now, by)
		return nil, nil
	})
}

func (k *Key) revoke(now time.Time, by By) {
	k.Status, k.StatusAt, k.SuspendedUntil = Revoked, now, time.Time{}
	k.Reason, k.Actor, k.AlertID = by.Reason, by.Actor, by.AlertID
}

// Reinstate undoes a suspension and lifts the throttle and every quarantine of the key. When by.AlertID is set only what that alert led to
// is undone, so that dismissing one alert leaves the measures of another. Reinstating a key on which nothing lies changes
// nothing; a revoked or expired key gives a [*StateError].
func (s *Store) Reinstate(ctx context.Context, id string, by By) (k Key, changed bool, err error) {
	return s.change(ctx, id, "key.reinstate", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		if k.isFinal() {
			return nil, final(k, "reinstate")
		}
		mine := func(alert string) bool { return by.AlertID == "" || by.AlertID == alert }
		kept := slices.DeleteFunc(slices.Clone(k.Quarantine), func(d Denied) bool { return mine(d.AlertID) })
		lifted := len(k.Quarantine) - len(kept)
		suspended := k.Status == Suspended && mine(k.AlertID)
		unthrottled := k.Throttle != nil && mine(k.Throttle.AlertID)
		if !suspended && lifted == 0 && !unthrottled {
			return nil, errUnchanged
		}
		if suspended {
			k.Status, k.StatusAt, k.SuspendedUntil = Active, now, time.Time{}
			k.Reason, k.Actor, k.AlertID = by.Reason, by.Actor, by.AlertID
		}
		if lifted > 0 {
			k.Quarantine = kept
		}
		if unthrottled {
			k.Throttle = nil
		}
		return details("lifted_quarantines", lifted, "alert_id", by.AlertID), nil
	})
}

// Quarantine refuses the given actors the key and nobody else. An actor that is denied already stays so for the longer
// time. At most MaxQuarantine actors are held; those whose time is over make room.
func (s *Store) Quarantine(ctx context.Context, id string, actors []Denied, by By) (k Key, changed bool, err error) {
	if len(actors) == 0 || len(actors) > MaxQuarantine {
		return Key{}, false, &InputError{"actors", fmt.Sprintf("1 to %d, got %d", MaxQuarantine, len(actors))}
	}
	actors = slices.Clone(actors)
	return s.change(ctx, id, "key.quarantine", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		if k.isFinal() {
			return nil, final(k, "quarantine actors of")
		}
		list := slices.DeleteFunc(slices.Clone(k.Quarantine), func(d Denied) bool { return !d.Until.IsZero() && !now.Before(d.Until) })
		altered := false
		for _, d := range actors {
			if err := d.check(now); err != nil {
				return nil, err
			}
			d.At, d.Actor, d.Reason, d.AlertID = now, by.Actor, by.Reason, by.AlertID
			at := slices.IndexFunc(list, func(o Denied) bool { return o.same(&d) })
			switch {
			case at < 0:
				list, altered = append(list, d), true
			case !list[at].Until.IsZero() && (d.Until.IsZero() || d.Until.After(list[at].Until)):
				list[at], altered = d, true
			}
		}
		if !altered {
			return nil, errUnchanged
		}
		if len(list) > MaxQuarantine {
			return nil, &InputError{"actors", fmt.Sprintf("the key would have %d denied actors, at most %d are held: suspend it instead", len(list), MaxQuarantine)}
		}
		k.Quarantine = list
		return details("actors", actors, "alert_id", by.AlertID), nil
	})
}

// LiftQuarantine lets one actor use the key again: the one with this kind, value and agent.
func (s *Store) LiftQuarantine(ctx context.Context, id string, d Denied, by By) (k Key, changed bool, err error) {
	d.Until = time.Time{}
	if err := d.check(s.now()); err != nil {
		return Key{}, false, err
	}
	return s.change(ctx, id, "key.lift_quarantine", by, func(k *Key, _ time.Time) (json.RawMessage, error) {
		kept := slices.DeleteFunc(slices.Clone(k.Quarantine), func(o Denied) bool { return o.same(&d) })
		if len(kept) == len(k.Quarantine) {
			return nil, errUnchanged
		}
		k.Quarantine = kept
		return details("kind", string(d.Kind), "value", d.Value, "agent", d.Agent), nil
	})
}

// Delete revokes a key and hides it from lists. Its record, and the name of its id in the access log, stay.
func (s *Store) Delete(ctx context.Context, id string, by By) error {
	_, _, err := s.change(ctx, id, "key.delete", by, func(k *Key, now time.Time) (json.RawMessage, error) {
		if !k.isFinal() {
			k.revoke(now, by)
		}
		k.DeletedAt = now
		return nil, nil
	})
	return err
}
