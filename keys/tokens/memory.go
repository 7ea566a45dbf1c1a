package tokens

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// maxTokenBytes bounds what is hashed for a stranger.
const maxTokenBytes = 256

// Authenticate returns the credential that a bearer token belongs to, or ErrUnauthenticated. A link's code is no bearer
// token. The record is a copy.
func (s *Store) Authenticate(token string) (Record, error) {
	if len(token) > maxTokenBytes || !strings.HasPrefix(token, prefix) {
		return Record{}, ErrUnauthenticated
	}
	sum := s.digest(token)
	now := s.cfg.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.live[sum]
	if !ok || r.Kind == Link || (!r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)) || now.Sub(s.fresh) > GraceBound {
		return Record{}, ErrUnauthenticated
	}
	return *r, nil
}

// refresh reads all live credentials when any has changed.
func (s *Store) refresh(ctx context.Context) error {
	started := s.cfg.Now()
	seq, err := sqlstore.LastSeq(ctx, s.db.Read(), ledger)
	if err != nil {
		return err
	}
	s.mu.RLock()
	same := seq == s.seq
	s.mu.RUnlock()
	var live map[[sha256.Size]byte]*Record
	if !same {
		if live, err = s.load(ctx, started); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if started.After(s.fresh) {
		s.fresh = started
	}
	if live != nil && seq > s.seq { // of two that read at once, the one with the older news comes second in vain
		s.live, s.seq = live, seq
	}
	return nil
}

func (s *Store) load(ctx context.Context, now time.Time) (map[[sha256.Size]byte]*Record, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT hash, `+columns+` FROM api_tokens WHERE revoked_at = 0 AND kind <> 'link'
		AND (expires_at = 0 OR expires_at > $1)`, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	defer rows.Close()
	live := make(map[[sha256.Size]byte]*Record)
	for rows.Next() {
		var hash []byte
		r, err := scan(withHash{rows, &hash})
		if err != nil {
			return nil, fmt.Errorf("load tokens: %w", err)
		}
		if len(hash) != sha256.Size {
			return nil, fmt.Errorf("load tokens: %s has a hash of %d bytes", r.ID, len(hash))
		}
		live[[sha256.Size]byte(hash)] = &r
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	return live, nil
}

// withHash scans one more column in front.
type withHash struct {
	row  interface{ Scan(...any) error }
	hash *[]byte
}

func (w withHash) Scan(dest ...any) error { return w.row.Scan(append([]any{w.hash}, dest...)...) }

// purgeAfter is how long dead sessions and links stay listed.
const purgeAfter = 30 * 24 * time.Hour

// Run follows changes made by other processes, and removes sessions and links that died long ago, until ctx ends; it then
// returns nil.
func (s *Store) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.cfg.Poll)
	defer ticker.Stop()
	var failing bool
	var purged time.Time
	for {
		err := s.poll(ctx)
		if err == nil && s.cfg.Now().Sub(purged) > time.Hour {
			purged = s.cfg.Now()
			err = s.purge(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			s.cfg.Logger.Warn("API tokens: the database does not answer", "error", err, "refused_after", GraceBound)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// pollBound is how long a poll may take: a connection that hangs must not keep the next, perhaps luckier, try from happening.
const pollBound = 5 * time.Second

func (s *Store) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(pollBound, 20*s.cfg.Poll))
	defer cancel()
	return s.refresh(ctx)
}

// purge removes sessions and links that expired long ago. Tokens of programs stay, as does everything in the audit trail.
func (s *Store) purge(ctx context.Context) error {
	before := s.cfg.Now().Add(-purgeAfter).UnixMilli()
	return s.db.WithTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM api_tokens WHERE kind <> 'token' AND expires_at > 0 AND expires_at < $1`, before); err != nil {
			return fmt.Errorf("remove old sessions: %w", err)
		}
		return nil
	})
}
