package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// Outcome is what became of one key of an import.
type Outcome string

// The outcomes of an import.
const (
	OutcomeImported Outcome = "imported"
	OutcomeKnown    Outcome = "known" // the store has it already, or it came earlier in the list
	OutcomeRefused  Outcome = "refused"
)

// ImportResult says what became of one key.
type ImportResult struct {
	Outcome Outcome
	KeyID   string // of the record; "" where it was refused, or would have been made
	Status  Status // of the record: a known key that was revoked stays revoked
	Problem error  // why it was refused: an [*InputError]
}

// MaxImport bounds how many keys one call imports.
const MaxImport = 1000

// Import takes keys over that were made elsewhere and stay in use, up to MaxImport at once, and says for each what became of
// it, in their order. What is wrong with one keeps no other out. Repeating an import changes nothing, so one that was
// broken off may be repeated as a whole. With dryRun nothing changes.
func (s *Store) Import(ctx context.Context, list []New, by By, dryRun bool) ([]ImportResult, error) {
	if err := by.check(); err != nil {
		return nil, err
	}
	if len(list) == 0 || len(list) > MaxImport {
		return nil, &InputError{"keys", fmt.Sprintf("1 to %d at once, got %d", MaxImport, len(list))}
	}
	im := &importing{list: list, results: make([]ImportResult, len(list)), first: make(map[string]int, len(list))}
	im.check(s.clockMillis())
	// Somebody else may import the same keys between the look and the insert; then there is another look.
	for attempt := 1; ; attempt++ {
		if err := s.recognise(ctx, im); err != nil {
			return nil, err
		}
		if dryRun {
			break
		}
		err := s.issueNew(ctx, im, by)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrDuplicate) || attempt == importAttempts {
			return nil, err
		}
	}
	for i := range list {
		if at, ok := im.first[list[i].Secret]; ok && at != i && im.results[i].Outcome == OutcomeKnown {
			im.results[i].KeyID, im.results[i].Status = im.results[at].KeyID, im.results[at].Status
		}
	}
	return im.results, nil
}

const importAttempts = 5

// importing is an import on its way.
type importing struct {
	list    []New
	results []ImportResult
	first   map[string]int // where a secret that is not refused comes first in the list
}

// check tells keys that can be imported from those that cannot, and from those that came before in the list.
func (im *importing) check(now time.Time) {
	for i := range im.list {
		n := im.list[i] // a copy: checking puts it in order
		err := n.check(now)
		if err == nil && n.Secret == "" {
			err = &InputError{"secret", "is missing: a key is imported with the secret that its holder uses"}
		}
		switch _, twice := im.first[n.Secret]; {
		case err != nil:
			im.results[i] = ImportResult{Outcome: OutcomeRefused, Problem: err}
		case twice:
			im.results[i] = ImportResult{Outcome: OutcomeKnown}
		default:
			im.first[n.Secret] = i
			im.results[i] = ImportResult{Outcome: OutcomeImported, Status: Active}
		}
	}
}

// recognise marks the keys that the store has already, under whichever version of the pepper.
func (s *Store) recognise(ctx context.Context, im *importing) error {
	return eachKnown(ctx, s.db.Read(), s.pepper.versions, im.first, func(at int, id string, status Status) error {
		im.results[at] = ImportResult{Outcome: OutcomeKnown, KeyID: id, Status: status}
		return nil
	})
}

// eachKnown calls f for each of the secrets of which the store has a record under one of these versions of the pepper, with what
// stands beside the secret.
func eachKnown(ctx context.Context, q sqlstore.Querier, versions []pepperVersion, secrets map[string]int, f func(at int, id string, status Status) error) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(secrets)), MaxImport) { // a statement may not have values for all
		for i := range versions {
			place := make(map[string]int, len(some))
			hashes := make([]any, 0, len(some))
			for _, secret := range some {
				sum := versions[i].sum([]byte(secret))
				place[string(sum[:])] = secrets[secret]
				hashes = append(hashes, sum[:])
			}
			var w sqlstore.Where
			w.And("hash IN (?"+strings.Repeat(", ?", len(hashes)-1)+")", hashes...)
			err := eachRow(ctx, q, `SELECT id, status, hash FROM keys`+w.String(), w.Args, func(row scanner) error {
				var id string
				var status Status
				var hash []byte
				if err := row.Scan(&id, &status, &hash); err != nil {
					return err
				}
				return f(place[string(hash)], id, status)
			})
			if err != nil {
				return fmt.Errorf("look for imported keys: %w", err)
			}
		}
	}
	return nil
}

// issueNew makes the records of those that the store does not have, all in one transaction.
func (s *Store) issueNew(ctx context.Context, im *importing, by By) error {
	var places []int
	var list []New
	for i := range im.results {
		if im.results[i].Outcome == OutcomeImported {
			places, list = append(places, i), append(list, im.list[i])
		}
	}
	if len(list) == 0 {
		return nil
	}
	made, err := s.IssueMany(ctx, list, by)
	for i := range made {
		im.results[places[i]].KeyID = made[i].Key.ID
	}
	return err
}
