package keys

import (
	"fmt"
	"time"
)

// FillForBenchmark puts n keys in v's memory, past the database, and returns the secrets of sample of them.
func FillForBenchmark(s *Store, v *Verifier, n, sample int) []string {
	now := time.Now()
	secrets := make([]string, 0, sample)
	for i := range n {
		k := s.newKey(&New{AccountID: fmt.Sprint("account_", i/10), PlanID: "pro", Environment: Live}, now, By{Actor: "user:ada"})
		secret := newSecret(Live)
		s.seal(&k, secret)
		k.Seq = int64(i + 1)
		v.index.apply(&k)
		if i%max(n/sample, 1) == 0 && len(secrets) < sample {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// FrequentQueries returns the queries that run all the time, by the index that they must go by.
func FrequentQueries() map[string]string {
	return map[string]string{
		"keys_due_suspended": dueQueries[0],
		"keys_due_expires":   dueQueries[1],
		"keys_due_grace":     dueQueries[2],
		"keys_seq":           `SELECT ` + keyColumns + ` FROM keys WHERE seq > $1 ORDER BY seq LIMIT $2`,
		"accounts_seq":       changedAccounts,
		"keys_status":        `SELECT ` + keyColumns + ` FROM keys WHERE status IN ('suspended') AND created_at < $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
	}
}

// HearOfAccount gives v news of an account as the feed does.
func HearOfAccount(v *Verifier, a *Account) { v.accounts.apply([]Account{*a}) }

// WellFormed reports whether key has Tollkeeper's prefix, length and checksum.
func WellFormed(key string) bool { return shapeOf([]byte(key)) == shapeOurs }
