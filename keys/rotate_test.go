package keys_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollkeeper/tollkeeper/keys"
)

func TestRotationKeepsTheConfigurationAndGivesTheOldKeyGrace(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		k, secret := issue(t, s, keys.New{Name: "n", AccountID: "acme", PlanID: "pro", Tags: []string{"t"}, Scopes: []string{"*"}})
		r, err := s.Rotate(ctx, k.ID, time.Hour, ada)
		if err != nil {
			t.Fatal(err)
		}
		if r.Key.RotatedFrom != k.ID || r.Old.RotatedTo != r.Key.ID || r.Key.Name != "n" || r.Key.PlanID != "pro" || r.Key.Scopes[0] != "*" || r.Secret == secret {
			t.Errorf("rotated: %+v", r)
		}
		code := func(secret string) keys.Code { return v.Verify(keys.Request{Key: secret}).Code }
		if code(secret) != keys.CodeValid || code(r.Secret) != keys.CodeValid {
			t.Errorf("in the grace period: %s and %s", code(secret), code(r.Secret))
		}
		if _, err := s.Rotate(ctx, k.ID, 0, ada); !errors.Is(err, keys.ErrState) || !strings.Contains(err.Error(), r.Key.ID) {
			t.Errorf("a second rotation: %v", err)
		}
		c.Advance(time.Hour)
		if code(secret) != keys.CodeExpired || code(r.Secret) != keys.CodeValid {
			t.Errorf("after it: %s and %s", code(secret), code(r.Secret))
		}
		at := r.Secret
		r, err = s.Rotate(ctx, r.Key.ID, 0, ada)
		if err != nil || r.Old.Status != keys.Expired || code(at) != keys.CodeExpired {
			t.Errorf("without grace: %s, %s, %v", r.Old.Status, code(at), err)
		}
		if _, _, err := s.Suspend(ctx, r.Key.ID, time.Time{}, ada); err != nil {
			t.Fatal(err)
		}
		stolen := r.Secret
		r, err = s.Rotate(ctx, r.Key.ID, time.Hour, ada)
		if err != nil || r.Old.Status != keys.Suspended || code(stolen) != keys.CodeSuspended || code(r.Secret) != keys.CodeValid {
			t.Errorf("of a suspended key: %s, %s, %s, %v", r.Old.Status, code(stolen), code(r.Secret), err)
		}
	})
}

// A customer whose stolen key was suspended for a day takes a new one. The thief must not get the old one back tomorrow.
func TestASuspendedKeyThatWasReplacedDoesNotComeBackByItself(t *testing.T) {
	each(t, func(t *testing.T, s *keys.Store, c *clock) {
		ctx := context.Background()
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		k, stolen := issue(t, s, keys.New{})
		if _, _, err := s.Suspend(ctx, k.ID, c.Now().Add(24*time.Hour), keys.By{Actor: "detector:theft", Reason: "two networks", AlertID: "alrt_1"}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Rotate(ctx, k.ID, 0, ada)
		if err != nil || r.Old.Status != keys.Suspended || !r.Old.SuspendedUntil.IsZero() || r.Old.Reason != "two networks" || r.Old.AlertID != "alrt_1" {
			t.Fatalf("replaced: %+v, %v", r.Old, err)
		}
		c.Advance(48 * time.Hour)
		if _, err := s.Sweep(ctx, 10); err != nil {
			t.Fatal(err)
		}
		if got := v.Verify(keys.Request{Key: stolen}).Code; got != keys.CodeSuspended {
			t.Errorf("the stolen key is %s after the suspension's time", got)
		}
		if _, _, err := s.Reinstate(ctx, k.ID, ada); err != nil || v.Verify(keys.Request{Key: stolen}).Code != keys.CodeValid {
			t.Errorf("a person still can bring it back: %v", err)
		}
	})
}
