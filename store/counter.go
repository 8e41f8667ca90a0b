package store

import (
	"context"
	"time"
)

// A Counter is a Store that also keeps integers that many callers count on.
//
// A counter lives under a key like an entry does, and Delete, Exists, TTL,
// Expire, Clear and DeletePattern treat it like one, but it is no entry: Get
// does not find it, Add on an entry is ErrWrongType, and Set replaces it.
type Counter interface {
	// Add adds delta, which may be negative or zero, to the counter under key
	// and returns the sum, atomically. A counter that is not there begins at
	// zero and lives for ttl from then on, or until evicted if ttl is zero or
	// Forever; later calls do not prolong it. A negative ttl is an error. A
	// sum that does not fit an int64 is an error and changes nothing.
	Add(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error)

	// Count returns the counter under key. If there is none, the error is ErrNotFound, and
	// none is created. Count of an entry is ErrWrongType.
	Count(ctx context.Context, key string) (int64, error)
}

// Add adds delta to the counter under key as [Counter] describes it. Without
// the capability it returns an error that is errors.ErrUnsupported: nothing
// built from Get and Set would be atomic.
func Add[T any](ctx context.Context, s Store[T], key string, delta int64, ttl time.Duration) (int64, error) {
	if c, ok := s.(Counter); ok {
		return c.Add(ctx, key, delta, ttl)
	}
	return 0, unsupported(s, "add")
}

// Count returns the counter under key as [Counter] describes it. Without the capability it
// returns an error that is errors.ErrUnsupported.
func Count[T any](ctx context.Context, s Store[T], key string) (int64, error) {
	if c, ok := s.(Counter); ok {
		return c.Count(ctx, key)
	}
	return 0, unsupported(s, "count")
}
