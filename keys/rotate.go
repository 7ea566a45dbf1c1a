package keys

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
	"github.com/tollkeeper/tollkeeper/internal/sqlstore/audit"
)

// MaxGrace bounds how long a rotated key goes on working.
const MaxGrace = 90 * 24 * time.Hour

// Rotated is what a rotation leaves.
type Rotated struct {
	Key    Key    // the new record
	Secret string // the new key, shown once
	Old    Key    // works until Old.GraceUntil
}

// Rotate makes a new key with the configuration of an old one, which goes on working for grace, or stops at once when that
// is 0. A suspended key may be rotated, the way out for a customer whose key was stolen: the new one is active, the old one
// gets no grace and stays suspended, from now on without end, so that the thief's copy does not come back. Quarantines and throttles are not carried over: the thief does not have the new key. A key can be
// rotated once; errors are ErrNotFound, ErrVersion, [*InputError], [*StateError].
func (s *Store) Rotate(ctx context.Context, id string, grace time.Duration, by By) (Rotated, error) {
	if err := by.check(); err != nil {
		return Rotated{}, err
	}
	if grace < 0 || grace > MaxGrace {
		return Rotated{}, &InputError{"grace", fmt.Sprintf("must be 0 to %s, got %s", MaxGrace, grace)}
	}
	var r Rotated
	err := s.db.WithTx(ctx, func(tx *sql.Tx) error {
		now := s.clockMillis()
		seq, err := sqlstore.NextSeq(ctx, tx, keysLedger, 2)
		if err != nil {
			return err
		}
		old, err := loadKey(ctx, tx, id)
		if err != nil {
			return err
		}
		var entries []audit.Entry
		stored := old.Status
		if old.settle(now) {
			entries = append(entries, clockEntry(&old, stored, now))
		}
		if err := rotatable(&old, by); err != nil {
			return err
		}
		before := old.Status
		fresh := old
		fresh.ID, fresh.Source, fresh.Status, fresh.StatusAt = sqlstore.NewID("key_", now), Issued, Active, now
		fresh.Reason, fresh.Actor, fresh.AlertID, fresh.SuspendedUntil = by.Reason, by.Actor, by.AlertID, time.Time{}
		fresh.RotatedFrom, fresh.GraceUntil, fresh.Quarantine, fresh.Throttle = old.ID, time.Time{}, nil, nil
		fresh.Version, fresh.Seq, fresh.CreatedBy, fresh.CreatedAt, fresh.UpdatedAt = 1, seq, by.Actor, now, now
		secret := newSecret(fresh.Environment)
		s.seal(&fresh, secret)

		old.RotatedTo = fresh.ID
		if old.Status == Active {
			old.GraceUntil = now.Add(grace).Truncate(time.Millisecond)
			old.settle(now) // without grace it is over now
		} else { // suspended, which it stays, for the reason that it has
			old.SuspendedUntil = time.Time{}
		}
		old.Version, old.Seq, old.UpdatedAt = old.Version+1, seq-1, now
		if err := saveKey(ctx, tx, &old); err != nil {
			return err
		}
		if err := insertKeys(ctx, tx, []Key{fresh}); err != nil {
			return err
		}
		from, to := entry("key.rotate", &old, before, by, now), entry("key.issue", &fresh, "", by, now)
		from.Details, to.Details = details("rotated_to", fresh.ID, "grace_until", old.GraceUntil), details("rotated_from", old.ID)
		r = Rotated{Key: fresh, Secret: secret, Old: old}
		return s.audit.Append(ctx, tx, append(entries, from, to)...)
	})
	if err != nil {
		return Rotated{}, err
	}
	s.publish("key.rotate", r.Old, r.Key)
	return r, nil
}

func rotatable(k *Key, by By) error {
	switch {
	case !k.DeletedAt.IsZero():
		return fmt.Errorf("key %s was deleted: %w", k.ID, ErrNotFound)
	case by.IfVersion != 0 && by.IfVersion != k.Version:
		return fmt.Errorf("key %s has version %d, not %d: %w", k.ID, k.Version, by.IfVersion, ErrVersion)
	case k.isFinal():
		return final(k, "rotate")
	case k.RotatedTo != "":
		return &StateError{KeyID: k.ID, Status: k.Status, Change: "rotate", Hint: "it was rotated before: rotate its successor " + k.RotatedTo}
	case k.Source == Observed:
		return &StateError{KeyID: k.ID, Status: k.Status, Change: "rotate", Hint: "it is known from the access log alone: change it at the gateway, or issue a key here"}
	}
	return nil
}
