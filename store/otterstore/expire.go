package otterstore

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/lokroom/strata/internal/view"
	"github.com/lokroom/strata/store"
)

// TTL implements [store.Expirer].
func (s *Store[T]) TTL(_ context.Context, key string) (time.Duration, error) {
	e, err := s.peek("ttl", key)
	if err != nil {
		return 0, err
	}
	return e.ExpiresAt.Until(), nil
}

// Expire implements [store.Expirer].
func (s *Store[T]) Expire(_ context.Context, key string, ttl time.Duration) error {
	b := s.budget
	if b.closed.Load() {
		return failure("expire", key, store.ErrClosed)
	}
	h, at := s.view.Hash(key), store.In(ttl)
	found := false
	b.cache.ComputeIfPresent(h, func(it *view.Item) (*view.Item, otter.ComputeOp) {
		e := s.view.Entry(it, key)
		if e == nil || b.clock.Passed(e.ExpiresAt) {
			return nil, otter.CancelOp
		}
		found = true
		if ttl <= 0 {
			return nil, otter.InvalidateOp
		}
		renewed := s.view.Expiring(it, e, at)
		b.charge(renewed)
		return renewed, otter.WriteOp
	})
	switch {
	case !found:
		return store.ErrNotFound
	case ttl <= 0:
		s.view.At(h).Deletes.Add(1)
	}
	return nil
}

// Exists implements [store.Expirer].
func (s *Store[T]) Exists(_ context.Context, key string) (bool, error) {
	e, err := s.peek("exists", key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && !e.Absent, err
}

// peek returns the entry under key without counting it as used.
func (s *Store[T]) peek(op, key string) (*store.Entry[T], error) {
	b := s.budget
	if b.closed.Load() {
		return nil, failure(op, key, store.ErrClosed)
	}
	held, _ := b.cache.GetEntryQuietly(s.view.Hash(key))
	e := s.view.Entry(held.Value, key)
	if e == nil || b.clock.Passed(e.ExpiresAt) {
		return nil, store.ErrNotFound
	}
	return e, nil
}
