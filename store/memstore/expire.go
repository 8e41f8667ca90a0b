package memstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/store"
)

// TTL implements [store.Expirer].
func (s *Store[T]) TTL(_ context.Context, key string) (time.Duration, error) {
	if err := s.begin("ttl", key); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	it, ok := s.find(key)
	if !ok {
		return 0, store.ErrNotFound
	}
	return it.ExpiresAt.Until(), nil
}

// Expire implements [store.Expirer].
func (s *Store[T]) Expire(_ context.Context, key string, ttl time.Duration) error {
	if err := s.begin("expire", key); err != nil {
		return err
	}
	it, ok := s.find(key)
	switch {
	case !ok:
		s.mu.Unlock()
		return store.ErrNotFound
	case ttl <= 0:
		s.remove(key)
	default:
		it.reset(store.In(ttl))
		if end := store.At(s.holds[key].until); it.provisional && (it.ExpiresAt == 0 || it.ExpiresAt > end) {
			it.ExpiresAt = end
		}
		s.items[key] = it
	}
	s.mu.Unlock()
	s.notify(nil, key)
	return nil
}

// reset moves the hard expiry, and the soft one along with it. A soft expiry
// without a hard one to measure from stays where it is.
func (it *item[T]) reset(at store.Time) {
	switch {
	case at == 0:
		it.StaleAt = 0
	case it.StaleAt != 0 && it.ExpiresAt != 0:
		// One that would lie before the epoch is as stale as one at it.
		it.StaleAt = max(1, at-(it.ExpiresAt-it.StaleAt))
	}
	it.ExpiresAt = at
}

// Exists implements [store.Expirer].
func (s *Store[T]) Exists(_ context.Context, key string) (bool, error) {
	if err := s.begin("exists", key); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	it, ok := s.find(key)
	return ok && !it.Absent, nil
}
