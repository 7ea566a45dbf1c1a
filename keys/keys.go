// Package keys issues, verifies, rotates, suspends, revokes and reinstates API keys, and keeps the audit trail of all that.
//
// A [Store] is the truth, in SQLite or Postgres; a [Verifier] holds every key's record in memory and answers without I/O.
//
//	store, err := keys.NewStore(ctx, db, keys.StoreConfig{Pepper: pepper})
//	verifier, err := keys.NewVerifier(store, keys.VerifierConfig{})
//	err = verifier.Load(ctx)
//	go verifier.Run(ctx)
//
// Contract.
//
//   - A key is shown once, when it is issued. What is kept is its HMAC-SHA-256 under the [Pepper]; no record, audit row,
//     event or error holds it. Keys have 131 random bits, so a fast hash is right; the pepper is for imported, weaker ones.
//   - Every change is one transaction that writes the record, with a version one higher, and an audit row. Subscribers hear
//     of it after the commit and can never hold it up (package feed).
//   - A key suspended through any process's store is refused by that process before Suspend returns, and by every other
//     within VerifierConfig.Bound: each polls for changes every Poll, and one whose polls have not succeeded for Bound
//     refuses what it would have accepted (code STALE_FEED), or, with FailOpen, accepts it and marks the verdict stale.
//     Clocks of different machines do not matter for this bound; they do for expiry and for the end of a suspension.
//   - Changes of keys queue behind each other, on all processes, since they take their number from one row: hundreds a
//     second, not tens of thousands. Use IssueMany and EnsureExternal for many keys.
//
// The package does not count usage; it asks a [QuotaCheck]. The rate of throttled keys is counted by package rate.
package keys
