package layered

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// lower is the tier that defines how long an entry lives: L2, or L1 without an L2.
func (s *Store[T]) lower() store.Store[T] {
	if s.hasL2 {
		return s.l2
	}
	return s.l1
}

// TTL returns the remaining life of the entry under key in L2.
func (s *Store[T]) TTL(ctx context.Context, key string) (time.Duration, error) {
	if s.closed.Load() {
		return 0, s.errClosed("ttl", key)
	}
	ttl, err := store.TTL(ctx, s.lower(), key)
	return ttl, s.named(err)
}

// Expire sets the life of the entry under key in L2 and drops the copy in L1. It changes no
// value, so an Expire that fails is not retried, and the entry keeps its life. To make a
// value unusable, use Delete or [Store.MarkStale], which are retried.
func (s *Store[T]) Expire(ctx context.Context, key string, ttl time.Duration) error {
	return s.write(ctx, "expire", []string{key}, func() error {
		return store.Expire(ctx, s.lower(), key, ttl)
	})
}

// Exists reports whether L2 has a value or a counter under key.
func (s *Store[T]) Exists(ctx context.Context, key string) (bool, error) {
	if s.closed.Load() {
		return false, s.errClosed("exists", key)
	}
	exists, err := store.Exists(ctx, s.lower(), key)
	return exists, s.named(err)
}

// Add adds to a counter in L2, or in L1 without an L2. Counters bypass L1: every call sees
// what all processes have added.
func (s *Store[T]) Add(ctx context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	if s.closed.Load() {
		return 0, s.errClosed("add", key)
	}
	n, err := store.Add(ctx, s.lower(), key, delta, ttl)
	return n, s.named(err)
}

// Ping checks that L2 answers.
func (s *Store[T]) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return s.errClosed("ping", "")
	}
	return s.named(store.Ping(ctx, s.lower()))
}
