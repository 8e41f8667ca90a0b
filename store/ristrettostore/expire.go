package ristrettostore

import (
	"context"
	"errors"
	"time"

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
	h, at := s.view.Hash(key), store.In(ttl)
	found := false
	open := s.budget.update(h, func(now *view.Item) *view.Item {
		e := s.view.Entry(now, key)
		if e == nil || s.budget.clock.Passed(e.ExpiresAt) {
			return now
		}
		found = true
		if ttl <= 0 {
			return nil
		}
		return s.view.Expiring(now, e, at)
	})
	switch {
	case !open:
		return failure("expire", key, store.ErrClosed)
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
	if s.budget.closed.Load() {
		return nil, failure(op, key, store.ErrClosed)
	}
	e := s.view.Entry(s.budget.peek(s.view.Hash(key)), key)
	if e == nil || s.budget.clock.Passed(e.ExpiresAt) {
		return nil, store.ErrNotFound
	}
	return e, nil
}
