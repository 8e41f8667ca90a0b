package memstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// SetNewer implements [store.Reviser].
func (s *Store[T]) SetNewer(_ context.Context, key string, e store.Entry[T]) (kept bool, err error) {
	if err := s.begin("set newer", key); err != nil {
		return false, err
	}
	if err := s.check(key, &e); err != nil {
		s.mu.Unlock()
		return false, failure("set newer", key, err)
	}
	if it, ok := s.entry(key); ok && it.Supersedes(&e) && !e.Expired(store.Now()) {
		s.mu.Unlock()
		return false, nil
	}
	s.set(key, e)
	s.mu.Unlock()
	s.notify(nil, key)
	return true, nil
}

// SetIfAbsent implements [store.Reviser].
func (s *Store[T]) SetIfAbsent(_ context.Context, key string, e store.Entry[T]) (set bool, err error) {
	if err := s.begin("set if absent", key); err != nil {
		return false, err
	}
	if err := s.check(key, &e); err != nil {
		s.mu.Unlock()
		return false, failure("set if absent", key, err)
	}
	if it, ok := s.entry(key); ok && !it.Absent {
		s.mu.Unlock()
		return false, nil
	}
	s.set(key, e)
	s.mu.Unlock()
	s.notify(nil, key)
	return true, nil
}
