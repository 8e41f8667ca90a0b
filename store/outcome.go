package store

import (
	"context"
	"errors"
)

// ErrRemoved says that a value was not kept, and that what was under its key was removed
// instead: no reader gets an older value. It comes with the reason.
var ErrRemoved = errors.New("what was under the key was removed")

// An Outcome is the effect of a write that returned an error.
type Outcome uint8

const (
	// Made says that the write took effect, or removed what was under the key. It must not
	// be retried.
	Made Outcome = iota

	// Refused says that the write changed nothing, and that a retry would be refused too.
	Refused

	// Open says that the backend may still have an older value. A tier in front of it must
	// not serve its copy, and retries to delete the key until that succeeds.
	Open
)

// refusals are the errors of writes that were refused.
var refusals = []error{ErrRefused, ErrTooLarge, ErrUnstorable, ErrInvalidKey, ErrWrongType, ErrNotFound, ErrClosed, errors.ErrUnsupported}

// OutcomeOf returns the effect of a write that returned err. An error that is not known to
// be a refusal leaves it Open. For a write of many keys it is the worst of all keys; see
// [ByKey] for each key.
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
