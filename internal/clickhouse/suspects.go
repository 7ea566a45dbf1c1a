package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tollkeeper/tollkeeper/internal/usage"
)

// suspects are spans of which an insert may have been cut short before: one failed in this process, or a new owner asked
// whether it had landed and it had not.
//
// Why it matters: ClickHouse notes a block's token before it commits the block's part. Killed between the two it knows
// the token, has no rows, and answers a repetition with success without inserting anything. So after inserting a suspect
// its rows are asked for; a first insert, which is nearly every one, costs nothing.
type suspects struct {
	mu     sync.Mutex
	tokens map[string]bool
}

func (s *suspects) add(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = map[string]bool{}
	}
	s.tokens[token] = true
}

func (s *suspects) has(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[token]
}

func (s *suspects) remove(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// maxSpareTokens is how many deaths in the same microseconds of the same block are survived.
const maxSpareTokens = 5

// insertOnce inserts a span's rows into a table under the span's token. A suspect it then asks for, and inserts it under a
// spare token where ClickHouse acknowledged it without having it. The answer can be trusted: it comes after an insert
// with the same token, and those go one after the other.
func (db *DB) insertOnce(ctx context.Context, table string, span usage.Span, insert func(token string) error) error {
	token := span.Token(table)
	suspect := db.suspects.has(token)
	if err := insert(token); err != nil {
		db.suspects.add(token)
		return err
	}
	if !suspect {
		return nil
	}
	for spare := 1; ; spare++ {
		landed, err := db.landed(ctx, table, span)
		if err != nil {
			return err
		}
		if landed {
			db.suspects.remove(token)
			return nil
		}
		if spare > maxSpareTokens {
			return fmt.Errorf("insert %s/%d [%d,%d) into %s: %w", span.Topic, span.Partition, span.From, span.To, table, errNotThere)
		}
		db.cfg.Logger.Warn("ClickHouse acknowledged a block that it does not have: it died while it inserted it; inserting it again",
			"table", table, "topic", span.Topic, "partition", span.Partition, "from", span.From, "to", span.To)
		if err := insert(fmt.Sprintf("%s|%d", token, spare)); err != nil {
			return err
		}
	}
}

var errNotThere = errors.New("ClickHouse acknowledges the block again and again, but its rows are not there; were they deleted by hand?")
