package quotas

import (
	"errors"
	"fmt"

	"github.com/tollkeeper/tollkeeper/quotas/rating"
)

// What the errors of this package wrap; test with errors.Is.
var (
	// ErrNotFound: there is no such plan, subscription or statement.
	ErrNotFound = errors.New("not found")
	// ErrConflict: it is there, but not in a state in which that can be done.
	ErrConflict = errors.New("conflict")
	// ErrOpen: the period has not ended, or its usage is not sealed yet. The statement can be issued later.
	ErrOpen = errors.New("the period is still open")
	// ErrBroken: somebody changed or removed what was issued.
	ErrBroken = errors.New("the chain of statements is broken")
)

// Problem is one thing wrong with what was given: the field as a path into its JSON, and what to do about it.
type Problem = rating.Problem

// Problems are all that is wrong with what was given; find them with errors.AsType.
type Problems = rating.Problems

// checker collects problems.
type checker struct{ problems Problems }

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{Field: field, Message: fmt.Sprintf(format, args...)})
}

// err returns nil or the problems.
func (c *checker) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems
}

// bad is a single problem.
func bad(field, format string, args ...any) error {
	return Problems{{Field: field, Message: fmt.Sprintf(format, args...)}}
}

// clip makes an id from outside fit for a message.
func clip(id string) string { return fmt.Sprintf("%.64q", id) }
