package memstore

import (
	"context"
	"slices"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// DeletePattern implements [store.PatternDeleter]. It looks at every key.
func (s *Store[T]) DeletePattern(_ context.Context, pattern string) (int, error) {
	return s.removeWhere("delete pattern", func(key string, _ item[T]) bool {
		return keys.Match(pattern, key)
	})
}

// InvalidateTags implements [store.Tagger]. It looks at every entry.
func (s *Store[T]) InvalidateTags(_ context.Context, tags ...string) error {
	_, err := s.removeWhere("invalidate tags", func(_ string, it item[T]) bool {
		return slices.ContainsFunc(it.Tags, func(tag string) bool { return slices.Contains(tags, tag) })
	})
	return err
}

// removeWhere removes the items for which where is true and returns their number.
func (s *Store[T]) removeWhere(op string, where func(string, item[T]) bool) (int, error) {
	if err := s.begin(op, ""); err != nil {
		return 0, err
	}
	var removed []string
	for key := range s.items {
		if it, ok := s.find(key); ok && where(key, it) {
			s.remove(key)
			removed = append(removed, key)
		}
	}
	s.mu.Unlock()
	s.tell(nil, removed...)
	return len(removed), nil
}

// Clear implements [store.Clearer].
func (s *Store[T]) Clear(context.Context) error {
	if err := s.begin("clear", ""); err != nil {
		return err
	}
	clear(s.items)
	s.mu.Unlock()
	s.tellAll(nil, store.Invalidation{All: true})
	return nil
}
