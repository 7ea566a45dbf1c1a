package keys

import (
	"errors"
	"fmt"
)

// The errors that callers tell apart, with errors.Is.
var (
	// ErrNotFound: no such key or account, or it was deleted.
	ErrNotFound = errors.New("not found")
	// ErrVersion: the record changed since the caller read it; read it again.
	ErrVersion = errors.New("the record was changed by somebody else: read it again and repeat")
	// ErrState: the key's status does not allow the change. The error is a [*StateError].
	ErrState = errors.New("the key's status does not allow this")
	// ErrDuplicate: this key was imported before.
	ErrDuplicate = errors.New("this key is in the store already")
	// ErrInput: a value was refused. The error is an [*InputError].
	ErrInput = errors.New("invalid value")
)

// StateError says which status stood in the way of what.
type StateError struct {
	KeyID  string
	Status Status
	Change string // suspend, reinstate, ...
	Hint   string // what to do instead
}

func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s the key %s: it is %s; %s", e.Change, e.KeyID, e.Status, e.Hint)
}

// Is makes errors.Is(err, ErrState) true.
func (e *StateError) Is(target error) bool { return target == ErrState }

// InputError names the field that was refused. It never quotes a key.
type InputError struct {
	Field   string // as in the API: account_id, allowed_cidrs[2]
	Problem string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

// Is makes errors.Is(err, ErrInput) true.
func (e *InputError) Is(target error) bool { return target == ErrInput }
