package memstore

import (
	"context"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// DeletePattern implements [store.PatternDeleter]. It looks at every key.
func (s *Store[T]) DeletePattern(_ context.Context, pattern string) (int, error) {
	return s.removeWhere("delete pattern", func(key string, _ item[T]) bool { return keys.Match(pattern, key) })
}

// removeWhere removes the items for which where is true and returns their number.
func (s *Store[T]) removeWhere(op string, where func(string, item[T]) bool) (int, error) {
	if err := s.begin(op, ""); err != nil {
		return 0, err
	}
	var removed []string
	for key := range s.items {
		if it, ok := s.find(key); ok && where(key, it) {
			s.shareHold(key)
			s.remove(key)
			removed = append(removed, key)
		}
	}
	s.mu.Unlock()
	s.notify(nil, removed...)
	return len(removed), nil
}

// Clear implements [store.Clearer]. Holds stay.
func (s *Store[T]) Clear(context.Context) error {
	if err := s.begin("clear", ""); err != nil {
		return err
	}
	clear(s.items)
	clear(s.leases)
	s.mu.Unlock()
	s.notifyAll(nil, store.Invalidation{All: true, Cleared: s.shared})
	return nil
}
