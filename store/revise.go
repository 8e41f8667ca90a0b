package store

import "context"

// A Reviser is a Store that can keep the newest of several values of a key, by their
// Revision, in whatever order they come, or the first one. Set keeps the one that comes last.
type Reviser[T any] interface {
	// SetNewer is Set that leaves what is there, and returns false and no error,
	// if that has a Revision which is not zero and not below that of e. An
	// absent entry counts like any other. An entry that is over removes what is
	// there.
	//
	// It compares with what is there now: after a Delete or an eviction an
	// older value is kept.
	SetNewer(ctx context.Context, key string, e Entry[T]) (kept bool, err error)

	// SetIfAbsent is Set that leaves what is there, and returns false and no error, if that
	// is a value, fresh or stale. An absent entry and a counter are none. Of concurrent
	// calls one returns true. If it fails, e may be there or not, and no other value is.
	SetIfAbsent(ctx context.Context, key string, e Entry[T]) (set bool, err error)
}

// SetNewer keeps e under key in s, unless a newer value is there, as [Reviser]
// describes it. Without the capability it returns an error that is
// errors.ErrUnsupported: reading and writing back could undo a Set in between.
func SetNewer[T any](ctx context.Context, s Store[T], key string, e Entry[T]) (kept bool, err error) {
	if r, ok := s.(Reviser[T]); ok {
		return r.SetNewer(ctx, key, e)
	}
	return false, unsupported(s, "set newer")
}

// SetIfAbsent keeps e under key in s, unless there is a value, as [Reviser] describes it.
// Without the capability it returns an error that is errors.ErrUnsupported.
func SetIfAbsent[T any](ctx context.Context, s Store[T], key string, e Entry[T]) (set bool, err error) {
	if r, ok := s.(Reviser[T]); ok {
		return r.SetIfAbsent(ctx, key, e)
	}
	return false, unsupported(s, "set if absent")
}
