package memstore

import (
	"context"

	"github.com/lokroom/strata/store"
)

// Ping implements [store.Pinger].
func (s *Store[T]) Ping(context.Context) error {
	if err := s.begin("ping", ""); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

// Stats implements [store.Reporter]. Entries counts the counters too.
func (s *Store[T]) Stats(context.Context) (store.Stats, error) {
	if err := s.begin("stats", ""); err != nil {
		return store.Stats{}, err
	}
	defer s.mu.Unlock()
	st := s.stats
	st.Entries = int64(len(s.items))
	return st, nil
}
