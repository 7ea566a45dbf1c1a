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
