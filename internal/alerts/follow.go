package alerts

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tollkeeper/tollkeeper/internal/sqlstore"
)

// next takes the number of a change that is about to be made here, and remembers it before anyone can see it in the
// database, so that the poll leaves it to the one who made it to publish. It locks the ledger.
func (s *Store) next(ctx context.Context, tx *sql.Tx) (int64, error) {
	seq, err := sqlstore.NextSeq(ctx, tx, ledger, 1)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != nil {
		s.own[seq] = struct{}{}
	}
	return seq, nil
}

// followPage is how many changed alerts one poll reads at a time.
const followPage = 200

// Changes returns up to limit alerts that changed after the change numbered after, in the order of their last change, and
// the number to go on from. An alert that changed twice comes once, as it is now.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]Alert, int64, error) {
	list, err := query(ctx, s.db.Read(), ` WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, 0, err
	}
	if len(list) > 0 {
		after = list[len(list)-1].Seq
	}
	return list, after, nil
}

// Last returns the number of the newest change, from which Changes gives what comes later.
func (s *Store) Last(ctx context.Context) (int64, error) {
	return sqlstore.LastSeq(ctx, s.db.Read(), ledger)
}

// News returns what happened to an alert after the n-th entry of its timeline, the oldest first, without details and without
// further findings, of which there may be many.
func (s *Store) News(ctx context.Context, id string, n int64) ([]Event, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT n, at, actor, kind, text FROM alert_events WHERE alert_id = $1 AND n > $2 AND kind <> 'finding' ORDER BY n`, id, n)
	if err != nil {
		return nil, fmt.Errorf("read what happened to alert %s: %w", id, err)
	}
	defer rows.Close()
	var list []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.N, &at, &e.Actor, &e.Kind, &e.Text); err != nil {
			return nil, fmt.Errorf("read what happened to alert %s: %w", id, err)
		}
		e.At = sqlstore.Time(at)
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what happened to alert %s: %w", id, err)
	}
	return list, nil
}

// Run tells subscribers of changes that other processes make, until ctx ends; it then returns nil. A subscriber may see a
// change of its own process a second time when it was under way in the moment in which Run started.
func (s *Store) Run(ctx context.Context) error {
	s.mu.Lock()
	s.own = make(map[int64]struct{})
	s.mu.Unlock()
	ticker := time.NewTicker(s.cfg.Poll)
	defer ticker.Stop()
	after, failing := int64(-1), false
	for {
		next, err := s.follow(ctx, after)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			s.cfg.Logger.Warn("alert feed: the database does not answer", "error", err)
		}
		if failing = err != nil; !failing {
			after = next
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// follow publishes the changes after a number; -1 is the first call, which only finds out where to start.
func (s *Store) follow(ctx context.Context, after int64) (int64, error) {
	last, err := s.Last(ctx)
	if err != nil || after < 0 {
		return last, err
	}
	for after < last {
		list, next, err := s.Changes(ctx, after, followPage)
		if err != nil {
			return after, err
		}
		if len(list) == 0 {
			next = last
		}
		for i := range list {
			if !s.made(list[i].Seq) {
				s.hub.Publish(Change{Alert: list[i]})
			}
		}
		s.forget(next)
		after = next
	}
	return after, nil
}

// made reports whether a change was made here and so has been published.
func (s *Store) made(seq int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.own[seq]
	return ok
}

// forget drops the numbers that the poll has passed.
func (s *Store) forget(upTo int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seq := range s.own {
		if seq <= upTo {
			delete(s.own, seq)
		}
	}
}
