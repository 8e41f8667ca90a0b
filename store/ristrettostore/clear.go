package ristrettostore

import (
	"context"
	"time"

	"github.com/lokroom/strata/keys"
	"github.com/lokroom/strata/store"
)

// Clear implements [store.Clearer]. It takes the same short time however many
// entries there are.
func (s *Store[T]) Clear(context.Context) error {
	if s.budget.closed.Load() {
		return failure("clear", "", store.ErrClosed)
	}
	s.view.Clear()
	return nil
}

// DeletePattern implements [store.PatternDeleter]. It looks at every entry of
// the budget, those of other stores included.
func (s *Store[T]) DeletePattern(_ context.Context, pattern string) (int, error) {
	n := 0
	for i := range s.budget.stripes {
		more, ok := s.deletePattern(&s.budget.stripes[i], pattern)
		if n += more; !ok {
			return n, failure("delete pattern", "", store.ErrClosed)
		}
	}
	return n, nil
}

func (s *Store[T]) deletePattern(in *stripe, pattern string) (n int, open bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s.budget.closed.Load() {
		return 0, false
	}
	for h, c := range in.cells {
		it := c.item.Load()
		if it == nil || !keys.Match(pattern, it.Key) {
			continue
		}
		e := s.view.Entry(it, it.Key)
		if e == nil { // of another store, or disowned
			continue
		}
		s.budget.replace(c, nil)
		if !s.budget.clock.Passed(e.ExpiresAt) {
			s.view.At(h).Deletes.Add(1)
			n++
		}
	}
	return n, true
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
