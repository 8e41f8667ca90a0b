package otterstore

import (
	"context"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// Clear implements [store.Clearer]. It takes the same short time however many
// entries there are; their memory is given back soon afterwards.
func (s *Store[T]) Clear(context.Context) error {
	if s.budget.closed.Load() {
		return failure("clear", "", store.ErrClosed)
	}
	s.view.Clear()
	s.budget.sweep()
	return nil
}

// DeletePattern implements [store.PatternDeleter]. It looks at every entry of
// the budget, those of other stores included.
func (s *Store[T]) DeletePattern(_ context.Context, pattern string) (int, error) {
	b := s.budget
	if b.closed.Load() {
		return 0, failure("delete pattern", "", store.ErrClosed)
	}
	n := 0
	for h, it := range b.cache.All() {
		if !s.view.Owns(it) || !keys.Match(pattern, it.Key) {
			continue
		}
		// Whatever is under the key by now: it may have been replaced.
		if s.remove(h, it.Key) {
			s.view.At(h).Deletes.Add(1)
			n++
		}
	}
	return n, nil
}

// Stats implements [store.Reporter].
func (s *Store[T]) Stats(context.Context) (store.Stats, error) {
	if s.budget.closed.Load() {
		return store.Stats{}, failure("stats", "", store.ErrClosed)
	}
	st := s.view.Stats()
	st.MaxBytes = s.budget.max.Load()
	return st, nil
}

// SampleRemovals implements [store.RemovalSampler].
func (s *Store[T]) SampleRemovals(fn func(cause string, age time.Duration)) {
	s.view.SampleRemovals(fn)
}

// SampleHits implements [store.HitSampler].
func (s *Store[T]) SampleHits(fn func(key string)) (every int, stop func()) {
	return s.view.SampleHits(fn)
}
