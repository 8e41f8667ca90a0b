package memstore

import (
	"context"
	"errors"
	"time"

	"github.com/lokroom/strata/store"
)

var (
	errNegativeTTL = errors.New("negative ttl")
	errOverflow    = errors.New("the sum does not fit an int64")
)

// Add implements [store.Counter].
func (s *Store[T]) Add(_ context.Context, key string, delta int64, ttl time.Duration) (int64, error) {
	if err := s.begin("add", key); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	sum, err := s.add(key, delta, ttl)
	if err != nil {
		s.stats.Errors++
		return 0, failure("add", key, err)
	}
	return sum, nil
}

func (s *Store[T]) add(key string, delta int64, ttl time.Duration) (int64, error) {
	if ttl < 0 {
		return 0, errNegativeTTL
	}
	it, ok := s.find(key)
	if ok && !it.counter {
		return 0, store.ErrWrongType
	}
	if !ok {
		it.counter = true
		if ttl > 0 {
			it.ExpiresAt = store.In(ttl)
		}
	}
	sum := it.sum + delta
	if (sum > it.sum) != (delta > 0) {
		return 0, errOverflow
	}
	it.sum = sum
	s.keep(key, it)
	return sum, nil
}

// Count implements [store.Counter].
func (s *Store[T]) Count(_ context.Context, key string) (int64, error) {
	if err := s.begin("count", key); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	it, ok := s.find(key)
	switch {
	case !ok:
		return 0, store.ErrNotFound
	case !it.counter:
		s.stats.Errors++
		return 0, failure("count", key, store.ErrWrongType)
	}
	return it.sum, nil
}
