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
	it, ok := s.find(key)
	if ok && !it.counter && it.Supersedes(&e) && !e.Expired(store.Now()) {
		s.mu.Unlock()
		return false, nil
	}
	s.write(key, e)
	s.mu.Unlock()
	s.tell(nil, key)
	return true, nil
}
