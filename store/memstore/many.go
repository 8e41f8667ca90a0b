package memstore

import (
	"context"
	"maps"
	"slices"

	"github.com/lokroom/strata/store"
)

// GetMany implements [store.ManyGetter]. It reads all keys at one moment.
func (s *Store[T]) GetMany(_ context.Context, keys []string) (map[string]store.Entry[T], error) {
	found := make(map[string]store.Entry[T], len(keys))
	if err := s.begin("get many", ""); err != nil {
		return found, err
	}
	defer s.mu.Unlock()
	for _, key := range keys {
		if e, ok := s.read(key); ok {
			found[key] = e
		}
	}
	return found, nil
}

// SetMany implements [store.ManySetter]. It sets all entries at one moment.
func (s *Store[T]) SetMany(_ context.Context, entries map[string]store.Entry[T]) error {
	if err := s.begin("set many", ""); err != nil {
		return err
	}
	for key, e := range entries {
		s.write(key, e)
	}
	s.mu.Unlock()
	s.tell(nil, slices.Collect(maps.Keys(entries))...)
	return nil
}
