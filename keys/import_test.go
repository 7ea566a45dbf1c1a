package keys_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore/sqltest"
	"github.com/tollkeeper/tollkeeper/keys"
)

func elsewhere(n int) keys.New {
	return keys.New{Name: fmt.Sprint("key ", n), AccountID: "acme", Secret: fmt.Sprintf("elsewhere-%08d", n)}
}

func outcomes(results []keys.ImportResult) string {
	var words []string
	for _, r := range results {
		words = append(words, string(r.Outcome))
	}
	return strings.Join(words, " ")
}

func TestWhatIsWrongWithOneKeyKeepsNoOtherOut(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx := context.Background()
		s := newStore(t, open(t), newPepper(t), nil)
		v := newVerifier(t, s, keys.VerifierConfig{Bound: never})
		short, spaced, unnamed, ours := elsewhere(5), elsewhere(6), elsewhere(7), elsewhere(8)
		short.Secret, spaced.Secret, unnamed.Secret, ours.Secret = "short", "with a space in the middle", "", "tk_live_0123456789abcdefghijkl000000"
		list := []keys.New{elsewhere(1), short, elsewhere(2), spaced, unnamed, ours, elsewhere(1)}

		plan, err := s.Import(ctx, list, ada, true)
		if err != nil || outcomes(plan) != "imported refused imported refused refused refused known" {
			t.Fatalf("dry run: %s, %v", outcomes(plan), err)
		}
		if got := v.Verify(keys.Request{Key: elsewhere(1).Secret}); got.Valid || plan[0].KeyID != "" {
			t.Fatalf("a dry run made a key: %+v", got)
		}

		done, err := s.Import(ctx, list, ada, false)
		if err != nil || outcomes(done) != outcomes(plan) {
			t.Fatalf("the import: %s, %v", outcomes(done), err)
		}
		for _, at := range []int{0, 2, 6} {
			if got := v.Verify(keys.Request{Key: list[at].Secret}); !got.Valid || got.KeyID != done[at].KeyID {
				t.Errorf("key %d is %+v, the import said %+v", at, got, done[at])
			}
		}
		for at, want := range map[int]string{1: "a key has 16 to", 3: "white space", 4: "is missing", 5: "its checksum is wrong"} {
			var problem *keys.InputError
			if !errors.As(done[at].Problem, &problem) || problem.Field != "secret" || !strings.Contains(problem.Problem, want) {
				t.Errorf("key %d: %v, want %q", at, done[at].Problem, want)
			}
			if secret := list[at].Secret; secret != "" && strings.Contains(done[at].Problem.Error(), secret) {
				t.Errorf("key %d is quoted: %v", at, done[at].Problem)
			}
		}

		if _, _, err := s.Revoke(ctx, done[2].KeyID, ada); err != nil {
			t.Fatal(err)
		}
		again, err := s.Import(ctx, append(list, elsewhere(3)), ada, false)
		if err != nil || outcomes(again) != "known refused known refused refused refused known imported" {
			t.Fatalf("repeated with one more: %s, %v", outcomes(again), err)
		}
		for _, at := range []int{0, 2, 6} {
			if again[at].KeyID != done[at].KeyID {
				t.Errorf("key %d became %s, was %s", at, again[at].KeyID, done[at].KeyID)
			}
		}
		if again[0].Status != keys.Active || again[2].Status != keys.Revoked {
			t.Errorf("known keys are %s and %s, want active and revoked: an import brings none back", again[0].Status, again[2].Status)
		}
	})
}

func TestAKeyThatWasImportedUnderAnOlderPepperIsKnown(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		ctx, db, path := context.Background(), open(t), filepath.Join(t.TempDir(), "pepper")
		load := func() *keys.Pepper {
			p, err := keys.LoadPepper(path)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		before, err := newStore(t, db, load(), nil).Import(ctx, []keys.New{elsewhere(1)}, ada, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ExtendPepper(path); err != nil {
			t.Fatal(err)
		}
		after, err := newStore(t, db, load(), nil).Import(ctx, []keys.New{elsewhere(1), elsewhere(2)}, ada, false)
		if err != nil || outcomes(after) != "known imported" || after[0].KeyID != before[0].KeyID {
			t.Errorf("%+v, %v; it was %s", after, err, before[0].KeyID)
		}
	})
}

func TestTwoWhoImportTheSameKeysAtOnceMakeThemOnce(t *testing.T) {
	sqltest.Each(t, func(t *testing.T, open sqltest.OpenFunc) {
		s := newStore(t, open(t), newPepper(t), nil)
		var list []keys.New
		for n := range 200 {
			list = append(list, elsewhere(n))
		}
		results := make([][]keys.ImportResult, 4)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() {
				var err error
				if results[i], err = s.Import(context.Background(), list, ada, false); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for at := range list {
			imported := 0
			for _, r := range results {
				if r[at].KeyID == "" || r[at].KeyID != results[0][at].KeyID {
					t.Fatalf("key %d is %q and %q", at, results[0][at].KeyID, r[at].KeyID)
				}
				if r[at].Outcome == keys.OutcomeImported {
					imported++
				}
			}
			if imported != 1 {
				t.Fatalf("key %d was imported %d times", at, imported)
			}
		}
	})
}

func TestAnImportIsBounded(t *testing.T) {
	s := newStore(t, sqltest.New(t, "sqlite")(t), newPepper(t), nil)
	for _, n := range []int{0, keys.MaxImport + 1} {
		var problem *keys.InputError
		if _, err := s.Import(context.Background(), make([]keys.New, n), ada, true); !errors.As(err, &problem) || problem.Field != "keys" {
			t.Errorf("%d keys: %v", n, err)
		}
	}
}
