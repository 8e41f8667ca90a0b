package memstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// GetMany implements [store.ManyGetter]. It reads all keys at one moment.
func (s *Store[T]) GetMany(_ context.Context, keys []string) ([]*store.Entry[T], error) {
	found := make([]*store.Entry[T], len(keys))
	if err := s.begin("get many", ""); err != nil {
		return found, err
	}
	defer s.mu.Unlock()
	for i, key := range keys {
		if e, ok := s.read(key); ok {
			found[i] = &e
		}
	}
	return found, nil
}

// SetMany implements [store.ManySetter]. It sets all entries at one moment.
func (s *Store[T]) SetMany(_ context.Context, entries map[string]store.Entry[T]) error {
	if err := s.begin("set many", ""); err != nil {
		return err
	}
	failed := make(map[string]error)
	var changed []string
	for key, e := range entries {
		if err := s.check(key, &e); err != nil {
			failed[key] = failure("set many", key, err)
			continue
		}
		s.set(key, e)
		changed = append(changed, key)
	}
	s.mu.Unlock()
	s.notify(nil, changed...)
	return store.NewManyError(failed)
}
