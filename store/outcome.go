package store

import (
	"context"
	"errors"
)

// ErrRemoved says that a value was not kept, and that what was under its key was removed
// instead: no reader gets an older value. It comes with the reason.
var ErrRemoved = errors.New("what was under the key was removed")

// An Outcome says what has become of a write.
type Outcome uint8

const (
	// Made says that the write took effect, or removed what was under the key. There
	// is nothing to do again.
	Made Outcome = iota

	// Refused says that nothing has changed anywhere, and that the same write would be
	// refused again.
	Refused

	// Open says that the backend may have an older value than the write. A tier in
	// front of it does not serve what it has, and removes the key there until that
	// succeeds.
	Open
)

// refusals are the errors of writes that were refused.
var refusals = []error{ErrRefused, ErrTooLarge, ErrUnstorable, ErrInvalidKey, ErrWrongType, ErrNotFound, ErrClosed, errors.ErrUnsupported}

// OutcomeOf returns what has become of a write that returned err. Every error that is not
// known to be a refusal leaves it open. Of a write of many keys it is the worst: see
// [ByKey] for each.
func OutcomeOf(err error) Outcome {
	if many := AsManyError[string](err); many != nil {
		worst := Made
		for _, err := range many.Errors {
			worst = max(worst, OutcomeOf(err))
		}
		return worst
	}
	switch {
	case err == nil:
		return Made
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Open
	case unconfirmed(err), errors.Is(err, ErrRemoved):
		return Made
	}
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return Refused
		}
	}
	return Open
}

// unconfirmed reports whether err is ErrReplicas, and nothing else is joined to it.
func unconfirmed(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Is(err, ErrReplicas)
	}
	for _, err := range joined.Unwrap() {
		if !unconfirmed(err) {
			return false
		}
	}
	return true
}
